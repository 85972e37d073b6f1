"""A caller's session stays the caller's: row factory, keyspace, profiles, listeners, life."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import PATIENT, open_driver

import coodie
from coodie.drivers.cassandra import CassandraDriver
from coodie.exceptions import ConfigurationError, UnsupportedError
from coodie.schema import ColumnDefinition, SyncOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie.registry import DriverRegistry
    from coodie_testing import FakeCluster

pytestmark = [
    pytest.mark.server,
    # What the drivers say of their own legacy mode, which we serve as well.
    pytest.mark.filterwarnings("ignore:Legacy execution parameters:DeprecationWarning"),
]


@pytest.fixture
def filled(driver: Any, table: Callable[[str], str]) -> str:
    """Fill a table with more rows than a page."""
    name = table("p int, n int, s set<int>, PRIMARY KEY (p, n)")
    driver.execute_many(f"INSERT INTO {name} (p, n, s) VALUES (0, ?, {{1}})", ((n,) for n in range(5100)))
    return name


@pytest.fixture(params=["uncommitted", "profiles", "legacy"])
def session(cassandra_node: Any, keyspace: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Connect as an application would, with each of the driver's ways of configuration."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.policies import RoundRobinPolicy
    from cassandra.query import named_tuple_factory

    options: dict[str, Any] = {
        "uncommitted": {},
        "profiles": {"execution_profiles": {EXEC_PROFILE_DEFAULT: ExecutionProfile(request_timeout=8)}},
        "legacy": {"load_balancing_policy": RoundRobinPolicy()},
    }[request.param]
    cluster = Cluster([cassandra_node.host], port=cassandra_node.port, **PATIENT, **options)
    connected = cluster.connect(keyspace)
    if request.param == "legacy":
        connected.row_factory = named_tuple_factory
    connected.coodie_kind = request.param
    yield connected
    cluster.shutdown()


async def test_rows_become_dicts_and_the_session_keeps_its_own(session: Any, filled: str) -> None:
    """Ours get dicts, sync and async, while the owner's requests get named tuples, before and after."""
    driver = CassandraDriver(session)
    unqualified = filled.partition(".")[2]

    def owners() -> None:
        row = session.execute(f"SELECT p, n FROM {unqualified} LIMIT 1").one()
        assert (row.p, row.n) == (0, 0)

    owners()
    for _ in range(2):
        rows = driver.execute(f"SELECT n, s FROM {unqualified} WHERE p = ?", [0])
        assert len(rows) == 5100
        assert rows[0] == {"n": 0, "s": {1}}
        owners()
    assert len(await driver.execute_async(f"SELECT n FROM {filled} WHERE p = 0", [])) == 5100
    owners()
    driver.close()
    owners()
    assert not session.is_shutdown


async def test_tables_are_synced_through_any_session(session: Any, keyspace: str) -> None:
    """One node is chosen and asked, whichever way the session is configured; the owner's rows stay theirs."""
    driver = CassandraDriver(session)
    cols = [ColumnDefinition("id", "int", primary_key=True)]
    table = f"synced_{session.coodie_kind}"
    assert len(await driver.sync_table_async(table, keyspace, cols)) == 1
    cols.append(ColumnDefinition("x", "int", index=True))
    assert len(driver.sync_table(table, keyspace, cols, options=SyncOptions(wait_for_indexes=60))) == 2
    assert driver.sync_table(table, keyspace, cols) == []
    assert session.execute(f"SELECT id, x FROM {keyspace}.{table}").one() is None
    driver.close()


def test_the_sessions_keyspace_stays(
    session: Any, keyspace: str, registry: DriverRegistry, backend: str
) -> None:
    """keyspace= beside session= is only what sync_table and mappers are told."""
    driver: Any = coodie.init_coodie(session=session, keyspace="another", driver_type=backend)
    assert driver._default_keyspace == "another"
    assert driver.session is session
    assert session.keyspace == keyspace
    assert CassandraDriver(session)._default_keyspace == keyspace
    driver.close()
    assert not session.is_shutdown


def test_nothing_of_ours_stays_on_the_session(session: Any, filled: str) -> None:
    """After close() the session has no listener, row factory or handler of ours."""
    before = (session.row_factory, session.client_protocol_handler, session.default_timeout)
    for _ in range(3):
        with CassandraDriver(session) as driver:
            driver.execute(f"SELECT n FROM {filled} LIMIT 1", [])
    assert session._request_init_callbacks == []
    assert (session.row_factory, session.client_protocol_handler, session.default_timeout) == before


