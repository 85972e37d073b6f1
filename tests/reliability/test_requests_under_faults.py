"""Each method under each fault: the right error in time, nothing sent twice, and the next request works."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api
from tests.reliability.conftest import heal_async

from coodie import exceptions
from coodie.exceptions import CoodieError
from coodie.protocol.frames import Opcode
from coodie_testing.faults import (
    Close,
    Corrupt,
    Delay,
    ErrorCode,
    ServerError,
    Silence,
    Trickle,
    Truncate,
    WrongStream,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coodie_testing.faults import Fault, FaultProxy

pytestmark = pytest.mark.server

#: Seconds that a request may take.
TIMEOUT = 0.4
#: Seconds after which a request that should have ended hangs: far beyond what a busy machine takes.
HANG = 15

#: Fault → the error of a request that is never sent again.
FAULTS: dict[str, tuple[Fault, type[CoodieError]]] = {
    "server error": (ServerError(code=ErrorCode.SERVER_ERROR), exceptions.ServerError),
    "truncate error": (ServerError(code=ErrorCode.TRUNCATE_ERROR), exceptions.ServerError),
    "unavailable": (ServerError(code=ErrorCode.UNAVAILABLE), exceptions.UnavailableError),
    "overloaded": (ServerError(code=ErrorCode.OVERLOADED), exceptions.OverloadedError),
    "read timeout": (ServerError(code=ErrorCode.READ_TIMEOUT), exceptions.ReadTimeoutError),
    "write timeout": (ServerError(code=ErrorCode.WRITE_TIMEOUT), exceptions.WriteTimeoutError),
    "read failure": (ServerError(code=ErrorCode.READ_FAILURE), exceptions.ReadFailureError),
    "write failure": (ServerError(code=ErrorCode.WRITE_FAILURE), exceptions.WriteFailureError),
    "function failure": (ServerError(code=ErrorCode.FUNCTION_FAILURE), exceptions.FunctionFailureError),
    "syntax error": (ServerError(code=ErrorCode.SYNTAX_ERROR), exceptions.QuerySyntaxError),
    "unauthorized": (ServerError(code=ErrorCode.UNAUTHORIZED), exceptions.UnauthorizedError),
    "invalid": (ServerError(code=ErrorCode.INVALID), exceptions.InvalidQueryError),
    "already exists": (ServerError(code=ErrorCode.ALREADY_EXISTS), exceptions.AlreadyExistsError),
    "silence": (Silence(), exceptions.RequestTimeoutError),
    "silence before": (Silence(reaches_node=False), exceptions.RequestTimeoutError),
    "late": (Delay(seconds=1.2), exceptions.RequestTimeoutError),
    "wrong stream": (WrongStream(), exceptions.RequestTimeoutError),
    "close": (Close(), exceptions.ConnectionFailedError),
    "close before": (Close(reaches_node=False), exceptions.ConnectionFailedError),
    "cut answer": (Truncate(), exceptions.ConnectionFailedError),
    "corrupt": (Corrupt(), CoodieError),
}


@pytest.fixture(params=["sync", "async"])
def calls(through: Any, request: pytest.FixtureRequest) -> Api:
    """Give the connection through the proxy, by its sync and by its async methods."""
    return Api(through, is_async=request.param == "async")


@pytest.fixture(scope="module")
def counters(driver: Any, keyspace: str, through: Any) -> str:
    """Make a table of counters: they show how often a write was applied."""
    name = f"{keyspace}.counters_{through.session.cluster.protocol_version}"
    driver.execute(f"CREATE TABLE {name} (k text PRIMARY KEY, n counter)", [])
    return name


async def _stream(calls: Api, stmt: str, **terms: Any) -> list[Any]:
    return [row async for row in calls.stream(stmt, ["x"], **terms)]


def _write(name: str) -> str:
    return f"UPDATE {name} SET n = n + 1 WHERE k = ?"


def _read(name: str) -> str:
    return f"SELECT n FROM {name} WHERE k = ?"


#: Method → what calls it, with the terms of the call.
READS: dict[str, Callable[..., Awaitable[Any]]] = {
    "execute": lambda calls, name, **terms: calls.execute(_read(name), ["x"], **terms),
    "execute_one": lambda calls, name, **terms: calls.execute_one(_read(name), ["x"], **terms),
    "stream": lambda calls, name, **terms: _stream(calls, _read(name), **terms),
}
WRITES: dict[str, Callable[..., Awaitable[Any]]] = {
    "execute": lambda calls, name, key, **terms: calls.execute(_write(name), [key], **terms),
    "execute_batch": lambda calls, name, key, **terms: calls.execute_batch(
        [(_write(name), [key])], "COUNTER", **terms
    ),
    "execute_many": lambda calls, name, key, **terms: calls.execute_many(_write(name), [[key]], **terms),
}


def _timeout(error: type[CoodieError]) -> float:
    """Return a short time where it has to run out, and a long one where a busy machine mustn't let it."""
    return TIMEOUT if error is exceptions.RequestTimeoutError else HANG


