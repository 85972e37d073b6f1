"""Checks of the optional options of requests, and of statistics and probes."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ConfigurationError, InvalidQueryError, RequestTimeoutError
from coodie.options.request_options import RequestOptions
from coodie_testing.checking import check
from coodie_testing.faults.fault import Silence

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["OptionsChecks"]

#: Microseconds since 1970, long ago.
_LONG_AGO = 1_000_000_000_000_000

#: Seconds that each execution of an execute_many may take.
_OF_EACH = 1.5


class OptionsChecks:
    """The optional options of requests, statistics and probes."""

    @check(Capability.TIMESTAMP)
    async def test_write_timestamps(self, api: Api, space: Workspace, key: str) -> None:
        """A write has its ``timestamp``, alone, in execute_many and in a batch."""
        options = RequestOptions(timestamp=_LONG_AGO)
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, 'x')"
        await api.execute(insert, [key, 1], options=options)
        await api.execute_many(insert, [[key, 2]], options=options)
        if Capability.BATCHES in api.driver.capabilities:
            await api.execute_batch([(insert, [key, 3])], options=options)
        rows = await api.execute(f"SELECT writetime(v) AS at FROM {space.items} WHERE p = ?", [key])
        assert {row["at"] for row in rows} == {_LONG_AGO}
        with pytest.raises(ConfigurationError):
            await api.execute(f"SELECT v FROM {space.items} WHERE p = ?", [key], options=options)

    @check(Capability.TIMESTAMP)
    async def test_timestamps_of_1970_and_before(self, api: Api, space: Workspace, key: str) -> None:
        """A ``timestamp`` of 0, and one before 1970, is sent as any other."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, 'x')"
        for c, timestamp in ((1, 0), (2, 1), (3, -1)):
            options = RequestOptions(timestamp=timestamp)
            await api.execute(insert, [f"{key}a", c], options=options)
            await api.execute_one(insert, [f"{key}b", c], options=options)
            await api.execute_many(insert, [[f"{key}c", c]], options=options)
            if Capability.BATCHES in api.driver.capabilities:
                await api.execute_batch([(insert, [f"{key}d", c])], options=options)
        select = f"SELECT writetime(v) AS at FROM {space.items} WHERE p = ?"
        for partition in "abcd" if Capability.BATCHES in api.driver.capabilities else "abc":
            rows = await api.execute(select, [key + partition])
            assert rows == [{"at": 0}, {"at": 1}, {"at": -1}]

    @check(Capability.TIMESTAMP)
    async def test_timestamps_of_every_write(self, api: Api, space: Workspace, key: str) -> None:
        """An UPDATE and a DELETE have their ``timestamp``, too: old ones don't change a newer row."""
        options = RequestOptions(timestamp=_LONG_AGO)
        writes = [
            f"UPDATE {space.items} SET v = 'old' WHERE p = ? AND c = 1",
            f"DELETE v FROM {space.items} WHERE p = ? AND c = 1",
            f"DELETE FROM {space.items} WHERE p = ? AND c = 1",
            f"DELETE FROM {space.items} WHERE p = ?",
        ]
        await api.execute(f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, 'new')", [key])
        for write in writes:
            for _ in range(2):
                await api.execute(write, [key], options=options)
            await api.execute_many(write, [[key]], options=options)
        if Capability.BATCHES in api.driver.capabilities:
            await api.execute_batch([(write, [key]) for write in writes], options=options)
        assert await api.execute(f"SELECT v FROM {space.items} WHERE p = ?", [key]) == [{"v": "new"}]

    @check(Capability.TIMESTAMP)
    async def test_timestamps_of_the_server_are_refused(self, api: Api, space: Workspace, key: str) -> None:
        """``timestamp`` is an error for reads, transactions and counters, in all methods and in batches."""
        options = RequestOptions(timestamp=_LONG_AGO)
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, ?)"
        select = f"SELECT c FROM {space.items} WHERE p = ?"
        add = (f"UPDATE {space.counters} SET n = n + 1 WHERE k = ?", [key])
        conditional = (f"{insert} IF NOT EXISTS", [key, 1])
        calls: list[Any] = [
            partial(method, *request)
            for request in ((select, [key]), add, conditional)
            for method in (api.execute, api.execute_one, api.read_many)
        ]
        calls.append(partial(api.read_stream, select, [key]))
        if Capability.BATCHES in api.driver.capabilities:
            calls += [
                partial(api.execute_batch, [conditional]),
                partial(api.execute_batch, [(insert, [key, 2]), conditional]),
                partial(
                    api.execute_batch, [f"INSERT INTO {space.items} (p, c) VALUES ('{key}', 1) IF NOT EXISTS"]
                ),
                partial(api.execute_batch, [add], "COUNTER"),
            ]
        for call in calls:
            with pytest.raises(ConfigurationError):
                await call(options=options)
        assert await api.execute(select, [key]) == []
        assert await api.execute(f"SELECT n FROM {space.counters} WHERE k = ?", [key]) == []

    @check(Capability.NODE)
    async def test_one_node(self, api: Api) -> None:
        """A request with ``node`` is served by that node; an unknown node is an error."""
        stmt = "SELECT host_id FROM system.local WHERE key = ?"
        host_id = await api.execute_one(stmt, ["local"])
        options = RequestOptions(node=str(host_id))
        assert await api.execute_one(stmt, ["local"], options=options) == host_id
        with pytest.raises(ConfigurationError):
            await api.execute(stmt, ["local"], options=RequestOptions(node="203.0.113.7"))

    @check(Capability.KEYSPACE)
    async def test_the_keyspace_of_a_request(self, api: Api, space: Workspace, key: str) -> None:
        """Unqualified table names are those of the request's ``keyspace``, not of the connection's."""
        options = RequestOptions(keyspace=space.keyspace)
        insert = "INSERT INTO items (p, c) VALUES (?, ?)"
        await api.execute(insert, [key, 1], options=options)
        await api.execute_many(insert, [[key, 2]], options=options)
        if Capability.BATCHES in api.driver.capabilities:
            await api.execute_batch([(insert, [key, 3])], options=options)
            await api.execute_batch([("DELETE FROM items WHERE p = ? AND c = 3", [key])], options=options)
        select = "SELECT c FROM items WHERE p = ?"
        assert await api.execute(select, [key], options=options) == [{"c": 1}, {"c": 2}]
        assert [row async for row in api.stream(select, [key], options=options)] == [{"c": 1}, {"c": 2}]
        with pytest.raises(ConfigurationError):
            await api.execute("TRUNCATE nothing_at_all", [], options=options)
        wrong = "SELECT nothing FROM items"
        with pytest.raises(InvalidQueryError) as caught:
            await api.execute(wrong, [], options=options)
        assert caught.value.statement == wrong

    @check(Capability.KEYSPACE, Capability.CONSISTENCY)
    async def test_one_text_for_several_keyspaces(self, api: Api, space: Workspace, key: str) -> None:
        """The same text with another ``keyspace`` is about another table, in any order, in each method."""
        name = space.new_name()
        keyspaces = (space.keyspace, space.thrice)
        for keyspace in keyspaces:
            await api.execute(f"CREATE TABLE {keyspace}.{name} (k text, c int, PRIMARY KEY (k, c))", [])
        insert, select = f"INSERT INTO {name} (k, c) VALUES (?, ?)", f"SELECT c FROM {name} WHERE k = ?"
        for n, keyspace in enumerate([*keyspaces, *keyspaces]):
            options = RequestOptions(keyspace=keyspace)
            c = n * 10
            await api.execute(insert, [key, c], "ONE", options=options)
            await api.execute_many(insert, [[key, c + 1]], consistency="ONE", options=options)
            if Capability.BATCHES in api.driver.capabilities:
                await api.execute_batch([(insert, [key, c + 2])], consistency="ONE", options=options)
        own = (0, 1, 2) if Capability.BATCHES in api.driver.capabilities else (0, 1)
        for n, keyspace in [*enumerate(keyspaces)] * 2:
            options = RequestOptions(keyspace=keyspace)
            rows = [{"c": (n + turn) * 10 + c} for turn in (0, 2) for c in own]
            assert await api.execute(select, [key], "ONE", options=options) == rows
            assert await api.execute_one(select, [key], "ONE", options=options) == n * 10
            stream = api.stream(select, [key], consistency="ONE", options=options)
            assert [row async for row in stream] == rows
            result = await api.execute_many(select, [[key]], consistency="ONE", options=options)
            assert result.rows(0) == rows

    @check(Capability.TOTAL_TIMEOUT, Capability.PAGING)
    async def test_total_timeouts(self, api: Api, space: Workspace, proxy: FaultProxy, key: str) -> None:
        """``total_timeout`` limits all pages together, and a batch; the error says which timeout expired."""
        other = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = ?"
        await other.execute(stmt, ["many"])
        assert len(await other.execute(stmt, ["many"], options=RequestOptions(total_timeout=60))) > 100
        proxy.delay = 0.2
        calls: list[Any] = [
            partial(method, stmt, ["many"])
            for method in (other.execute, other.execute_one, other.read_many, other.read_stream)
        ]
        if Capability.BATCHES in api.driver.capabilities:
            write = (f"INSERT INTO {space.items} (p, c) VALUES (?, ?)", [key, 1])
            await other.execute_batch([write], timeout=30)
            calls.append(partial(other.execute_batch, [write]))

        async def times_out(call: Any, timeout: float, total: float) -> None:
            with pytest.raises(RequestTimeoutError) as caught:
                await call(timeout=timeout, options=RequestOptions(total_timeout=total))
            assert caught.value.is_total is (total < timeout)
            assert caught.value.timeout == min(total, timeout)

        await api.together(
            [partial(times_out, call, *seconds) for call in calls for seconds in ((30, 0.1), (0.1, 30))]
        )
        with pytest.raises(RequestTimeoutError):
            async for _ in other.stream(
                stmt, ["many"], fetch_size=10, timeout=30, options=RequestOptions(total_timeout=1)
            ):
                pass

    @check(Capability.TOTAL_TIMEOUT)
    async def test_timeouts_of_each_execution(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """``timeout`` and ``total_timeout`` limit each execution of execute_many, not all together."""
        other = await api.open(hosts=[proxy.host], port=proxy.port)

        async def many(name: str, **arguments: Any) -> None:
            stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = ? /* {key} {name}. */"
            await other.execute(stmt, [0])
            proxy.add(Silence(), contains=f"{key} {name}.", after=3)
            result = await other.execute_many(
                stmt, [[n] for n in range(10)], concurrency=1, raise_on_error=False, **arguments
            )
            assert [*result.errors] == [3], f"{name}: {result.errors}"
            error = result.errors[3]
            assert isinstance(error, RequestTimeoutError)
            assert (error.timeout, error.is_total) == (_OF_EACH, name == "total")
            assert [result.rows(n) for n in (2, 4, 9)] == [[{"c": 2}], [{"c": 4}], [{"c": 9}]]

        total = RequestOptions(total_timeout=_OF_EACH)
        calls = [partial(many, "timeout", timeout=_OF_EACH), partial(many, "total", options=total)]
        await other.together(calls)

    @check()
    async def test_stats(self, api: Api) -> None:
        """stats() needs no server, returns JSON values, and works after the driver was closed."""
        other = await api.open()
        await other.execute("SELECT key FROM system.local", [])
        stats = other.driver.stats()
        assert json.loads(stats.as_json()) == stats.as_dict()
        assert other.driver.is_live()
        assert await other.is_ready(timeout=20)
        await other.close()
        other.driver.stats()
        assert not await other.is_ready(timeout=20)