def test_aware_timestamps_is_a_flag(session: Any) -> None:
    """Anything but True and False is refused, not taken for one of them."""
    with pytest.raises(ConfigurationError, match="aware_timestamps='yes'"):
        CassandraDriver(session, aware_timestamps="yes")  # type: ignore[arg-type]  # the mistake


def test_a_session_handed_over_is_shut_down(session: Any) -> None:
    """owns_session=True makes it ours."""
    driver = CassandraDriver(session, owns_session=True)
    driver.close()
    assert session.is_shutdown
    assert session.cluster.is_shutdown


def test_the_session_has_the_last_word_on_time(session: Any) -> None:
    """Without a timeout of ours, the session's default holds, from the first request on."""
    expected = {"profiles": 8, "legacy": 7, "uncommitted": 10}
    kind = session.coodie_kind
    if kind == "legacy":
        session.default_timeout = 7
    driver = CassandraDriver(session)
    assert driver._pipeline.default_timeout() == expected[kind]


def test_speculation_needs_profiles(session: Any, filled: str) -> None:
    """A policy for one request is honoured in profile mode and refused in legacy mode, never dropped."""
    from cassandra.policies import ConstantSpeculativeExecutionPolicy, RoundRobinPolicy

    class Counting(ConstantSpeculativeExecutionPolicy):  # type: ignore[misc]  # untyped driver
        plans = 0

        def new_plan(self, keyspace: str, statement: Any) -> Any:
            self.plans += 1
            return super().new_plan(keyspace, statement)

    policy = Counting(5, 1)
    options = coodie.RequestOptions(idempotent=True, speculative_execution_policy=policy)
    driver = CassandraDriver(session)
    stmt = f"SELECT n FROM {filled} LIMIT 1"
    if isinstance(session.cluster.load_balancing_policy, RoundRobinPolicy):
        with pytest.raises(UnsupportedError, match="execution_profiles"):
            driver.execute(stmt, [], options=options)
    else:
        assert driver.execute(stmt, [], options=options)
        assert policy.plans == 1
    driver.close()


def test_what_a_session_has_already_is_refused(session: Any, registry: DriverRegistry, backend: str) -> None:
    """Options of connecting beside session= raise, each named."""
    options: dict[str, Any] = {
        "hosts": ["127.0.0.1"],
        "port": 9042,
        "compression": True,
        "local_dc": "dc1",
        "protocol_version": 4,
        "ssl_enabled": True,
        "connect_timeout": 3,
        "lazy": True,
    }
    for name, value in options.items():
        with pytest.raises(ConfigurationError, match="session="):
            coodie.init_coodie(session=session, driver_type=backend, **{name: value})
    assert registry.names() == ()
    with pytest.raises(ConfigurationError):
        CassandraDriver("not a session")


def test_request_defaults_apply_to_a_callers_session(
    session: Any, registry: DriverRegistry, backend: str
) -> None:
    """request_timeout= and consistency= need no change of the session."""
    driver: Any = coodie.init_coodie(
        session=session, driver_type=backend, request_timeout=3.5, consistency="quorum"
    )
    assert driver.execute("SELECT key FROM system.local", [])
    assert driver._pipeline.default_timeout() == 3.5
    driver.close()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_request_leaves_nothing_to_collect(
    is_async: bool, backend: str, registry: DriverRegistry, fake_cluster: FakeCluster
) -> None:
    """The driver's objects for a request through the session are freed without the garbage collector."""
    statement = "SELECT id FROM shop.orders"
    fake_cluster.when(statement).rows([{"id": 1}])
    seen: list[weakref.ref[Any]] = []
    with open_driver(backend, fast_path=False, **fake_cluster.connection_options()) as driver:
        driver.session.add_request_init_listener(lambda response: seen.append(weakref.ref(response)))
        gc.disable()
        try:
            for _ in range(3):
                rows = await driver.execute_async(statement) if is_async else driver.execute(statement)
                assert list(rows) == [{"id": 1}]
            assert len(seen) == 3
            # The thread of the driver drops their timers.
            deadline = time.monotonic() + 30
            while any(one() for one in seen):
                assert time.monotonic() < deadline, "a request is only freed by the garbage collector"
                await asyncio.sleep(0.005)
        finally:
            gc.enable()
