"""Connecting: every option works or raises, a failure leaves nothing, and the loop never waits."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from cassandra.cluster import _clusters_for_shutdown
from tests.conftest import PATIENT

import coodie
from coodie.exceptions import ConfigurationError, ConnectionFailedError, CoodieError, InvalidQueryError
from coodie_testing.faults import FaultProxy, Opcode, Silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie.registry import DriverRegistry

pytestmark = pytest.mark.server

#: Seconds until the threads of a closed driver have ended: one may wait for an answer as long as it takes.
_THREADS_END = 3 * PATIENT["control_connection_timeout"]


@pytest.fixture
def silent() -> Iterator[int]:
    """Listen on a port where nobody ever answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


def _watch_threads() -> Callable[[], set[threading.Thread]]:
    """Return what tells the threads that connections have brought since.

    The drivers' reactor is one for all and stays. A driver that other tests share adds threads to its
    executor whenever it has more to do than before.
    """
    others = tuple(_clusters_for_shutdown)
    before = set(threading.enumerate())

    def extra() -> set[threading.Thread]:
        known = before.union(*(cluster.executor._threads for cluster in others))
        return {thread for thread in set(threading.enumerate()) - known if thread.name != "event_loop"}

    return extra


async def _settled(extra: Callable[[], set[threading.Thread]]) -> set[threading.Thread]:
    deadline = time.monotonic() + _THREADS_END
    while (threads := extra()) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return threads


@pytest.mark.parametrize("newest", [5, 4])
def test_a_normal_server_is_no_reason_to_warn(
    newest: int, connect: Callable[..., Any], cassandra_node: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The protocol's version is negotiated with no more connections than it takes, and without a warning."""
    with FaultProxy(cassandra_node.host, cassandra_node.port, max_protocol=newest) as proxy:
        driver = connect(hosts=[proxy.host], port=proxy.port, fast_path=False, compression=False)
        driver.execute("SELECT key FROM system.local", [])
        assert driver.session.cluster.protocol_version == newest
        assert proxy.accepted == 2 + 5 - newest  # one for events, one for requests, one to be told
        driver.close()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_options_reach_the_driver(connect: Callable[..., Any], keyspace: str) -> None:
    """Named options and the driver's own end up where the driver looks for them."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT
    from cassandra.policies import (
        ConstantSpeculativeExecutionPolicy,
        FallthroughRetryPolicy,
        RoundRobinPolicy,
    )

    speculation, retry, balancing = (
        ConstantSpeculativeExecutionPolicy(1, 1),
        FallthroughRetryPolicy(),
        RoundRobinPolicy(),
    )
    driver = connect(
        keyspace=keyspace,
        request_timeout=7,
        consistency="local_quorum",
        protocol_version=4,
        speculative_execution_policy=speculation,
        default_retry_policy=retry,
        load_balancing_policy=balancing,
        idle_heartbeat_interval=17,
    )
    cluster = driver.session.cluster
    profile = driver.session.get_execution_profile(EXEC_PROFILE_DEFAULT)
    assert driver.session.keyspace == driver._default_keyspace == keyspace
    assert profile.request_timeout == 7
    assert profile.consistency_level == 6
    assert profile.speculative_execution_policy is speculation
    assert profile.retry_policy is retry
    assert profile.load_balancing_policy is balancing
    assert cluster.protocol_version == 4
    assert cluster.idle_heartbeat_interval == 17
    assert driver.execute("SELECT key FROM system.local", [])


@pytest.mark.parametrize("own", [None, [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]])
def test_nothing_is_kept_back_to_be_sent_with_more(own: Any, connect: Callable[..., Any]) -> None:
    """All connections have TCP_NODELAY, beside the socket options of the caller's."""
    driver = connect(sockopts=own)
    for holder in driver.session.cluster.get_connection_holders():
        for connection in holder.get_connections():
            assert connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert bool(connection._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) == (
                own is not None
            )
    driver.close()
    off = connect(sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)])
    (connection,) = off.session.cluster.control_connection.get_connections()
    assert not connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_local_dc_is_preferred(connect: Callable[..., Any]) -> None:
    """local_dc= makes a token-aware policy for that data centre."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT

    driver = connect(local_dc="datacenter1")
    policy = driver.session.get_execution_profile(EXEC_PROFILE_DEFAULT).load_balancing_policy
    assert policy._child_policy.local_dc == "datacenter1"
    assert driver.ping()


@pytest.mark.parametrize("rack", ["rack1", "Rack1"])
async def test_local_rack_is_preferred(
    rack: str, connect: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The policy prefers the rack, on the fast path, too; a rack without nodes is only a warning."""
    driver = connect(local_dc="datacenter1", local_rack=rack)
    policy = driver.session.cluster.profile_manager.default.load_balancing_policy
    (host,) = driver.session.cluster.metadata.all_hosts()
    assert list(policy.make_query_plan()) == [host]
    query = "SELECT key FROM system.local WHERE key = ?"
    assert driver.execute_one(query, ["local"]) == await driver.execute_one_async(query, ["local"]) == "local"
    warned = [record.getMessage() for record in caplog.records if "local_rack=" in record.getMessage()]
    expected = "has no rack local_rack='Rack1'; it has 'rack1'. Names are case-sensitive."
    assert warned == ([] if rack == "rack1" else [f"The data centre 'datacenter1' {expected}"])


