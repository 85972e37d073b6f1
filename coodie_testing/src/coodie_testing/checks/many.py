"""Checks of execute_many: outcomes by index, failures, and the limit of concurrency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import ConfigurationError, ExecuteManyError, ParameterError, ParameterTypeError
from coodie_testing.checking import check
from coodie_testing.faults.fault import Delay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["ManyChecks"]


class ManyChecks:
    """execute_many."""

    @check()
    async def test_many_writes(self, api: Api, space: Workspace, key: str) -> None:
        """Each execution takes place once, and is counted."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)"
        result = await api.execute_many(insert, ([key, c, f"v{c}"] for c in range(300)), concurrency=16)
        assert (result.succeeded, result.total, result.errors) == (300, 300, {})
        rows = await api.execute(f"SELECT c, v FROM {space.items} WHERE p = ?", [key])
        assert rows == [{"c": c, "v": f"v{c}"} for c in range(300)]

    @check()
    async def test_many_reads(self, api: Api, space: Workspace) -> None:
        """Results are found by the index of their parameters, with all rows."""
        select = f"SELECT c FROM {space.items} WHERE p = 'many' AND c >= ? AND c < ?"
        result = await api.execute_many(select, ([n, n + n % 3] for n in range(100)))
        for n in range(100):
            assert [row["c"] for row in result.rows(n)] == list(range(n, n + n % 3))

    @check()
    async def test_many_with_names(self, api: Api, space: Workspace, key: str) -> None:
        """Parameters may be mappings."""
        insert = f"INSERT INTO {space.items} (p, c) VALUES (:p, :c)"
        result = await api.execute_many(insert, [{"p": key, "c": c} for c in range(20)])
        assert result.succeeded == 20

    @check()
    async def test_many_of_nothing(self, api: Api, space: Workspace) -> None:
        """Without parameters, nothing is executed."""
        result = await api.execute_many(f"INSERT INTO {space.items} (p, c) VALUES (?, ?)", [])
        assert (result.succeeded, result.errors) == (0, {})

    @check()
    async def test_many_draw_as_they_go(self, api: Api, space: Workspace, key: str) -> None:
        """Parameters are read no further ahead than the concurrency."""
        drawn, ended = 0, 0

        def params() -> Iterator[list[Any]]:
            nonlocal drawn
            for c in range(200):
                drawn += 1
                assert drawn - ended <= 9
                yield [key, c]

        def progress(count: int) -> None:
            nonlocal ended
            ended = count

        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, ?)"
        await api.execute_many(insert, params(), concurrency=8, on_progress=progress)
        assert (drawn, ended) == (200, 200)

    @check()
    async def test_many_failures_are_kept(self, api: Api, space: Workspace, key: str) -> None:
        """With raise_on_error=False, all are executed, and failures are found by index."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)"
        params = [[key, c, 1 if c % 10 == 3 else "a"] for c in range(50)]
        result = await api.execute_many(insert, params, raise_on_error=False, concurrency=4)
        assert sorted(result.errors) == [3, 13, 23, 33, 43]
        assert all(isinstance(error, ParameterTypeError) for error in result.errors.values())
        with pytest.raises(ParameterTypeError):
            result.rows(13)
        found = await api.execute_one(f"SELECT count(*) FROM {space.items} WHERE p = ?", [key])
        assert found == result.succeeded == 45

    @check()
    async def test_many_stop_at_a_failure(self, api: Api, space: Workspace, key: str) -> None:
        """By default, the first failure stops the rest, and is raised with the results so far."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)"
        with pytest.raises(ExecuteManyError) as caught:
            await api.execute_many(
                insert, ([key, c, 1 if c == 20 else "a"] for c in range(2000)), concurrency=4
            )
        result = caught.value.result
        assert result is not None
        assert list(result.errors) == [20]
        assert isinstance(caught.value.__cause__, ParameterError)
        found = await api.execute_one(f"SELECT count(*) FROM {space.items} WHERE p = ?", [key])
        assert found == result.succeeded < 200

    @check()
    async def test_many_may_have_been_applied(self, api: Api, space: Workspace, key: str) -> None:
        """The error says whether any write may have been applied, also one before the failure."""
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, ?)"
        select = f"SELECT c FROM {space.items} WHERE p = ? AND c = ?"
        for stmt, params, is_applied in (
            (insert, [[key, 1], [key, "two"]], True),
            (insert, [[key, "one"], [key, 2]], False),
            (select, [[key, 1], [key, "two"]], False),
        ):
            with pytest.raises(ExecuteManyError) as caught:
                await api.execute_many(stmt, params, concurrency=1)
            assert caught.value.may_have_been_applied is is_applied
        assert await api.execute(f"SELECT c FROM {space.items} WHERE p = ?", [key]) == [{"c": 1}]

    @check()
    async def test_many_tell_as_they_end(self, api: Api, space: Workspace) -> None:
        """on_result is called with each outcome and its index."""
        told: dict[int, Any] = {}
        select = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = ?"
        params = [[n if n != 5 else "five"] for n in range(10)]
        await api.execute_many(select, params, raise_on_error=False, on_result=told.__setitem__)
        assert isinstance(told.pop(5), ParameterTypeError)
        assert told == {n: [{"c": n}] for n in (0, 1, 2, 3, 4, 6, 7, 8, 9)}

    @check()
    async def test_many_keep_no_told_rows(self, api: Api, space: Workspace) -> None:
        """With on_result, the result has the counts and the exceptions, and keeps no rows, of any shape."""
        select = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = ?"
        params = [[n if n != 5 else "five"] for n in range(10)]
        for shape in ({}, {"rows": tuple}):
            told: dict[int, Any] = {}
            result = await api.execute_many(
                select, params, raise_on_error=False, on_result=told.__setitem__, **shape
            )
            assert (result.succeeded, result.total, len(told)) == (9, 10, 10)
            assert result.errors == {5: told.pop(5)}
            for n, rows in told.items():
                assert len(rows) == 1
                assert result.rows(n) == []
            with pytest.raises(ParameterTypeError):
                result.rows(5)

    @check()
    async def test_many_count_as_they_end(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """on_progress is called with the number of outcomes, whichever of the executions end first."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        select = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = ?"
        await through.execute(select, [0])
        ended: list[int] = []
        progress: list[int] = []
        proxy.add(Delay(seconds=0.5), contains="SELECT c")
        await through.execute_many(
            select,
            [[n] for n in range(10)],
            concurrency=5,
            on_result=lambda index, _: ended.append(index),
            on_progress=progress.append,
        )
        assert progress == list(range(1, 11))
        assert sorted(ended) == list(range(10))

    @check()
    async def test_many_results_are_by_index(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """Rows and failures have the index of their parameters if the first executions end last."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        select = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = ?"
        await through.execute(select, [0])
        proxy.add(Delay(seconds=0.4), contains="SELECT c", times=2)
        params = [[n if n != 5 else "five"] for n in range(12)]
        result = await through.execute_many(select, params, concurrency=6, raise_on_error=False)
        assert [*result.errors] == [5]
        for n in {*range(12)} - {5}:
            assert result.rows(n) == [{"c": n}]

    @check()
    async def test_many_from_a_broken_source(self, api: Api, space: Workspace, key: str) -> None:
        """An exception of the caller's generator is raised unchanged."""

        def params() -> Iterator[list[Any]]:
            yield from ([key, c] for c in range(20))
            raise LookupError("source")

        with pytest.raises(LookupError, match="source"):
            await api.execute_many(f"INSERT INTO {space.items} (p, c) VALUES (?, ?)", params(), concurrency=4)
        assert await api.ping()

    @check()
    async def test_many_refuse_bad_concurrency(self, api: Api, space: Workspace) -> None:
        """A concurrency below one is a ValueError."""
        for concurrency in (0, -1, "all"):
            with pytest.raises(ConfigurationError):
                await api.execute_many(f"SELECT c FROM {space.items}", [[]], concurrency=concurrency)

    @check()
    async def test_many_from_an_async_source(self, async_api: Api, space: Workspace, key: str) -> None:
        """Parameters may come from an async generator."""

        async def params() -> AsyncIterator[list[Any]]:
            for c in range(40):
                await async_api.pause(0)
                yield [key, c]

        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, ?)"
        result = await async_api.driver.execute_many_async(insert, params(), concurrency=4)
        assert result.succeeded == 40
