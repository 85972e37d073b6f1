"""What is sent again after a failure, with a policy that would always do so."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api, open_driver
from tests.reliability.conftest import heal_async

from coodie import RequestOptions
from coodie.drivers.cassandra import _session
from coodie.exceptions import (
    ConnectionFailedError,
    CoodieError,
    InvalidQueryError,
    OverloadedError,
    UnavailableError,
)
from coodie.observers import RequestRetried, RetryReason, observing
from coodie.observers.recorder import Recorder
from coodie.protocol.frames import Opcode
from coodie.registry import DriverRegistry, using_registry
from coodie_testing.faults import Close, ErrorCode, FaultProxy, ServerError, Silence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coodie_testing.faults import Fault

pytestmark = pytest.mark.server

#: Faults under which a write may have been applied.
IN_DOUBT: dict[str, Fault] = {
    "write timeout": ServerError(code=ErrorCode.WRITE_TIMEOUT, reaches_node=True),
    "batch log timeout": ServerError(code=ErrorCode.WRITE_TIMEOUT, reaches_node=True, write_type="BATCH_LOG"),
    "CAS timeout": ServerError(code=ErrorCode.WRITE_TIMEOUT, reaches_node=True, write_type="CAS"),
    "server error": ServerError(code=ErrorCode.SERVER_ERROR, reaches_node=True),
    "close": Close(),
}

#: Faults under which nothing was done.
HARMLESS: dict[str, Fault] = {
    "unavailable": ServerError(code=ErrorCode.UNAVAILABLE),
    "is bootstrapping": ServerError(code=ErrorCode.IS_BOOTSTRAPPING),
    "overloaded": ServerError(code=ErrorCode.OVERLOADED),
    "read timeout": ServerError(code=ErrorCode.READ_TIMEOUT),
}


#: Faults under which that is so, unless the write has a condition: the replicas may have agreed on it before.
WITHOUT_CONDITION = ("unavailable", "overloaded", "read timeout")


@pytest.fixture(params=["sync", "async"])
def calls(through: Any, request: pytest.FixtureRequest) -> Api:
    """Give the connection through the proxy, by its sync and by its async methods."""
    return Api(through, is_async=request.param == "async")


@pytest.fixture(scope="module")
def written(driver: Any, keyspace: str, protocol: int) -> str:
    """Make a table for writes of all kinds."""
    name = f"{keyspace}.written_v{protocol}"
    driver.execute(f"CREATE TABLE {name} (k text PRIMARY KEY, v int)", [])
    return name


def _always() -> Any:
    """Make a policy that sends to the same host again, twice, whatever happened."""
    from cassandra.policies import RetryPolicy

    class Always(RetryPolicy):  # type: ignore[misc]  # untyped driver
        """Counts how often it is asked."""

        asked = 0

        def _again(self, *args: Any, **kwargs: Any) -> tuple[int, None]:
            self.asked += 1
            return (self.RETRY, None) if self.asked < 3 else (self.RETHROW, None)

        on_read_timeout = on_write_timeout = on_unavailable = on_request_error = _again

    return Always()


#: Kind of write → what executes it.
WRITES: dict[str, Callable[..., Awaitable[Any]]] = {
    "insert": lambda calls, name, key, **terms: calls.execute(
        f"INSERT INTO {name} (k, v) VALUES (?, 1)", [key], **terms
    ),
    "conditional": lambda calls, name, key, **terms: calls.execute(
        f"INSERT INTO {name} (k, v) VALUES (?, 1) IF NOT EXISTS", [key], **terms
    ),
    "conditional update": lambda calls, name, key, **terms: calls.execute(
        f"UPDATE {name} SET v = 1 WHERE k = ? IF v = null", [key], **terms
    ),
    "conditional batch": lambda calls, name, key, **terms: calls.execute_batch(
        [(f"INSERT INTO {name} (k, v) VALUES (?, 1) IF NOT EXISTS", [key])], **terms
    ),
    "conditional batch as text": lambda calls, name, key, **terms: calls.execute(
        f"BEGIN BATCH INSERT INTO {name} (k, v) VALUES (?, 1) IF NOT EXISTS; APPLY BATCH", [key], **terms
    ),
    "batch": lambda calls, name, key, **terms: calls.execute_batch(
        [(f"INSERT INTO {name} (k, v) VALUES (?, 1)", [key])], **terms
    ),
    "batch as text": lambda calls, name, key, **terms: calls.execute(
        f"BEGIN BATCH INSERT INTO {name} (k, v) VALUES (?, 1); APPLY BATCH", [key], **terms
    ),
    "truncate": lambda calls, name, key, **terms: calls.execute(f"TRUNCATE {name}", [], **terms),
}


def _broken(proxy: FaultProxy, fault: Fault) -> Any:
    kinds = (Opcode.QUERY, Opcode.EXECUTE, Opcode.BATCH)
    # With the dot: the driver itself asks for the new table's columns, by its name alone.
    return proxy.add(fault, contains=".written_v", opcodes=kinds, times=None)


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("fault", IN_DOUBT)
async def test_a_write_in_doubt_is_never_sent_again(
    fault: str, kind: str, calls: Api, proxy: FaultProxy, written: str
) -> None:
    """A write that may have been applied is sent once; the retry policy isn't called."""
    policy = _always()
    await WRITES[kind](calls, written, "warm")
    rule = _broken(proxy, IN_DOUBT[fault])
    with pytest.raises(CoodieError):
        await WRITES[kind](calls, written, fault, options=RequestOptions(retry_policy=policy))
    assert (rule.hits, policy.asked) == (1, 0)
    rule.times = rule.hits
    await heal_async(calls.driver)
    await WRITES[kind](calls, written, "next")


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("fault", [*IN_DOUBT, *HARMLESS])
async def test_an_idempotent_write_is_up_to_the_policy(
    fault: str, kind: str, calls: Api, proxy: FaultProxy, written: str
) -> None:
    """With idempotent=True, the retry policy decides whether a write is retried."""
    policy = _always()
    await WRITES[kind](calls, written, "warm")
    rule = _broken(proxy, (IN_DOUBT | HARMLESS)[fault])
    options = RequestOptions(retry_policy=policy, idempotent=True)
    with pytest.raises(CoodieError) as caught:
        await WRITES[kind](calls, written, fault, options=options)
    assert policy.asked
    if not isinstance(caught.value, ConnectionFailedError):  # the one connection is gone after that
        assert (rule.hits, policy.asked) == (3, 3), caught.value
    rule.times = rule.hits
    await heal_async(calls.driver)