@pytest.mark.parametrize("centre", ["datacentre1", "Datacenter1"])
async def test_a_wrong_local_dc(
    centre: str, connect: Callable[..., Any], cassandra_node: Any, backend: str
) -> None:
    """The error names the data centres that there are."""
    with pytest.raises(
        ConfigurationError, match=f"no data centre '{centre}'. It has 'datacenter1'"
    ) as caught:
        connect(local_dc=centre)
    assert caught.value.option == "local_dc"
    with pytest.raises(ConfigurationError, match="It has 'datacenter1'"):
        await coodie.init_coodie_async(
            driver_type=backend, local_dc=centre, **cassandra_node.connection_options() | PATIENT
        )


def test_a_policy_that_uses_no_node(connect: Callable[..., Any], cassandra_node: Any) -> None:
    """The error names the nodes, with their data centres, and the options."""
    from cassandra.policies import DCAwareRoundRobinPolicy

    with pytest.raises(ConnectionFailedError, match=r"uses none of the nodes: .* in 'datacenter1'") as caught:
        connect(load_balancing_policy=DCAwareRoundRobinPolicy("elsewhere"))
    assert list(caught.value.hosts) == [f"{cassandra_node.host}:{cassandra_node.port}"]


@pytest.mark.parametrize("handshake", [True, False])
def test_a_slow_connect(handshake: bool, cassandra_node: Any, backend: str, registry: DriverRegistry) -> None:
    """The error names the two options that give it more time; both are for their part of it."""
    with FaultProxy(cassandra_node.host, cassandra_node.port) as proxy:
        proxy.partitioned = handshake
        proxy.add(Silence(), opcodes=(Opcode.QUERY,), times=None)
        short: dict[str, Any] = {"connect_timeout": 0.5, "control_connection_timeout": 0.5}
        with pytest.raises(ConnectionFailedError) as caught:
            coodie.init_coodie([proxy.host], driver_type=backend, port=proxy.port, **short)
    assert list(caught.value.hosts) == [f"{proxy.host}:{proxy.port}"]
    assert "both connect_timeout= and control_connection_timeout=" in str(caught.value)
    assert " timeout=" not in str(caught.value)


@pytest.mark.parametrize("is_async", [False, True])
async def test_every_option_works_in_both_functions(
    is_async: bool, cassandra_node: Any, backend: str, registry: DriverRegistry
) -> None:
    """What isn't in a function's signature comes through its kwargs."""
    options: dict[str, Any] = {
        "hosts": [cassandra_node.host],
        "port": cassandra_node.port,
        "driver_type": backend,
        "compression": "lz4",
        "speculative_execution_policy": None,
        "ssl_enabled": None,
        "ssl_verify_flags": None,
        "consistency": "ONE",
        "lazy": False,
        "aware_timestamps": True,
        "statement_cache_size": 3,
    }
    driver = await coodie.init_coodie_async(**options) if is_async else coodie.init_coodie(**options)
    try:
        assert coodie.get_driver() is driver
        assert driver.execute("SELECT key FROM system.local", [])
    finally:
        driver.close()


@pytest.mark.parametrize("wanted", [True, "lz4"])
def test_compression_is_what_was_asked_for(connect: Callable[..., Any], wanted: Any) -> None:
    """The control connection and the pools are compressed."""
    driver = connect(compression=wanted)
    cluster = driver.session.cluster
    connections = [c for holder in cluster.get_connection_holders() for c in holder.get_connections()]
    assert connections
    assert all(connection.compressor is not None for connection in connections)


def test_compression_can_be_off(connect: Callable[..., Any]) -> None:
    """False is honoured though lz4 is installed."""
    holders = connect(compression=False).session.cluster.get_connection_holders()
    assert all(c.compressor is None for holder in holders for c in holder.get_connections())


