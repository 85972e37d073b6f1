"""Checks of prepared statements and schema changes."""

from __future__ import annotations

import asyncio
import gc
import sys
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import (
    ConfigurationError,
    CoodieError,
    InvalidQueryError,
    ParameterTypeError,
    RequestTimeoutError,
)
from coodie.protocol.codec import Reader
from coodie.protocol.error_codes import ErrorCode
from coodie.protocol.frames import Opcode
from coodie.protocol.messages import statement_id
from coodie_testing.checking import check
from coodie_testing.faults.connection import PendingRequest
from coodie_testing.faults.fault import Delay, Fault
from coodie_testing.faults.messages import example_error_body
from coodie_testing.methods import calls_of
from coodie_testing.resources import assert_loop_not_blocked

if TYPE_CHECKING:
    from coodie.protocol.frames import RawFrame
    from coodie_testing.api import Api
    from coodie_testing.faults.connection import ProxiedConnection
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.suite import Suite
    from coodie_testing.workspace import Workspace

__all__ = ["PreparedChecks"]


@dataclass(frozen=True, kw_only=True)
class _Evicted(Fault):
    """The node doesn't have the statement any more; of a batch, one of its statements.

    Args:
        index: The statement's position in a batch.
    """

    index: int
    reaches_node: bool = False

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Respond with UNPREPARED; forward a request without prepared statements."""
        ids = _prepared_ids(request)
        if self.index >= len(ids):
            await connection.send_request(PendingRequest(request))
            return
        body = example_error_body(ErrorCode.UNPREPARED, request.protocol, statement=ids[self.index])
        await connection.send_response(request.answer(Opcode.ERROR, body))


def _prepared_ids(request: RawFrame) -> list[bytes]:
    """Return the ids of a request's prepared statements (native_protocol_v5.spec, sections 4.1.6, 4.1.7)."""
    if request.opcode == Opcode.EXECUTE:
        return [statement_id(request.body)]
    ids: list[bytes] = []
    if request.opcode == Opcode.BATCH:
        reader = Reader(request.body)
        reader.read_byte()
        for _ in range(reader.read_short()):
            if reader.read_byte():
                ids.append(reader.read_short_bytes())
            else:
                reader.read_long_string()
            for _ in range(reader.read_short()):
                reader.read_bytes()
    return ids


