"""The context manager that a driver uses around each request, to notify observers."""

from __future__ import annotations

import itertools
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from coodie.observers.connections import identity_of
from coodie.observers.hub import request_observers
from coodie.observers.request import UNOBSERVED, Part
from coodie.observers.requestkind import RequestKind
from coodie.requests import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from coodie.observers.request import ObservedRequest
    from coodie.options.request_options import RequestOptions

__all__ = ["ONE_OF_MANY", "batch_part", "observe", "observe_request", "part_of", "untold"]

_numbers = itertools.count(1)


#: The kind of the next request, which AbstractDriver's own methods set before they call ``execute``.
_part: ContextVar[Part | None] = ContextVar("coodie_part", default=None)


#: The kind of each execution of an ``execute_many``.
ONE_OF_MANY = Part(RequestKind.MANY)

_NO_CONTEXT = nullcontext()


def part_of(part: Part) -> AbstractContextManager[None]:
    """Set the kind of the next request in this block; for ``AbstractDriver``."""
    return _part_of(part) if request_observers() else _NO_CONTEXT


@contextmanager
def _part_of(part: Part) -> Iterator[None]:
    token = _part.set(part)
    try:
        yield
    finally:
        _part.reset(token)


#: Whether another driver emits the events of the requests in this context.
_untold: ContextVar[bool] = ContextVar("coodie_untold", default=False)


@contextmanager
def untold() -> Iterator[None]:
    """Emit no events in this block: a driver that wraps another one emits its own."""
    token = _untold.set(True)
    try:
        yield
    finally:
        _untold.reset(token)


def observe_request(
    driver: object,
    stmt: str,
    params: Any,
    *,
    consistency: str | None = None,
    fetch_size: int | None = None,
    timeout: float | None = None,
    options: RequestOptions | None = None,
    part: Part | None = None,
) -> ObservedRequest:
    """Return a context manager for one request.

    Use it in a ``with`` statement, in sync code, in a coroutine or in a generator::

        def execute(self, stmt, params, consistency=None, timeout=None, …):
            with observe_request(self, stmt, params, consistency=consistency, …) as request:
                answer = self._client.query(stmt, params)
                request.add_page(len(answer))
                return answer

    The block must contain the whole body of ``execute`` or ``execute_async``, including the validation of the
    arguments, so that each call has exactly one start and one end. ``AbstractDriver``'s other methods call
    these two, and need no block; a driver that overrides ``execute_batch`` or ``execute_many`` uses a block
    with ``part`` for each request there. If a backend's driver wraps one that it opened with
    ``open_driver``, only the wrapper emits events; a wrapper of any other driver leaves that to the wrapped
    driver.

    Without observers, this only checks an empty tuple, and allocates nothing.

    To test a driver, register an object with ``coodie_request_started`` and ``coodie_request_finished``
    (``with observing(recorder): …``), and call the driver. Each ``execute``, even if it fails, times out or
    is cancelled, emits one event of each, with the same ``request_id``; ``driver_name``, ``statement`` and
    ``parameter_count`` are those of the call; after a success, ``rows`` is the length of the result, and
    ``pages`` is positive; ``error`` is the exception that the caller receives, the same object. Each page of
    a ``stream`` is a request, and so is each execution of an ``execute_many`` (``kind`` is MANY); an
    ``execute_batch`` is one request (BATCH).

    Args:
        driver: The driver itself.
        stmt: The given CQL text.
        params: The given parameters.
        consistency: The consistency level: the call's, or else the default.
        fetch_size: The number of rows per page, if one page was requested.
        timeout: The call's timeout in seconds.
        options: The call's other options.
        part: The call that the request is a part of; for drivers that override ``execute_batch`` or
            ``execute_many``.
    """
    if not request_observers():
        return UNOBSERVED
    request = Request(stmt, params, consistency, timeout, fetch_size, options=options)
    return observe(driver, request, consistency, part)


def observe(
    driver: object, request: Request, consistency: str | None, part: Part | None = None
) -> ObservedRequest:
    """Return a context manager for one request, as ``observe_request``.

    Args:
        driver: The driver itself.
        request: The request.
        consistency: The consistency level: the request's, or else the default.
        part: The call that the request is a part of.
    """
    observers = request_observers()
    if not observers or _untold.get():
        return UNOBSERVED
    found = part or _part.get()
    if found is None:
        found = Part(RequestKind.SINGLE)
    elif part is None:
        _part.set(None)
    identity = identity_of(driver)
    if identity.silent:
        return UNOBSERVED
    # A slow import, needed by observers only.
    from coodie.observers.active_request import ActiveRequest, request_fields

    return ActiveRequest(
        observers,
        {
            "request_id": next(_numbers),
            "driver_name": identity.name,
            "driver_type": identity.driver_type,
            "keyspace": getattr(request.options, "keyspace", None)
            or getattr(driver, "_default_keyspace", None),
            "consistency": consistency.upper() if isinstance(consistency, str) else None,
            "fetch_size": request.fetch_size,
            "timeout": request.timeout,
            "idempotent": bool(getattr(request.options, "idempotent", False)),
            **request_fields(request.stmt, request.params, found),
        },
    )


def batch_part(statements: Sequence[Any]) -> Part:
    """Return the part for a batch; invalid items are reported later, when they are validated."""
    pairs = ((item, ()) if isinstance(item, str) else item for item in statements)
    kept = [
        (pair[0], pair[1])
        for pair in pairs
        if isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], str)  # noqa: PLR2004 - a pair
    ]
    return Part(RequestKind.BATCH, kept)