@pytest.mark.parametrize("kind", [kind for kind in WRITES if kind.startswith("conditional")])
@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_condition_that_may_have_been_met(
    is_async: bool, fast_path: bool, kind: str, proxy: FaultProxy, backend: str, written: str
) -> None:
    """Where too few are alive for the commit, the policy isn't asked, unless the write is idempotent."""
    policy = _always()
    terms = {"port": proxy.port, "fast_path": fast_path, "default_retry_policy": policy}
    with using_registry(DriverRegistry()):
        driver = open_driver(backend, hosts=[proxy.host], **terms)
    with driver:
        calls = Api(driver, is_async=is_async)
        for number in range(3):
            await WRITES[kind](calls, written, f"{kind} warm {number}")
        rule = _broken(proxy, HARMLESS["unavailable"])
        with pytest.raises(UnavailableError, match="may have been applied") as caught:
            await WRITES[kind](calls, written, kind)
        assert caught.value.may_have_been_applied
        assert (rule.hits, policy.asked) == (1, 0)
        with pytest.raises(UnavailableError, match="may have been applied"):
            await WRITES[kind](calls, written, kind, options=RequestOptions(idempotent=True))
        assert (rule.hits, policy.asked) == (4, 3)


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("fault", HARMLESS)
async def test_what_was_not_done_may_be_done_again(
    fault: str, kind: str, calls: Api, proxy: FaultProxy, written: str
) -> None:
    """If the node didn't apply a write, the retry policy decides, and the retry succeeds."""
    if fault in WITHOUT_CONDITION and kind.startswith("conditional"):
        return  # see the test above
    if fault == "overloaded" and kind == "batch as text":
        return  # it has a log, which may have been written
    policy = _always()
    await WRITES[kind](calls, written, "warm")
    rule = _broken(proxy, HARMLESS[fault])
    rule.times = 2
    await WRITES[kind](calls, written, fault, options=RequestOptions(retry_policy=policy))
    assert (rule.hits, policy.asked) == (2, 2)


