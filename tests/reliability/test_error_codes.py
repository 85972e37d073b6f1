"""Codes that a test's server hardly ever sends: each by its meaning, on both ways, with both drivers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api, open_driver
from tests.reliability.conftest import heal_async

from coodie import RequestOptions, exceptions
from coodie.registry import DriverRegistry, using_registry
from coodie_testing.faults import Close, ErrorCode, FaultProxy, Opcode, ServerError, Silence
from coodie_testing.faults.shards import Sharding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie_testing.faults import Fault, ProxiedConnection

pytestmark = pytest.mark.server

_LIMITED = "Per-partition rate limit reached for write in table ks.t, rejected by "


def _with_rate_limit(connection: ProxiedConnection, options: dict[str, list[str]]) -> None:
    """Have the node offer ScyllaDB's code; scylla-driver alone agrees on it."""
    Sharding(1).in_turn(connection, options)
    options["SCYLLA_RATE_LIMIT_ERROR"] = [f"ERROR_CODE={0x4321}"]


@pytest.fixture(scope="module")
def offering(cassandra_node: Any) -> Iterator[FaultProxy]:
    """Put a proxy in front of the node, which seems to have a rate limit."""
    with FaultProxy(cassandra_node.host, cassandra_node.port) as proxy:
        proxy.edit_supported = _with_rate_limit
        yield proxy


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "driver's way"])
def connected(offering: FaultProxy, backend: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Connect through it, with the fast path and without.

    The driver waits for schema agreement after each event, in the two threads in which it also sends requests
    again: without events, other tests' schema changes don't keep them waiting.
    """
    terms = {"port": offering.port, "fast_path": request.param, "request_timeout": 10}
    terms["schema_event_refresh_window"] = -1
    with using_registry(DriverRegistry()):
        driver = open_driver(backend, hosts=[offering.host], **terms)
    with driver:
        yield driver


@pytest.fixture(params=["sync", "async"])
def calls(connected: Any, request: pytest.FixtureRequest) -> Api:
    """Give the connection by its sync and by its async methods."""
    return Api(connected, is_async=request.param == "async")


@pytest.fixture
def proxy(offering: FaultProxy, connected: Any) -> Iterator[FaultProxy]:
    """Give the proxy without faults."""
    assert connected.ping(timeout=10)
    offering.rules.clear()
    yield offering
    offering.rules.clear()


@pytest.fixture(scope="module")
def table(driver: Any, keyspace: str) -> str:
    """Make a table."""
    name = f"{keyspace}.coded"
    driver.execute(f"CREATE TABLE IF NOT EXISTS {name} (k text PRIMARY KEY, v int)", [])
    return name


async def _failing(calls: Api, proxy: FaultProxy, stmt: str, fault: Fault, **terms: Any) -> Any:
    """Return the error of a statement that is warm, under a fault."""
    for _ in range(3):
        await calls.execute(stmt, ["k"])
    proxy.add(fault, contains=stmt, opcodes=(Opcode.EXECUTE,), times=None)
    with pytest.raises(exceptions.CoodieError) as caught:
        await calls.execute(stmt, ["k"], **terms)
    return caught.value


async def test_a_conditional_write_that_met_others(calls: Api, proxy: FaultProxy, table: str) -> None:
    """It is a write's timeout, which may have been applied, with what the drivers drop of the body."""
    stmt = f"INSERT INTO {table} (k, v) VALUES (?, 1) IF NOT EXISTS"
    error = await _failing(calls, proxy, stmt, ServerError(code=ErrorCode.CAS_WRITE_UNKNOWN))
    assert type(error) is exceptions.CasWriteUnknownError
    assert isinstance(error, TimeoutError)
    assert (error.consistency, error.received, error.required) == ("QUORUM", 1, 2)
    assert (error.write_type, error.may_have_been_applied) == ("CAS", True)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (ErrorCode.CDC_WRITE_FAILURE, exceptions.WriteFailureError),
        (ErrorCode.CLIENT_WRITE_FAILURE, exceptions.ServerError),
    ],
)
async def test_other_failures_of_writes(
    code: ErrorCode, kind: type, calls: Api, proxy: FaultProxy, table: str
) -> None:
    """They may have been applied."""
    stmt = f"INSERT INTO {table} (k, v) VALUES (?, 1)"
    error = await _failing(calls, proxy, stmt, ServerError(code=code))
    assert (type(error), error.may_have_been_applied) == (kind, True)


