"""A request as one value, and what it may ask for beside its statement and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.exceptions import ConfigurationError
from coodie.options.request_options import RequestOptions
from coodie.options.valuetypes import LONGEST

if TYPE_CHECKING:
    from coodie.options.profiles import RequestProfile

__all__ = [
    "BatchType",
    "Params",
    "Request",
    "RequestOptions",
    "check_options",
    "check_timeout",
    "parse_batch_type",
]

#: Values for ``?`` in order, or for ``:name`` by name.
Params = Sequence[Any] | Mapping[str, Any]


class Request(NamedTuple):
    """One request, as its caller gave it: what ``execute`` takes, in the same order.

    A driver makes it once, where it is called, and passes it on whole. Nothing in it has been checked yet.

    Attributes:
        stmt: The CQL text.
        params: The values.
        consistency: A consistency level's name, in any case; None for the connection's.
        timeout: Seconds for each page; None for the connection's.
        fetch_size: Rows per page; None for all rows.
        paging_state: ``Rows.paging_state`` or ``Rows.cursor`` of the page before.
        options: The other options of the request.
    """

    stmt: str
    params: Params = ()
    consistency: str | None = None
    timeout: float | None = None
    fetch_size: int | None = None
    paging_state: bytes | str | None = None
    options: RequestOptions | None = None

    def with_profile(self, profile: RequestProfile) -> Request:
        """Return the same request with what a profile says where the request says nothing.

        Without the profile's fetch_size, which is for ``stream`` alone.
        """
        options = profile.over(self.options)
        return self._replace(
            consistency=profile.consistency if self.consistency is None else self.consistency,
            timeout=profile.timeout if self.timeout is None else self.timeout,
            # Drivers made before there were options take none.
            options=None if options == RequestOptions() else options,
        )

    def with_params(self, params: Params) -> Request:
        """Return the same request with other values."""
        return Request(self.stmt, params, *self[2:])

    def __repr__(self) -> str:
        """Show everything but the values, which may be secret."""
        return f"<Request {self.stmt!r}, consistency={self.consistency!r}, timeout={self.timeout!r}>"


class BatchType(str, Enum):
    """The kinds of batch that CQL knows (CQL reference, "BATCH")."""

    #: All or nothing across partitions, at the price of a batch log.
    LOGGED = "LOGGED"
    #: Several writes in one message; atomic within one partition alone.
    UNLOGGED = "UNLOGGED"
    #: Counter updates; never safe to repeat.
    COUNTER = "COUNTER"


def parse_batch_type(batch_type: BatchType | str) -> BatchType:
    """Return the BatchType of that name, in any case.

    Raises:
        ConfigurationError: It isn't the name of one.
    """
    try:
        return BatchType(batch_type.upper())
    except (ValueError, AttributeError):
        names = ", ".join(kind.value for kind in BatchType)
        message = f"batch_type={batch_type!r} is not a kind of batch."
        raise ConfigurationError(message, hint=f"Give one of {names}.", option="batch_type") from None


def check_options(options: RequestOptions | None) -> None:
    """Refuse what isn't a RequestOptions, and one whose profile nobody has looked up.

    Raises:
        ConfigurationError: It is something else, or this driver knows no profiles.
    """
    if options is None:
        return
    if not isinstance(options, RequestOptions):
        message = f"options is of type {type(options).__name__}."
        raise ConfigurationError(message, hint="Give a coodie.RequestOptions.", option="options")
    if options.profile is not None:
        message = f"This driver was opened without request profiles, and {options.profile!r} was asked for."
        hint = "Give them where it is opened: init_coodie(profiles={…}), or [connections.NAME.profiles.…]."
        raise ConfigurationError(message, hint=hint, option="profile")


def check_timeout(timeout: float | None, option: str = "timeout") -> float | None:
    """Return the seconds, or refuse what isn't a time to wait.

    Args:
        timeout: Seconds, or None for the default.
        option: The argument's name, for the error.

    Raises:
        ConfigurationError: It isn't a positive number, of a year at most.
    """
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or not 0 < timeout <= LONGEST:
        message = f"{option}={timeout!r} is not a positive number of seconds, of a year at most."
        raise ConfigurationError(message, hint="Leave it out for the default.", option=option)
    return timeout