@pytest.mark.parametrize("fault", [*IN_DOUBT, *HARMLESS])
async def test_a_read_is_up_to_the_policy(fault: str, calls: Api, proxy: FaultProxy, written: str) -> None:
    """A failed SELECT is retried as the retry policy decides."""
    policy = _always()
    stmt = f"SELECT v FROM {written} WHERE k = ?"
    await calls.execute(stmt, ["warm"])
    rule = _broken(proxy, (IN_DOUBT | HARMLESS)[fault])
    rule.times = 1
    try:
        await calls.execute(stmt, ["warm"], options=RequestOptions(retry_policy=policy))
    except ConnectionFailedError:
        assert fault == "close"  # the one connection was gone
    assert (rule.hits, policy.asked > 0) == (1, True)
    await heal_async(calls.driver)


@pytest.mark.parametrize("place", ["connection", "request"])
@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_policy_that_waits_needs_no_other_node(
    is_async: bool, fast_path: bool, place: str, proxy: FaultProxy, backend: str, written: str
) -> None:
    """An overloaded node that is alone gets a read or an idempotent write up to four times."""
    terms: dict[str, Any] = {"port": proxy.port, "fast_path": fast_path}
    own: dict[str, Any] = {"retry_policy": "backoff"} if place == "request" else {}
    if place == "connection":
        terms["retry_policy"] = "backoff"
    with using_registry(DriverRegistry()):
        driver = open_driver(backend, hosts=[proxy.host], **terms)
    select, kinds = f"SELECT v FROM {written} WHERE k = 'x'", ("insert", "batch", "truncate")
    options = RequestOptions(idempotent=True, **own)
    with driver:
        calls = Api(driver, is_async=is_async)
        for _ in range(3):
            await calls.execute(select, [])
            await calls.execute(f"SELECT v FROM {written} WHERE k = ?", ["x"])
            for kind in kinds:
                await WRITES[kind](calls, written, "x")
        rule = _broken(proxy, HARMLESS["overloaded"])
        for number, kind in enumerate(kinds):
            rule.times = 2 * number + 2
            began = time.monotonic()
            await WRITES[kind](calls, written, "x", options=options)
            assert rule.hits == rule.times
            assert time.monotonic() - began > 0.15  # after half of 0.1 s and of 0.2 s, or more
        rule.times += 2
        began = time.monotonic()
        await calls.execute_many(f"SELECT v FROM {written} WHERE k = ?", [["x"]], options=options)
        assert rule.hits == rule.times
        assert time.monotonic() - began > 0.15
        rule.times = None
        with pytest.raises(OverloadedError):
            await calls.execute_one(select, [], options=options)
        assert rule.hits == 2 * len(kinds) + 2 + 4


