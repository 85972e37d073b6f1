"""``RequestOptions.total_timeout``: the rest of it for a part of a request, and its errors.

A request with a total timeout consists of parts: the queue, PREPARE, and each page. Each part gets the rest
of the time as its own ``total_timeout``. All errors name the caller's value.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from coodie.exceptions import RequestTimeoutError

if TYPE_CHECKING:
    from coodie.effects import Steps
    from coodie.options.request_options import RequestOptions
    from coodie.requests import Request

__all__ = ["total_timeout_error", "with_rest", "within_total"]

T = TypeVar("T")

_HINT = "Increase RequestOptions.total_timeout, select fewer rows, or check the server's load."


class _Rest(float):
    """The rest of a total timeout in seconds.

    Attributes:
        total: The caller's value.
    """

    total: float


def with_rest(options: RequestOptions, seconds: float) -> RequestOptions:
    """Return the options for a part of a request, with the rest of their total timeout."""
    rest = _Rest(seconds)
    rest.total = _total(options)
    return replace(options, total_timeout=rest)


def _total(options: RequestOptions) -> float:
    given = options.total_timeout or 0.0
    return given.total if isinstance(given, _Rest) else given


def total_timeout_error(stmt: str, options: RequestOptions) -> RequestTimeoutError:
    """Return the error of a request whose ``total_timeout`` expires between two round trips."""
    return _error(stmt, _total(options))


def _error(stmt: str, total: float, details: str = "", *, applied: bool = False) -> RequestTimeoutError:
    message = f"The result wasn't complete within total_timeout={total:g} s{details or '.'}"
    hint = f"It may have been applied. {_HINT}" if applied else _HINT
    return RequestTimeoutError(
        message, hint=hint, statement=stmt, timeout=total, is_total=True, may_have_been_applied=applied
    )


def within_total(steps: Steps[T], request: Request, options: RequestOptions, default: float) -> Steps[T]:
    """Run the steps of a request with a ``total_timeout``; name it in the error if it limited a part of them.

    Args:
        steps: The steps.
        request: The caller's request.
        options: Its options.
        default: The default timeout of a round trip, in seconds.

    Raises:
        RequestTimeoutError: A round trip took longer than its timeout, or than the rest of the total timeout.
    """
    try:
        return (yield from steps)
    except RequestTimeoutError as exc:
        own = request.timeout or default
        if exc.is_total or exc.timeout is None or exc.timeout >= own:
            raise  # or the timeout of the round trip
        # Without the rest of the total timeout, such as 9.99989e-10 s, which the caller didn't give.
        cause = str(exc).removesuffix(exc.hint or "").rstrip().replace(f" within {exc.timeout:g} s", "")
        details = f": {cause}"
        applied = exc.may_have_been_applied
        raise _error(request.stmt, _total(options), details, applied=applied) from exc