class PreparedChecks:
    """The driver's statement cache."""

    @check()
    async def test_many_first_users(self, api: Api, space: Workspace, key: str) -> None:
        """Several concurrent first executions of a statement all succeed."""
        stmt = f"SELECT c FROM {space.items} WHERE p = ? /* {key} */"
        found = await api.together([lambda: api.execute(stmt, [key]) for _ in range(24)])
        assert found == [[]] * 24

    @check()
    async def test_first_users_share_a_prepare(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """Concurrent first requests of a statement, with any methods, send the PREPAREs of a single one."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        await through.ping()
        alone = f"SELECT c FROM {space.items} WHERE p = ? /* alone {key} */"
        await through.execute(alone, [key])
        proxy.add(Delay(seconds=0.5), opcodes=(Opcode.PREPARE,), contains=key, times=None)
        select = f"SELECT c FROM {space.items} WHERE p = ? /* {key} */"
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */"
        calls = [*calls_of(through, select, [key]).values(), *calls_of(through, insert, [f"{key}2"]).values()]
        await through.together(calls * 3)
        sent = [one.statement for one in tuple(proxy.requests) if one.opcode == Opcode.PREPARE]
        # Some client sends two PREPAREs for each statement.
        most = max(sent.count(alone), 1)
        assert sent.count(select) <= most
        assert sent.count(insert) <= most

    @check()
    async def test_similar_texts_are_told_apart(self, api: Api, space: Workspace, key: str) -> None:
        """Statements whose texts differ in case or blanks only have their own results."""
        texts = ["a", "A", " a", "a ", "a  b", "a b", "a\tb", "A b"]
        for c, text in enumerate(texts):
            insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, {c}, '{text}')"
            await api.execute(insert, [key])
        for text in texts:
            select = f"SELECT v FROM {space.items} WHERE p = ? AND v = '{text}' ALLOW FILTERING"
            assert await api.execute(select, [key]) == [{"v": text}]
        for alias in ('"A"', '"a"', '" a"'):
            (row,) = await api.execute(f"SELECT c AS {alias} FROM {space.items} WHERE p = ? AND c = 1", [key])
            assert row == {alias.strip('"'): 1}

    @check()
    async def test_a_new_column_is_seen(self, api: Api, space: Workspace) -> None:
        """``SELECT *`` returns a column added through this driver, and no longer returns a dropped one."""
        await self._select_star(api, api, space.new_table())

    @check()
    async def test_anothers_new_column_is_seen(self, api: Api, space: Workspace) -> None:
        """``SELECT *`` returns a column added through another connection."""
        await self._select_star(api, await api.open(), space.new_table())

    @staticmethod
    async def _select_star(api: Api, changer: Api, table: str) -> None:
        stmt = f"SELECT * FROM {table}"
        await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v int)", [])
        await api.execute(f"INSERT INTO {table} (k, v) VALUES (?, ?)", [1, 1])
        for _ in range(2):
            assert await api.execute(stmt, []) == [{"k": 1, "v": 1}]
        await changer.execute(f"ALTER TABLE {table} ADD b text", [])
        for _ in range(2):
            assert await api.execute(stmt, []) == [{"k": 1, "b": None, "v": 1}]
        await changer.execute(f"ALTER TABLE {table} DROP v", [])
        for _ in range(2):
            assert await api.execute(stmt, []) == [{"k": 1, "b": None}]

    @check()
    async def test_another_type_is_known_at_once(self, api: Api, space: Workspace) -> None:
        """After DROP and CREATE with another type, the next request uses it."""
        table = space.new_table()
        insert = f"INSERT INTO {table} (k, v) VALUES (?, ?)"
        await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v int)", [])
        await api.execute(insert, [1, 1])
        await api.execute(f"DROP TABLE {table}", [])
        await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v text)", [])
        with pytest.raises(ParameterTypeError):
            await api.execute(insert, [1, 1])
        await api.execute(insert, [1, "one"])
        assert await api.execute(f"SELECT v FROM {table} WHERE k = ?", [1]) == [{"v": "one"}]

    @check()
    async def test_anothers_type_is_known_soon(self, api: Api, space: Workspace) -> None:
        """After DROP and CREATE through another connection, the new type is used within seconds."""
        table = space.new_table()
        insert = f"INSERT INTO {table} (k, v) VALUES (?, ?)"
        other = await api.open()
        await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v int)", [])
        await api.execute(insert, [1, 1])
        await other.execute(f"DROP TABLE {table}", [])
        await other.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v text)", [])

        async def known() -> bool:
            try:
                await api.execute(insert, [1, 1])
            except ParameterTypeError:
                return True
            except CoodieError:
                return False
            return False

        await api.until(known, "the driver knows the new type")
        await api.execute(insert, [2, "two"])
        assert await api.execute(f"SELECT v FROM {table} WHERE k = ?", [2]) == [{"v": "two"}]

    @check(Capability.USER_DEFINED_TYPES)
    async def test_a_new_field_is_known_soon(self, api: Api, space: Workspace) -> None:
        """A field of a user-defined type added through another connection can be written within seconds."""
        kind, table = space.new_table(), space.new_table()
        other = await api.open()
        await api.execute(f"CREATE TYPE {kind} (x int)", [])
        name = kind.partition(".")[2]
        await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, p frozen<{name}>)", [])
        insert = f"INSERT INTO {table} (k, p) VALUES (?, ?)"
        await api.execute(insert, [1, {"x": 1}])
        await other.execute(f"ALTER TYPE {kind} ADD y int", [])

        async def known() -> bool:
            try:
                await api.execute(insert, [2, {"x": 2, "y": 2}])
            except CoodieError:
                return False
            return True

        await api.until(known, "the driver knows the new field")
        assert await api.execute(f"SELECT p FROM {table} WHERE k = 2", []) == [{"p": {"x": 2, "y": 2}}]

    @check(Capability.USER_DEFINED_TYPES)
    async def test_a_new_field_is_read(self, api: Api, space: Workspace) -> None:
        """After ALTER TYPE, a statement that was executed before returns the new field."""
        kind, table = space.new_table(), space.new_table()
        await api.execute(f"CREATE TYPE {kind} (x int)", [])
        name = kind.partition(".")[2]
        await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, p frozen<{name}>)", [])
        insert, select = f"INSERT INTO {table} (k, p) VALUES (?, ?)", f"SELECT p FROM {table} WHERE k = 1"
        await api.execute(insert, [1, {"x": 1}])
        for _ in range(2):
            assert await api.execute(select, []) == [{"p": {"x": 1}}]
        await api.execute(f"ALTER TYPE {kind} ADD y int", [])
        await api.execute(insert, [1, {"x": 1, "y": 2}])
        for _ in range(2):
            assert await api.execute(select, []) == [{"p": {"x": 1, "y": 2}}]

    @check()
    async def test_the_server_may_forget(self, api: Api, space: Workspace) -> None:
        """A statement that the server has evicted is prepared again."""
        table = space.new_table()
        insert = f"INSERT INTO {table} (k, v) VALUES (?, ?)"
        await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v int)", [])
        await api.execute(insert, [0, 0])
        other = await api.open()
        for n in range(1, 4):
            # A changed table makes the server forget what was prepared for it.
            await other.execute(f"ALTER TABLE {table} ADD w{n} int", [])
            await api.execute(insert, [n, n])
        assert await api.execute_one(f"SELECT count(*) FROM {table}", []) == 4

    @check()
    async def test_the_server_may_forget_in_all_methods(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """Each method prepares what the server has evicted, of a batch each statement, and executes it."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT c FROM {space.items} WHERE p = ? AND c < 3 /* {key} */"
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, 'a') /* {key} */"
        update = f"UPDATE {space.items} SET v = 'b' WHERE p = ? AND c = ? /* {key} */"
        rows = [{"c": c} for c in range(3)]
        calls: list[tuple[Any, Any]] = [
            (partial(through.execute, stmt, ["many"]), rows),
            (partial(through.execute_one, stmt, ["many"]), 0),
            (partial(through.read_stream, stmt, ["many"]), rows),
            (partial(through.read_many, stmt, ["many"]), rows),
            (partial(through.execute, insert, [key, 1]), []),
        ]
        if Capability.PAGING in api.driver.capabilities:
            calls.append((partial(through.execute, stmt, ["many"], fetch_size=10), rows))
        if Capability.BATCHES in api.driver.capabilities:
            items = [(insert, [key, 2]), (update, [key, 3])]
            calls.append((partial(through.execute_batch, items), []))
        for call, expected in calls:
            assert await call() == expected
            await api.execute(f"DELETE FROM {space.items} WHERE p = ?", [key])
            rules = [proxy.add(_Evicted(index=index), contains=key) for index in (0, 1)]
            assert await call() == expected
            for rule in rules:
                proxy.rules.remove(rule)
        if Capability.BATCHES in api.driver.capabilities:
            found = await api.execute(f"SELECT c, v FROM {space.items} WHERE p = ?", [key])
            assert found == [{"c": 2, "v": "a"}, {"c": 3, "v": "b"}]

    @check()
    async def test_failures_are_not_remembered(self, api: Api, space: Workspace) -> None:
        """A statement that failed because its table was missing works once anybody has created the table."""
        table = space.new_table()
        stmt = f"SELECT v FROM {table} WHERE k = ?"
        for _ in range(2):
            with pytest.raises(InvalidQueryError):
                await api.execute(stmt, [1])
        await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v int)", [])
        assert await api.execute(stmt, [1]) == []
        anothers = space.new_table()
        stmt = f"SELECT v FROM {anothers} WHERE k = ?"
        for _ in range(2):
            with pytest.raises(InvalidQueryError):
                await api.execute(stmt, [1])
        other = await api.open()
        await other.execute(f"CREATE TABLE {anothers} (k int PRIMARY KEY, v int)", [])
        assert await api.execute(stmt, [1]) == []

    @check()
    async def test_the_cache_is_bounded(self: Any, async_api: Api, space: Workspace) -> None:
        """The driver caches at most the suite's number of statements; evicted ones still work."""
        suite: Suite = self
        count = suite.statement_cache_bound + 100
        # Texts of their own: a driver that remembers one holds a reference to it, which can be counted.
        texts = [f"SELECT c FROM {space.items} WHERE p = ? AND c = {n}" for n in range(count)]
        for first in range(0, count, 50):
            await async_api.together(
                [partial(async_api.execute, text, ["many"]) for text in texts[first : first + 50]]
            )
        fresh = f"SELECT c FROM {space.items} WHERE p = ? AND c = {count} -- {uuid.uuid4()}"

        async def few_are_kept() -> bool:
            gc.collect()  # what a request leaves in cycles isn't what a driver keeps
            alone = sys.getrefcount(fresh)
            kept = sum(sys.getrefcount(texts[n]) > alone + 1 for n in range(count))
            return kept <= suite.statement_cache_bound

        # A client that prepares all statements anew, for a node that has come up, holds them all meanwhile.
        what = f"no more than {suite.statement_cache_bound} statements are kept"
        await async_api.until(few_are_kept, what, 10)
        assert await async_api.execute(texts[0], ["many"]) == [{"c": 0}]

    @check()
    async def test_the_cache_keeps_what_is_used(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """A full cache evicts the statement that wasn't used for longest, and a small one works."""
        try:
            through = await api.open(hosts=[proxy.host], port=proxy.port, statement_cache_size=3)
        except (ConfigurationError, TypeError) as exc:
            if "statement_cache_size" not in str(exc):
                raise
            pytest.skip(f"the driver has no statement_cache_size: {exc}")
        used, *others = (f"SELECT c FROM {space.items} WHERE p = ? AND c = {n}" for n in range(7))
        for n, stmt in enumerate(others):
            for text, c in ((used, 0), (stmt, n + 1)):
                assert await through.execute(text, ["many"]) == [{"c": c}]
        prepared = [one.statement for one in proxy.requests if one.opcode == Opcode.PREPARE]
        assert prepared.count(used) <= 1, "a statement in use was evicted"

    @check()
    async def test_preparing_leaves_the_loop_alone(
        self, async_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """Preparing a statement doesn't block the event loop, with any method."""
        api = await async_api.open(hosts=[proxy.host], port=proxy.port)
        await api.ping()
        proxy.delay = 0.5

        async def first() -> None:
            stmt = f"SELECT c FROM {space.items} WHERE p = ? /* {uuid.uuid4()} %s */"

            async def stream() -> list[Any]:
                return [row async for row in api.stream(stmt % "stream", ["none"])]

            calls: list[Any] = [
                api.execute(stmt % "all", ["none"]),
                stream(),
                api.execute_one(stmt % "one", ["none"]),
                api.execute_many(stmt % "many", [["none"]]),
            ]
            if Capability.BATCHES in api.driver.capabilities:
                write = f"DELETE FROM {space.items} WHERE p = ? /* {uuid.uuid4()} */"
                calls.append(api.execute_batch([(write, ["none"])]))
            found = await asyncio.gather(*calls)
            assert found[:3] == [[], [], None]

        await assert_loop_not_blocked(first, 0.4)

    @check()
    async def test_a_first_request_leaves_the_loop_alone(
        self, async_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """The first request of a driver doesn't block the event loop."""

        async def first() -> None:
            proxy.delay = 0.0
            api = await async_api.open(hosts=[proxy.host], port=proxy.port)
            proxy.delay = 0.5
            assert await api.execute(f"SELECT c FROM {space.items} WHERE p = ?", ["none"]) == []

        await assert_loop_not_blocked(first, 0.4)

    @check()
    async def test_preparing_keeps_the_timeout(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """A first execution without a response ends after the request's timeout."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        await through.ping()
        proxy.mute = True
        stmt = f"SELECT c FROM {space.items} WHERE p = ? /* {uuid.uuid4()} */"
        with pytest.raises(RequestTimeoutError) as caught:
            await through.execute(stmt, ["none"], timeout=0.4)
        assert caught.value.statement == stmt

    @check()
    async def test_a_shared_prepare_keeps_each_timeout(
        self, api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """If the caller that prepares a statement times out, others that wait for it don't."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        await through.ping()
        stmt = f"SELECT c FROM {space.items} WHERE p = ? AND c < 3 /* {uuid.uuid4()} */"
        proxy.add(Delay(seconds=0.6), opcodes=(Opcode.PREPARE,), contains=stmt, times=None)

        async def impatient() -> None:
            with pytest.raises(RequestTimeoutError) as caught:
                await through.execute(stmt, ["many"], timeout=0.3)
            assert caught.value.timeout == 0.3

        async def patient(method: Any, expected: Any) -> None:
            async def is_sent() -> bool:
                return proxy.count(stmt, Opcode.PREPARE) > 0

            await through.until(is_sent, "the statement is being prepared")
            assert await method(stmt, ["many"], timeout=30) == expected

        rows = [{"c": c} for c in range(3)]
        calls: list[Any] = [
            impatient,
            partial(patient, through.execute, rows),
            partial(patient, through.execute_one, 0),
            partial(patient, through.read_many, rows),
            partial(patient, through.read_stream, rows),
        ]
        await through.together(calls)