@pytest.mark.parametrize(
    ("is_async", "fast_path"), [(False, False), (True, True)], ids=["sync", "fast async"]
)
async def test_a_policy_with_delays_waits_for_the_only_node(
    is_async: bool,
    fast_path: bool,
    cassandra_node: Any,
    backend: str,
    written: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a lost connection, requests are sent once the driver is connected again; failed ones count."""
    stmt = f"SELECT v FROM {written} WHERE k = ?"
    options = RequestOptions(retry_policy="backoff", idempotent=True)
    monkeypatch.setattr(_session, "_REPLACEMENT_TIMEOUT", 30.0)  # for a busy machine
    with FaultProxy(cassandra_node.host, cassandra_node.port) as proxy, using_registry(DriverRegistry()):
        # It connects again after a second, which is longer than the policy's delays.
        driver = open_driver(backend, hosts=[proxy.host], port=proxy.port, fast_path=fast_path)
        calls = Api(driver, is_async=is_async)
        await calls.execute(stmt, ["x"])
        await WRITES["insert"](calls, written, "x")
        for ask in (
            lambda: calls.execute(stmt, ["x"], options=options),
            lambda: WRITES["insert"](calls, written, "x", options=options),
        ):
            rule = proxy.add(Close(), contains=written, opcodes=(Opcode.EXECUTE,), times=1)
            with observing(recorder := Recorder()):
                await ask()
            assert rule.hits == 1
            assert [event.reason for event in recorder.of(RequestRetried)] == [RetryReason.CONNECTION_LOST]
        proxy.add(Close(), contains=written, opcodes=(Opcode.EXECUTE,), times=2)
        trace = RequestOptions(trace=True)  # through the session
        with observing(recorder := Recorder()), pytest.raises(ConnectionFailedError):
            await calls.execute(stmt, ["x"], options=trace)
        assert recorder.of(RequestRetried) == []  # there is no other node
        proxy.rules.clear()
        await calls.execute(
            stmt, ["x"], options=replace(options, trace=True)
        )  # not sent while there is no connection
        stats = driver.stats()
        errors = stats.nodes[0].errors
        assert (stats.unconnected, errors) == (0, 3)
    with driver:
        monkeypatch.setattr(_session, "_REPLACEMENT_TIMEOUT", 0.1)
        for own in (None, options):
            with pytest.raises(ConnectionFailedError):
                await calls.execute(stmt, ["x"], options=own)
        stats = driver.stats()
        assert (stats.unconnected, stats.nodes[0].errors) == (2, errors)


async def test_preparing_fails_by_itself(calls: Api, proxy: FaultProxy, written: str) -> None:
    """A failed PREPARE only fails its request; the next request prepares the statement again."""
    for number, fault in enumerate((Silence(), ServerError(code=ErrorCode.INVALID), Close())):
        stmt = f"SELECT v FROM {written} WHERE k = ? LIMIT {number + 1 + 10 * calls.is_async}"
        rule = proxy.add(fault, contains=stmt, opcodes=(Opcode.PREPARE,))
        failed = False
        for _ in range(20):  # on a busy machine, the time may be over before the request is sent
            try:
                await calls.execute(stmt, ["x"], timeout=0.5)
            except CoodieError:
                failed = True
            if rule.hits:
                break
        assert rule.hits == 1
        # Preparing does no harm, so that the driver may have asked again.
        assert failed or isinstance(fault, Close)
        await heal_async(calls.driver)
        await calls.execute(stmt, ["x"])


async def test_a_forgotten_statement_is_prepared_again(calls: Api, proxy: FaultProxy, written: str) -> None:
    """After UNPREPARED, the statement is prepared again and executed once; the caller doesn't notice."""
    stmt = f"UPDATE {written} SET v = 5 WHERE k = 'again'"
    await calls.execute(stmt, [])
    # Twice: what was sent on a connection of the fast path is sent again on one of the driver's.
    rule = proxy.add(
        ServerError(code=ErrorCode.UNPREPARED), contains=stmt, opcodes=(Opcode.EXECUTE,), times=2
    )
    proxy.requests.clear()
    await calls.execute(stmt, [])
    assert rule.hits == 2
    assert proxy.count(stmt, Opcode.PREPARE) >= 1
    assert proxy.count(stmt, Opcode.EXECUTE) == 1


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("fast_path", [False, True], ids=["session", "fast path"])
@pytest.mark.parametrize("first", ["write timeout", "overloaded"])
async def test_earlier_attempts_count_when_a_statement_is_forgotten(
    first: str, fast_path: bool, is_async: bool, backend: str, proxy: FaultProxy, written: str
) -> None:
    """The error tells whether one of them may have been applied, whichever attempt failed last."""
    terms = {"port": proxy.port, "retry_policy": _always(), "fast_path": fast_path}
    with using_registry(DriverRegistry()):
        driver = open_driver(backend, hosts=[proxy.host], **terms)
    stmt, options = f"INSERT INTO {written} (k, v) VALUES (?, 6)", RequestOptions(idempotent=True)
    with driver:
        calls = Api(driver, is_async=is_async)
        for _ in range(3):
            await calls.execute(stmt, ["warm"], options=options)
        faults = [(IN_DOUBT | HARMLESS)[first]]
        faults += [ServerError(code=ErrorCode.UNPREPARED), ServerError(code=ErrorCode.INVALID)]
        rules = [proxy.add(fault, contains=stmt, opcodes=(Opcode.EXECUTE,)) for fault in faults]
        with pytest.raises(InvalidQueryError) as caught:
            await calls.execute(stmt, [first], options=options)
        assert [rule.hits for rule in rules] == [1, 1, 1]
        assert caught.value.may_have_been_applied == (first in IN_DOUBT)