@pytest.mark.parametrize("by_coordinator", [True, False])
@pytest.mark.parametrize("agreed", [True, False])
async def test_the_rate_limit(
    agreed: bool, by_coordinator: bool, calls: Api, proxy: FaultProxy, table: str, backend: str
) -> None:
    """It is an overload, not a mistake; whether something was done depends on who rejected it."""
    if agreed and backend != "scylla":
        return  # which has not asked for the code
    rejecter = "coordinator" if by_coordinator else "replicas"
    fault = ServerError(
        code=ErrorCode.RATE_LIMIT_ERROR if agreed else ErrorCode.CONFIG_ERROR,
        message=_LIMITED + rejecter,
        by_coordinator=by_coordinator,
    )
    error = await _failing(calls, proxy, f"INSERT INTO {table} (k, v) VALUES (?, 1)", fault)
    assert type(error) is exceptions.RateLimitedError
    assert not isinstance(error, ValueError)
    assert (error.operation, error.rejected_by) == ("write", rejecter)
    assert error.may_have_been_applied is not by_coordinator
    assert ("nothing was done" in str(error)) is by_coordinator


async def test_a_retry_policy_is_asked_of_the_rate_limit(calls: Api, proxy: FaultProxy, table: str) -> None:
    """One that wants to; it is told of an overloaded node."""
    from cassandra.policies import RetryPolicy

    class Once(RetryPolicy):  # type: ignore[misc]  # untyped driver
        def on_request_error(self, *_: Any, retry_num: int, **__: Any) -> tuple[int, None]:
            return (self.RETRY, None) if retry_num < 1 else (self.RETHROW, None)

    stmt = f"INSERT INTO {table} (k, v) VALUES (?, 2)"
    fault = ServerError(code=ErrorCode.CONFIG_ERROR, message=f"{_LIMITED}coordinator")
    error = await _failing(calls, proxy, stmt, fault, options=RequestOptions(retry_policy=Once()))
    assert type(error) is exceptions.RateLimitedError
    assert proxy.rules[0].hits == 2


@pytest.mark.parametrize("kind", ["UNLOGGED", "LOGGED"])
async def test_too_few_alive_for_a_batch(kind: str, calls: Api, proxy: FaultProxy, table: str) -> None:
    """Parts of one without a log may have been applied, as a batch and as one text; with a log none."""
    parts = [(f"INSERT INTO {table} (k, v) VALUES (?, 1)", [key]) for key in "ab"]
    await calls.execute_batch(parts, kind)
    proxy.add(ServerError(code=ErrorCode.UNAVAILABLE), opcodes=(Opcode.BATCH,), times=None)
    with pytest.raises(exceptions.UnavailableError) as caught:
        await calls.execute_batch(parts, kind)
    assert caught.value.may_have_been_applied is (kind == "UNLOGGED")
    assert ("nothing was done" in str(caught.value)) is (kind == "LOGGED")
    proxy.rules.clear()
    begin = "BEGIN BATCH" if kind == "LOGGED" else "BEGIN UNLOGGED BATCH"
    text = f"{begin} INSERT INTO {table} (k) VALUES (?); INSERT INTO {table} (k) VALUES ('b'); APPLY BATCH"
    error = await _failing(calls, proxy, text, ServerError(code=ErrorCode.UNAVAILABLE))
    assert error.may_have_been_applied is (kind == "UNLOGGED")


async def test_too_few_alive_for_several_partitions(calls: Api, proxy: FaultProxy, table: str) -> None:
    """An IN writes one partition after the other."""
    stmt = f"UPDATE {table} SET v = 1 WHERE k IN (?, 'b')"
    error = await _failing(calls, proxy, stmt, ServerError(code=ErrorCode.UNAVAILABLE))
    assert (type(error), error.may_have_been_applied) == (exceptions.UnavailableError, True)


@pytest.mark.parametrize(
    ("stmt", "in_parts"),
    [
        ("CREATE ROLE {role} WITH LOGIN = false", True),
        ("GRANT SELECT ON {table} TO {role}", True),
        ("REVOKE SELECT ON {table} FROM {role}", True),
        ("DROP ROLE IF EXISTS {role}", True),
        ("CREATE TABLE {table}_new (k int PRIMARY KEY)", True),
        ("TRUNCATE {table}", False),
    ],
)
async def test_too_few_alive_for_the_servers_own_tables(
    stmt: str, in_parts: bool, calls: Api, proxy: FaultProxy, table: str
) -> None:
    """The server writes to several of them, one after the other, and refuses TRUNCATE before it begins."""
    text = stmt.format(table=table, role="nobody")
    proxy.add(ServerError(code=ErrorCode.UNAVAILABLE), contains=text, opcodes=(Opcode.QUERY,), times=None)
    with pytest.raises(exceptions.UnavailableError) as caught:
        await calls.execute(text, [])
    assert caught.value.may_have_been_applied is in_parts
    assert ("nothing was done" in str(caught.value)) is not in_parts
    assert proxy.rules[0].hits == 1


