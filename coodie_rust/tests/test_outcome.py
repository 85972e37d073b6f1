"""Waiting for the client's futures, and what a request's outcome means."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from scylla.errors import ExecuteError
from scylla.session_builder import SessionBuilder

from coodie.cql import inspect_statement
from coodie.drivers.client.client import ClientRequest, Page
from coodie.effects import run_sync
from coodie.requests import Request, RequestOptions
from coodie_rust.client import RustClient
from coodie_rust.outcome import Outcome
from coodie_testing.interrupts import Interrupting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scylla.future import DriverFuture
    from scylla.session import Session

CREATE = "CREATE TABLE t (k int PRIMARY KEY)"

UNREADABLE = "Cluster metadata fetch error occurred during automatic schema agreement: unknown type"


@pytest.fixture
def begin() -> Iterator[Callable[[], DriverFuture[Session]]]:
    """Begin to connect to a server that never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield lambda: SessionBuilder().contact_points([server.getsockname()]).connect()


@pytest.mark.parametrize("timeout", [None, 15.0])
def test_an_interrupt(timeout: float | None, begin: Callable[[], DriverFuture[Session]]) -> None:
    """Ctrl-C ends a wait that the client doesn't end, and cancels the future."""
    future = begin()
    started = time.monotonic()
    with Interrupting(), pytest.raises(KeyboardInterrupt):
        Outcome(future, timeout).run()
    assert time.monotonic() - started < 4.0
    assert future.cancelled()


def test_a_timeout(begin: Callable[[], DriverFuture[Session]]) -> None:
    """A wait of several moments ends after the timeout, and cancels the future."""
    future = begin()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        Outcome(future, 0.25).run()
    assert time.monotonic() - started >= 0.25
    assert future.cancelled()


class _Done:
    """A future that has ended.

    Args:
        error: Its error.
    """

    def __init__(self, error: Exception) -> None:
        self._error = error

    def result(self, timeout: float | None = None) -> Any:
        """Raise the error."""
        raise self._error

    def done(self) -> bool:
        """Return whether it has ended."""
        return True

    def cancel(self) -> None:
        """Do nothing."""


def test_a_timeout_of_the_client() -> None:
    """A future's own TimeoutError ends the wait."""
    future: Any = _Done(TimeoutError("the client's"))
    with pytest.raises(TimeoutError, match="the client's"):
        Outcome(future, None).run()


class _Session:
    """Ends each request with an error.

    Args:
        error: The error.
    """

    def __init__(self, error: Exception) -> None:
        self._error = error

    def execute(self, *_: Any, **__: Any) -> _Done:
        """Return a future."""
        return _Done(self._error)


def _sent(message: str) -> Page:
    """Return the result of a schema change that ends with a message of the client."""
    session: Any = _Session(ExecuteError(f"Failed to execute statement: {message}"))
    asked, shape, options = Request(CREATE), inspect_statement(CREATE), RequestOptions()
    request = ClientRequest(CREATE, None, (), None, 5.0, 100, None, False, options, asked, shape)
    return run_sync(RustClient(session).send(request))


def test_a_schema_that_cannot_be_read() -> None:
    """A schema change that was made is no error, although the client couldn't read the schema after it."""
    assert _sent(UNREADABLE).decoded() == []
    with pytest.raises(ExecuteError):
        _sent("Failed to await schema agreement: no answer")
