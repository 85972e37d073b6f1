"""A request as a value, batch types, and the validation of a request's arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.exceptions import ConfigurationError
from coodie.options.request_options import RequestOptions
from coodie.options.valuetypes import MAX_TIMEOUT

if TYPE_CHECKING:
    from coodie.options.profiles import RequestProfile

__all__ = [
    "BatchType",
    "Params",
    "Request",
    "RequestOptions",
    "check_callback",
    "check_options",
    "check_timeout",
    "parse_batch_type",
]

#: Values for ``?`` in order, or for ``:name`` by name.
Params = Sequence[Any] | Mapping[str, Any]


class Request(NamedTuple):
    """The arguments of one request, in the order of ``execute``, not validated yet.

    A driver creates it in its public method, and passes it on.

    Attributes:
        stmt: The CQL text.
        params: The values.
        consistency: The name of a consistency level, case-insensitive; None for the connection's default.
        timeout: The timeout of each page in seconds; None for the connection's default.
        fetch_size: The number of rows of a page; None for all rows.
        paging_state: The ``Rows.paging_state`` or ``Rows.cursor`` of the previous page.
        options: The other options of the request.
        rows: What the rows are to be; None for what the options say, or else the driver's default.
    """

    stmt: str
    params: Params = ()
    consistency: str | None = None
    timeout: float | None = None
    fetch_size: int | None = None
    paging_state: bytes | str | None = None
    options: RequestOptions | None = None
    rows: Any = None

    def with_profile(self, profile: RequestProfile) -> Request:
        """Return the request with a profile's values as defaults.

        The profile's fetch_size isn't used, since it only applies to ``stream``.
        """
        options = profile.over(self.options)
        return self._replace(
            consistency=profile.consistency if self.consistency is None else self.consistency,
            timeout=profile.timeout if self.timeout is None else self.timeout,
            # Older drivers have no parameter options.
            options=None if options == RequestOptions() else options,
        )

    def with_params(self, params: Params) -> Request:
        """Return the same request with other values."""
        return Request(self.stmt, params, *self[2:])

    def __repr__(self) -> str:
        """Show everything except the values, which may be secret."""
        return f"<Request {self.stmt!r}, consistency={self.consistency!r}, timeout={self.timeout!r}>"


class BatchType(str, Enum):
    """The types of batches (CQL reference, "BATCH")."""

    #: Atomic across partitions, at the cost of a batch log.
    LOGGED = "LOGGED"
    #: Several writes in one message; only atomic within a partition.
    UNLOGGED = "UNLOGGED"
    #: Counter updates; never safe to retry.
    COUNTER = "COUNTER"


def parse_batch_type(batch_type: BatchType | str) -> BatchType:
    """Return the BatchType of a name, case-insensitive.

    Raises:
        ConfigurationError: There is no such batch type.
    """
    try:
        return BatchType(batch_type.upper())
    except (ValueError, AttributeError):
        names = ", ".join(kind.value for kind in BatchType)
        message = f"batch_type={batch_type!r} isn't a batch type."
        raise ConfigurationError(message, hint=f"Give one of {names}.", option="batch_type") from None


def check_options(options: RequestOptions | None) -> None:
    """Check the type of the options, and that their profile has been applied.

    Raises:
        ConfigurationError: The options have another type, or this driver has no profiles.
    """
    if options is None:
        return
    if not isinstance(options, RequestOptions):
        message = f"options: expected coodie.RequestOptions, got {type(options).__name__}."
        raise ConfigurationError(message, option="options")
    if options.profile is not None:
        message = f"profile={options.profile!r} was given, but this driver has no request profiles."
        hint = "Define it with init_coodie(profiles={…}), or in [connections.NAME.profiles.…]."
        raise ConfigurationError(message, hint=hint, option="profile")


def check_timeout(timeout: float | None, option: str = "timeout") -> float | None:
    """Validate a timeout, and return it.

    Args:
        timeout: Seconds, or None for the default.
        option: The argument's name, for the error.

    Raises:
        ConfigurationError: The timeout isn't a positive number of at most a year.
    """
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or not 0 < timeout <= MAX_TIMEOUT:
        message = f"{option}={timeout!r} isn't a positive number of seconds, at most a year."
        raise ConfigurationError(message, hint="Leave it out for the default.", option=option)
    return timeout


def check_callback(function: Any, option: str) -> None:
    """Validate a function that is called in the middle of an operation, such as ``on_progress``.

    Args:
        function: The function, or None.
        option: The argument's name, for the error.

    Raises:
        ConfigurationError: It can't be called, or it is an async function, which nothing would await.
    """
    if function is None:
        return
    if not callable(function):
        message = f"{option}: expected a function, got {type(function).__name__}."
        raise ConfigurationError(message, hint="Give a function, or leave it out.", option=option)
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        message = f"{option} is an async function, which isn't awaited."
        hint = "Give a function that isn't async; in a coroutine, it may start a task."
        raise ConfigurationError(message, hint=hint, option=option)