async def test_a_schema_change_on_which_nobody_agrees(
    calls: Api, proxy: FaultProxy, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has been made: a warning at the end of the driver's wait says so, or an error at the request's."""
    name = f"{table}_{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(calls.driver.session.cluster, "max_schema_agreement_wait", 0.5)
    proxy.add(Silence(), contains="schema_version", times=None)
    (warning,) = (await calls.execute(f"CREATE TABLE {name} (k int PRIMARY KEY)", [], timeout=60)).warnings
    assert warning.startswith("The schema was changed, but schema agreement couldn't be checked")
    # Longer than the request's timeout; the driver's next schema change waits for the rest of it.
    monkeypatch.setattr(calls.driver.session.cluster, "max_schema_agreement_wait", 4.0)
    with pytest.raises(exceptions.RequestTimeoutError, match="The schema was changed, but") as caught:
        await calls.execute(f"ALTER TABLE {name} ADD v int", [], timeout=2)
    assert caught.value.may_have_been_applied
    proxy.rules.clear()
    assert (await calls.execute(f"DROP TABLE {name}", [], timeout=60)).warnings == ()


async def test_an_error_tells_of_all_attempts(calls: Api, proxy: FaultProxy, table: str) -> None:
    """An idempotent write fails in a way that leaves it in doubt, and is refused when it is sent again."""
    from cassandra.policies import RetryPolicy

    class Always(RetryPolicy):  # type: ignore[misc]  # untyped driver
        def on_request_error(self, *_: Any, **__: Any) -> tuple[int, None]:
            return self.RETRY, None

        def on_unavailable(self, *_: Any, **__: Any) -> tuple[int, None]:
            return self.RETHROW, None

    stmt = f"INSERT INTO {table} (k, v) VALUES (?, 3)"
    for _ in range(3):
        await calls.execute(stmt, ["k"])
    first = proxy.add(ServerError(code=ErrorCode.SERVER_ERROR, reaches_node=True), contains=stmt, times=1)
    proxy.add(ServerError(code=ErrorCode.UNAVAILABLE), contains=stmt, times=None)
    options = RequestOptions(idempotent=True, retry_policy=Always())
    with pytest.raises(exceptions.UnavailableError, match="earlier attempt may have been") as caught:
        await calls.execute(stmt, ["k"], options=options)
    assert first.hits == 1
    assert caught.value.may_have_been_applied
    assert "nothing was done" not in str(caught.value)


@pytest.mark.parametrize("reads", [True, False])
async def test_a_connection_that_is_lost(reads: bool, calls: Api, proxy: FaultProxy, table: str) -> None:
    """It is told from one that never was; of a read nothing can have been applied."""
    stmt = f"SELECT v FROM {table} WHERE k = ?" if reads else f"INSERT INTO {table} (k, v) VALUES (?, 4)"
    error = await _failing(calls, proxy, stmt, Close())
    proxy.rules.clear()
    await heal_async(calls.driver)
    if not reads:
        assert type(error) is exceptions.ConnectionLostError
        assert list(error.hosts) == [f"{proxy.host}:{proxy.port}"]
    assert error.may_have_been_applied is not reads


async def test_no_answer_to_a_write(calls: Api, proxy: FaultProxy, table: str) -> None:
    """It may have been applied, and the error says so; of a read there is nothing to say."""
    write = f"INSERT INTO {table} (k, v) VALUES (?, 5)"
    error = await _failing(calls, proxy, write, Silence(), timeout=0.3)
    assert type(error) is exceptions.RequestTimeoutError
    assert error.may_have_been_applied
    assert "may have been applied" in str(error)
    read = f"SELECT v FROM {table} WHERE k = ?"
    error = await _failing(calls, proxy, read, Silence(), timeout=0.3)
    assert (type(error), error.may_have_been_applied) == (exceptions.RequestTimeoutError, False)
    proxy.rules.clear()
    await heal_async(calls.driver)