async def _fails(request: Awaitable[Any], error: type[CoodieError]) -> CoodieError:
    """Run a request that has to end with this error, in time."""
    started = time.monotonic()
    with pytest.raises(CoodieError) as caught:
        await request
    assert time.monotonic() - started < HANG
    found = caught.value
    if isinstance(found, exceptions.ExecuteManyError):
        assert found.result is not None
        (inner,) = found.result.errors.values()
        assert isinstance(inner, CoodieError)
        found = inner
    assert isinstance(found, error), repr(found)
    return found


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_write_fails_once(
    fault: str, method: str, calls: Api, proxy: FaultProxy, counters: str, driver: Any
) -> None:
    """A write that may have been applied raises an error and isn't retried; later writes work."""
    broken, error = FAULTS[fault]
    key = f"{fault} {method} {calls.is_async}"
    await WRITES[method](calls, counters, f"warm {key}")
    rule = proxy.add(broken, contains="UPDATE", opcodes=(Opcode.EXECUTE, Opcode.BATCH), times=None)
    proxy.requests.clear()
    await _fails(WRITES[method](calls, counters, key, timeout=_timeout(error)), error)
    assert rule.hits == 1
    rule.times = rule.hits
    await heal_async(calls.driver)
    await WRITES[method](calls, counters, f"next {key}")
    expected = [{"n": 1}] if broken.reaches_node else []
    assert driver.execute(_read(counters), [key]) == expected
    assert driver.execute(_read(counters), [f"next {key}"]) == [{"n": 1}]


@pytest.mark.parametrize(
    "method",
    ["execute", *[pytest.param(name, marks=pytest.mark.reliability) for name in READS if name != "execute"]],
)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_read_fails_in_time(
    fault: str, method: str, calls: Api, proxy: FaultProxy, counters: str
) -> None:
    """A read under a lasting fault raises the right error; after the fault, the next one works."""
    broken, error = FAULTS[fault]
    await READS[method](calls, counters)
    rule = proxy.add(broken, contains="SELECT n", times=None)
    await _fails(READS[method](calls, counters, timeout=_timeout(error)), error)
    assert rule.hits
    rule.times = rule.hits
    await heal_async(calls.driver)
    await READS[method](calls, counters)


async def _one_turn(driver: Any, stmt: str, keys: list[str], timeout: float) -> list[Any]:
    """Execute once for each key, in one turn of the loop; return rows and errors."""
    calls = [driver.execute_async(stmt, [key], timeout=timeout) for key in keys]
    return await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("fault", FAULTS)
async def test_writes_of_one_turn_fail_once(
    fault: str, through: Any, proxy: FaultProxy, counters: str, driver: Any
) -> None:
    """Eight writes that are sent together each raise their error, and none is retried; later writes work."""
    broken, error = FAULTS[fault]
    keys = [f"{fault} {number}" for number in range(8)]
    await _one_turn(through, _write(counters), ["warm"] * 2, HANG)
    rule = proxy.add(broken, contains="UPDATE", times=None)
    started = time.monotonic()
    outcomes = await _one_turn(through, _write(counters), keys, _timeout(error))
    assert time.monotonic() - started < HANG
    assert all(isinstance(outcome, error) for outcome in outcomes), outcomes
    # Where a connection has been lost meanwhile, a request on it, or its answer, may have got no further.
    assert rule.hits <= len(keys)
    rule.times = rule.hits
    await heal_async(through)
    assert await _one_turn(through, _write(counters), [f"next {key}" for key in keys], HANG) == [[]] * len(
        keys
    )
    applied = [driver.execute_one(_read(counters), [key]) or 0 for key in keys]
    assert rule.hits <= sum(applied) if broken.reaches_node else not any(applied)
    assert max(applied) <= 1
    assert [driver.execute_one(_read(counters), [f"next {key}"]) for key in keys] == [1] * len(keys)


@pytest.mark.parametrize("method", READS)
async def test_a_trickle_is_no_fault(method: str, calls: Api, proxy: FaultProxy, counters: str) -> None:
    """A response that arrives a few bytes at a time is read correctly."""
    expected = await READS[method](calls, counters)
    rule = proxy.add(Trickle(), contains="SELECT n", times=None)
    assert await READS[method](calls, counters) == expected
    assert rule.hits == 1