def test_a_compression_that_cant_be_had_raises(
    connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, registry: DriverRegistry
) -> None:
    """Snappy isn't installed here; without lz4, True can't be honoured either."""
    with pytest.raises(ConfigurationError, match="pip install python-snappy"):
        connect(compression="snappy")
    from cassandra import connection

    for name in list(connection.locally_supported_compressions):
        monkeypatch.delitem(connection.locally_supported_compressions, name)
    for wanted in (True, "lz4"):
        with pytest.raises(ConfigurationError, match="pip install lz4"):
            connect(compression=wanted)
    assert registry.names() == ()


async def test_a_compression_that_wasnt_negotiated_raises(
    connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server agreed to is looked at, not what was asked for; nothing is left behind."""
    from cassandra import connection

    extra = _watch_threads()
    real = connection.locally_supported_compressions["lz4"]
    monkeypatch.setitem(connection.locally_supported_compressions, "snappy", (lambda b: b, lambda b: b))
    monkeypatch.setitem(connection.locally_supported_compressions, "lz4", real)
    with pytest.raises(ConfigurationError, match="lz4"):
        connect(compression="snappy", protocol_version=5)
    assert await _settled(extra) == set()


def test_unknown_options_are_refused_with_did_you_mean(
    connect: Callable[..., Any], registry: DriverRegistry
) -> None:
    """A typo never goes unnoticed."""
    with pytest.raises(ConfigurationError, match="idle_heartbeat_interval") as caught:
        connect(idle_hartbeat_interval=5)
    assert caught.value.option == "idle_hartbeat_interval"
    with pytest.raises(ConfigurationError, match="request_timeout"):
        connect(request_timout=5)
    with pytest.raises(ConfigurationError, match="Did you mean 'request_timeout'"):
        connect(timeout=5)  # of a request
    with pytest.raises(ConfigurationError, match="Did you mean 'username'"):
        connect(user="ada")
    with pytest.raises(ConfigurationError, match="hosts="):
        connect(contact_points=["127.0.0.1"])
    assert registry.names() == ()


def test_a_representation_has_backend_hosts_and_state(connect: Callable[..., Any], backend: str) -> None:
    """It says what a driver is connected to, and whether it is open."""
    driver = connect()
    shown = repr(driver)
    assert shown.startswith(f"<CassandraDriver for {backend!r} at ")
    assert f"at {driver.session.cluster.endpoints_resolved[0]}: open, keyspace " in shown
    driver.close()
    assert ": closed, keyspace " in repr(driver)


@pytest.mark.parametrize("statement", ["SELECT * FROM nothing", "INSERT INTO nothing (id) VALUES (1)"])
async def test_a_table_without_keyspace_says_what_to_do(connect: Callable[..., Any], statement: str) -> None:
    """The hint names the option and the qualified name, for sync and async requests."""
    driver = connect()
    with pytest.raises(InvalidQueryError) as caught:
        driver.execute(statement)
    assert caught.value.hint == "Set init_coodie(keyspace=…), or write keyspace.table."
    with pytest.raises(InvalidQueryError, match=r"write keyspace\.table"):
        await driver.execute_async(statement)


def test_a_missing_keyspace_says_how_to_make_one(
    connect: Callable[..., Any], registry: DriverRegistry
) -> None:
    """The error names the keyspace and CREATE KEYSPACE."""
    with pytest.raises(ConfigurationError, match="CREATE KEYSPACE") as caught:
        connect(keyspace="nowhere_to_be_found")
    assert caught.value.option == "keyspace"
    assert registry.names() == ()


def test_a_case_sensitive_keyspace(connect: Callable[..., Any], driver: Any) -> None:
    """The plain name is given once, and quoted where it must be."""
    driver.execute(
        'CREATE KEYSPACE IF NOT EXISTS "MixedCase" '
        "WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        [],
    )
    driver.execute('CREATE TABLE IF NOT EXISTS "MixedCase".t (k int PRIMARY KEY)', [])
    assert connect(keyspace="MixedCase").execute("SELECT k FROM t", []) == []


async def test_a_refused_port_fails_clean(
    backend: str, registry: DriverRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody listens: a ConnectionError that names the host; no thread, no registration stays."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for number in range(2):
        extra = _watch_threads()
        with pytest.raises(ConnectionError) as caught:
            if number:
                await coodie.init_coodie_async(["127.0.0.1"], driver_type=backend, port=port)
            else:
                coodie.init_coodie(["127.0.0.1"], driver_type=backend, port=port)
        assert isinstance(caught.value, ConnectionFailedError)
        assert any("127.0.0.1" in host for host in caught.value.hosts)
        assert caught.value.__cause__ is not None
        del caught
        gc.collect()
        assert await _settled(extra) == set()
    assert registry.names() == ()


async def test_an_unresolvable_host_is_a_connection_error(backend: str, registry: DriverRegistry) -> None:
    """A name that has no address."""
    with pytest.raises(ConnectionFailedError):
        await coodie.init_coodie_async(["no-such-host.invalid"], driver_type=backend)


async def test_a_silent_host_never_blocks_the_loop(
    silent: int, backend: str, registry: DriverRegistry
) -> None:
    """While the connect waits, a ticker on the same loop goes on; then a ConnectionError comes."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    ticker = asyncio.create_task(tick())
    started = time.monotonic()
    with pytest.raises(ConnectionFailedError):
        await coodie.init_coodie_async(["127.0.0.1"], driver_type=backend, port=silent, connect_timeout=1.5)
    took = time.monotonic() - started
    ticker.cancel()
    assert ticks > took / 0.02 / 4
    assert registry.names() == ()


async def test_a_cancelled_connect_returns_at_once(
    silent: int, backend: str, registry: DriverRegistry
) -> None:
    """No registration stays, and its thread is gone within the connect timeout."""
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    extra = _watch_threads()
    connecting = asyncio.create_task(
        coodie.init_coodie_async(["127.0.0.1"], driver_type=backend, port=silent, connect_timeout=2)
    )
    await asyncio.sleep(0.3)
    started = time.monotonic()
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert time.monotonic() - started < 1
    assert registry.names() == ()
    assert await _settled(extra) == set()
    assert problems == []


async def test_a_connect_cancelled_too_late_is_closed(
    proxy: FaultProxy, backend: str, registry: DriverRegistry
) -> None:
    """What the thread connects after the cancellation is closed: no thread, no socket stays."""
    extra = _watch_threads()
    connecting = asyncio.create_task(
        coodie.init_coodie_async([proxy.host], driver_type=backend, port=proxy.port)
    )
    while not proxy.accepted:
        await asyncio.sleep(0.001)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert registry.names() == ()
    assert await _settled(extra) == set()
    deadline = time.monotonic() + 5
    while proxy.open_connections and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert not proxy.open_connections


def test_connecting_and_closing_leaves_nothing(connect: Callable[..., Any], proxy: FaultProxy) -> None:
    """Twenty times: threads and sockets are as before."""
    extra = _watch_threads()
    for _ in range(20):
        driver = connect(hosts=[proxy.host], port=proxy.port)
        assert driver.ping()
        driver.close()
    deadline = time.monotonic() + _THREADS_END
    while (extra() or proxy.open_connections) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert extra() == set()
    assert not proxy.open_connections


async def test_the_password_is_in_no_error(backend: str, registry: DriverRegistry, silent: int) -> None:
    """Neither str nor repr of the error chain shows it."""
    with pytest.raises(CoodieError) as caught:
        await coodie.init_coodie_async(
            ["127.0.0.1"],
            driver_type=backend,
            port=silent,
            connect_timeout=0.5,
            username="me",
            password="marker-7f3a",
        )
    error: BaseException | None = caught.value
    while error is not None:
        assert "marker-7f3a" not in f"{error}{error!r}{error.__dict__}"
        error = error.__cause__


def test_a_pool_that_is_created_during_close_is_closed(connect: Callable[..., Any]) -> None:
    """A node came back, and its pool is complete only after the session's pools have been closed."""
    from cassandra.cluster import Cluster

    held: list[Any] = []
    is_holding, is_opened, may_go_on = threading.Event(), threading.Event(), threading.Event()

    class Held(Cluster.connection_class):  # type: ignore[misc]  # the drivers have no types
        @classmethod
        def factory(cls, *args: Any, **kwargs: Any) -> Any:
            connection = super().factory(*args, **kwargs)
            if is_holding.is_set():
                held.append(connection)
                is_opened.set()
                assert may_go_on.wait(10)
            return connection

    driver = connect(connection_class=Held, fast_path=False)
    session = driver.session
    (host,) = session.cluster.metadata.all_hosts()
    (pool,) = session.get_pools()
    is_holding.set()
    session.add_or_renew_pool(host, is_host_addition=False)
    assert is_opened.wait(10)
    closing = threading.Thread(target=driver.close)
    closing.start()
    deadline = time.monotonic() + 10
    while not pool.is_shutdown and time.monotonic() < deadline:
        time.sleep(0.01)
    may_go_on.set()
    closing.join(15)
    assert [connection.is_closed for connection in held] == [True]
