"""Checks of connecting: options take effect, and a failure names its cause and leaves nothing open."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    CoodieError,
    RequestTimeoutError,
    UnavailableError,
    UnsupportedError,
)
from coodie.options.request_options import RequestOptions
from coodie.registry.lazy import LazyDriver
from coodie.registry.registry import DriverRegistry
from coodie_testing.checking import check
from coodie_testing.methods import calls_of
from coodie_testing.resources import assert_loop_not_blocked

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.suite import Suite
    from coodie_testing.workspace import Workspace

__all__ = ["ConnectingChecks"]

_LOCAL = "SELECT key FROM system.local"

#: What a driver must not change on a session that isn't its own, as far as the session has it.
_SETTINGS = ("row_factory", "keyspace", "default_fetch_size", "default_timeout", "is_shutdown")

#: Options that a backend may reject, all or some.
_UNUSUAL: tuple[dict[str, Any], ...] = (
    {"compression": "snappy"},
    {"compression": "lz4"},
    {"protocol_version": 1},
    {"retry_policy": object()},
    {"speculative_execution_policy": object()},
    {"local_dc": "nowhere", "local_rack": "rack1"},
    {"no_such_option": 1},
)


async def _use_of(api: Api, **options: Any) -> None:
    """Open a driver, and send a request that needs a keyspace."""
    other = await api.open(**options)
    await other.execute("SELECT a FROM nothing", [])


class ConnectingChecks:
    """Options of init_coodie."""

    @check()
    async def test_nobody_listens(self, api: Api, closed_port: int) -> None:
        """An unreachable host is a ConnectionFailedError and a ConnectionError, with its cause."""
        with pytest.raises(ConnectionFailedError) as caught:
            await api.open(hosts=["127.0.0.1"], port=closed_port)
        assert isinstance(caught.value, ConnectionError)
        assert caught.value.__cause__ is not None
        assert str(caught.value).strip()

    @check()
    async def test_one_host_of_several(self, api: Api, proxy: FaultProxy) -> None:
        """One reachable contact point is enough."""
        other = await api.open(hosts=["127.0.0.254", proxy.host], port=proxy.port)
        assert await other.execute_one(_LOCAL, []) == "local"

    @check()
    async def test_the_default_keyspace(self, api: Api, space: Workspace) -> None:
        """keyspace= is the keyspace of unqualified names in reads, writes and batches."""
        other = await api.open(keyspace=space.keyspace)
        table = space.items.partition(".")[2]
        rows = await other.execute(f"SELECT c FROM {table} WHERE p = ? AND c < 3", ["many"])
        assert rows == [{"c": 0}, {"c": 1}, {"c": 2}]
        await other.execute(f"INSERT INTO {table} (p, c) VALUES ('keyspace', 1)", [])
        await other.execute_batch([f"INSERT INTO {table} (p, c) VALUES ('keyspace', 2)"])

    @check()
    async def test_keyspaces_of_two_drivers(self, api: Api, space: Workspace) -> None:
        """Two drivers with different keyspaces are independent."""
        with_one, without = await api.open(keyspace=space.keyspace), await api.open()
        stmt = f"SELECT c FROM {space.items.partition('.')[2]} WHERE p = 'many' AND c = 1"
        for _ in range(2):
            assert await with_one.execute(stmt, []) == [{"c": 1}]
            with pytest.raises(CoodieError):
                await without.execute(stmt, [])

    @check()
    async def test_a_missing_keyspace_fails(self, api: Api) -> None:
        """A missing keyspace is an error, on connecting or on the first request that needs it."""
        with pytest.raises(CoodieError, match="kit_nowhere"):
            await _use_of(api, keyspace="kit_nowhere")

    @check(Capability.CONSISTENCY)
    async def test_the_connections_consistency(self, api: Api, space: Workspace) -> None:
        """consistency= applies to requests without a level, and only to those."""
        other = await api.open(consistency="quorum")
        stmt = f"SELECT v FROM {space.unavailable} WHERE k = ?"
        for method in (other.execute, other.execute_one):
            with pytest.raises(UnavailableError) as caught:
                await method(stmt, ["none"])
            assert caught.value.consistency == "QUORUM"
        assert await other.execute(stmt, ["none"], "ONE") == []
        result = await other.execute_many(stmt, [["none"]], raise_on_error=False)
        assert isinstance(result.errors[0], UnavailableError)
        with pytest.raises(UnavailableError):
            [row async for row in other.stream(stmt, ["none"])]
        if Capability.BATCHES in api.driver.capabilities:
            write = f"INSERT INTO {space.unavailable} (k, v) VALUES ('none', 1)"
            with pytest.raises(UnavailableError) as caught:
                await other.execute_batch([write])
            assert caught.value.consistency == "QUORUM"

    @check()
    async def test_unknown_options_are_refused(self, api: Api) -> None:
        """An unknown option is a ValueError that names it, and nothing is opened."""
        with pytest.raises((ConfigurationError, TypeError)) as caught:
            await api.open(no_such_option=1)
        assert "no_such_option" in str(caught.value)

    @check()
    async def test_lazy_drivers_refuse_the_same(self: Any, api: Api, closed_port: int) -> None:
        """A configuration that opening rejects is an error as soon as a LazyDriver is created."""
        suite: Suite = self
        if suite.driver_type is None:
            pytest.skip("the suite's drivers aren't opened by a plug-in")
        hosts = ["127.0.0.1"]
        for options in _UNUSUAL:
            with pytest.raises(CoodieError) as caught:
                await api.open(hosts=hosts, port=closed_port, **options)
            if isinstance(caught.value, ConfigurationError):
                given = {**suite.driver_options, "port": closed_port, **options}
                with pytest.raises(ConfigurationError):
                    LazyDriver(hosts, None, None, {"driver_type": suite.driver_type, **given})

    @check()
    async def test_connecting_leaves_the_loop_alone(self, async_api: Api, proxy: FaultProxy) -> None:
        """Opening a driver doesn't block the event loop."""
        if async_api.openers.open_driver_async is None:
            pytest.skip("the suite gives no open_driver_async")
        proxy.delay = 0.2  # and connecting takes several answers
        await assert_loop_not_blocked(lambda: async_api.open(hosts=[proxy.host], port=proxy.port), 0.7)

    @check()
    async def test_a_failed_connect_leaves_nothing(self, api: Api, proxy: FaultProxy) -> None:
        """If opening fails after a connection was established, the connection is closed."""
        with pytest.raises(CoodieError):
            await _use_of(api, hosts=[proxy.host], port=proxy.port, keyspace="kit_nowhere")
        api.openers.close_all()

        async def none_left() -> bool:
            return not proxy.open_connections

        await api.until(none_left, "the failed connect's connections are gone", 15)

    @check(Capability.COMPRESSION)
    async def test_compression(self, api: Api, space: Workspace, key: str) -> None:
        """Requests and results are the same with and without compression."""
        value = "compressible " * 5000
        for compression in ("lz4", False):
            try:
                other = await api.open(compression=compression)
            except CoodieError:
                if compression:
                    continue  # a client without that algorithm says so
                raise
            insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)"
            await other.execute(insert, [key, 1, value])
            assert await other.execute_one(f"SELECT v FROM {space.items} WHERE p = ?", [key]) == value

    @check(Capability.SESSION)
    async def test_a_session_stays_its_owners(self, api: Api, space: Workspace) -> None:
        """A session passed as session= is used, and stays open after close()."""
        owner = await api.open()
        session = getattr(owner.driver, "session", None)
        if session is None:
            pytest.skip("the driver has no attribute `session` that could be handed over")

        def settings() -> list[Any]:
            return [getattr(session, name, None) for name in _SETTINGS]

        before = settings()
        borrower = await api.open(session=session, keyspace=space.keyspace)
        rows = await borrower.execute(f"SELECT c FROM {space.items} WHERE p = ? AND c < 2", ["many"])
        assert rows == [{"c": 0}, {"c": 1}]
        assert settings() == before
        await borrower.close()
        with pytest.raises(CoodieError):
            await borrower.execute(_LOCAL, [])
        assert await owner.execute_one(_LOCAL, []) == "local"
        assert settings() == before

    @check()
    async def test_a_name_that_is_taken_again(self, api: Api) -> None:
        """If another driver gets the same name, the first one can be closed, and the new one works."""
        registry = DriverRegistry()
        first, second = await api.open(), await api.open()
        registry.adopt("kit", first.driver)
        assert registry.adopt("kit", second.driver) is first.driver
        await first.close()
        assert registry.get("kit") is second.driver
        assert await second.execute_one(_LOCAL, []) == "local"

    @check(Capability.PROTOCOL_VERSION)
    async def test_protocol_versions(self, api: Api, space: Workspace) -> None:
        """Requests work with a configured protocol version as with the negotiated one."""
        other = await api.open(protocol_version=4)
        stmt = f"SELECT c FROM {space.items} WHERE p = ? AND c < 3"
        assert await other.execute(stmt, ["many"]) == [{"c": 0}, {"c": 1}, {"c": 2}]

    @check()
    async def test_what_is_not_declared_is_refused(self, api: Api, space: Workspace, key: str) -> None:
        """An option whose capability isn't declared is rejected by each method, not ignored."""
        # Features of a base class needn't be declared.
        declared = api.driver.capabilities | getattr(api.driver, "_provided", frozenset())
        asked: list[tuple[Capability, dict[str, Any]]] = [
            (Capability.TRACING, {"options": RequestOptions(trace=True)}),
            (Capability.CUSTOM_PAYLOAD, {"options": RequestOptions(custom_payload={"a": b"b"})}),
            (Capability.ROUTING, {"options": RequestOptions(routing_token=0)}),
            (Capability.RETRY_POLICY, {"options": RequestOptions(retry_policy=object())}),
            (
                Capability.SPECULATIVE_EXECUTION,
                {"options": RequestOptions(idempotent=True, speculative_execution_policy=object())},
            ),
            (
                Capability.LIGHTWEIGHT_TRANSACTIONS,
                {"options": RequestOptions(serial_consistency="SERIAL")},
            ),
            (Capability.CONSISTENCY, {"consistency": "ONE"}),
            (Capability.NODE, {"options": RequestOptions(node="127.0.0.1")}),
            (Capability.TIMESTAMP, {"options": RequestOptions(timestamp=1)}),
            (Capability.KEYSPACE, {"options": RequestOptions(keyspace="system")}),
            (Capability.TOTAL_TIMEOUT, {"options": RequestOptions(total_timeout=10)}),
        ]
        missing = [arguments for capability, arguments in asked if capability not in declared]
        if not missing:
            pytest.skip("the driver declares all that a request can ask for")
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1)"
        for arguments in missing:
            for call in calls_of(api, insert, [key]).values():
                with pytest.raises((UnsupportedError, ConfigurationError)):
                    await call(**arguments)
        assert await api.execute(f"SELECT c FROM {space.items} WHERE p = ?", [key]) == []

    @check()
    async def test_idempotent_requests_may_be_asked_for(self, api: Api, space: Workspace) -> None:
        """All methods accept RequestOptions(idempotent=True), for reads and writes."""
        options = RequestOptions(idempotent=True)
        insert = f"INSERT INTO {space.items} (p, c) VALUES ('idempotent', ?)"
        select = f"SELECT c FROM {space.items} WHERE p = 'idempotent'"
        await api.execute(insert, [1], options=options)
        await api.execute_many(insert, [[1]], options=options)
        await api.execute_batch([(insert, [1])], options=options)
        assert [row async for row in api.stream(select, options=options)] == [{"c": 1}]

    @check()
    async def test_a_slow_server_is_waited_for(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """A late response within the timeout is returned."""
        other = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = 1"
        proxy.delay = 0.2
        started = time.monotonic()
        try:
            assert await other.execute(stmt, [], timeout=20) == [{"c": 1}]
        except RequestTimeoutError as exc:
            raise AssertionError(f"timed out after {time.monotonic() - started:.1f} of 20 s") from exc
