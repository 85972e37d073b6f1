"""A call of each method that executes a statement, and the requests that a proxy has recorded of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from coodie.capabilities import Capability
from coodie.protocol.frames import Opcode

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.faults.rules import RecordedRequest

    Calls = dict[str, Callable[..., Coroutine[Any, Any, Any]]]

__all__ = ["calls_of", "executions_of", "requests_of", "take_requests", "until_sent"]

_METHODS = {
    "execute": "execute",
    "execute_one": "execute_one",
    "execute_many": "read_many",
    "stream": "read_stream",
}


def calls_of(api: Api, stmt: str, params: Any) -> Calls:
    """Return a call of each method, by the method's name; each raises its error.

    Args:
        api: The driver.
        stmt: The statement; only an INSERT is also executed in a batch.
        params: Its parameters.
    """
    calls: Calls = {name: partial(getattr(api, method), stmt, params) for name, method in _METHODS.items()}
    if Capability.BATCHES in api.driver.capabilities and stmt.startswith("INSERT"):
        calls["execute_batch"] = partial(api.execute_batch, [(stmt, params)])
    return calls


def executions_of(proxy: FaultProxy, stmt: str) -> list[RecordedRequest]:
    """Return the requests that execute a statement, without those that prepare it: drivers may do so again.

    Args:
        proxy: The proxy.
        stmt: The complete CQL.
    """
    return [one for one in requests_of(proxy, stmt) if one.statement == stmt]


def requests_of(proxy: FaultProxy, contains: str) -> list[RecordedRequest]:
    """Return the requests that execute a statement, and those of batches.

    A driver may read the server's tables at any time, such as after another program's schema change.

    Args:
        proxy: The proxy.
        contains: Part of the statement, such as the check's table.
    """
    return [
        one
        for one in tuple(proxy.requests)
        if one.opcode == Opcode.BATCH
        or (one.opcode in {Opcode.QUERY, Opcode.EXECUTE} and contains in (one.statement or ""))
    ]


def take_requests(proxy: FaultProxy, contains: str) -> list[RecordedRequest]:
    """Return the same, and forget all requests."""
    taken = requests_of(proxy, contains)
    proxy.requests.clear()
    return taken


async def until_sent(api: Api, proxy: FaultProxy, stmt: str) -> None:
    """Wait until a request for a statement is in flight.

    A driver may prepare the statement again first, such as after another program's schema change.

    Args:
        api: The driver.
        proxy: The proxy.
        stmt: The CQL.
    """

    async def is_sent() -> bool:
        return proxy.count(stmt, Opcode.QUERY, Opcode.EXECUTE, Opcode.PREPARE) > 0

    await api.until(is_sent, "the request is sent")
