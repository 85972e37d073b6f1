"""Many executions and batches, on the real server, sync and async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coodie import BatchType
from coodie.exceptions import (
    ConfigurationError,
    ExecuteManyError,
    InvalidQueryError,
    ParameterError,
    ParameterTypeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Api

pytestmark = pytest.mark.server


async def test_execute_many_writes_all(api: Api, table: Callable[[str], str]) -> None:
    """Every row arrives, and the parameters are drawn no further ahead than the window."""
    name = table("k int PRIMARY KEY, v text")
    drawn, ended = 0, 0

    def rows() -> Iterator[list[Any]]:
        nonlocal drawn
        for k in range(5000):
            drawn += 1
            assert drawn - ended <= 33
            yield [k, f"v{k}"]

    def progress(count: int) -> None:
        nonlocal ended
        assert count == ended + 1
        ended = count

    result = await api.execute_many(
        f"INSERT INTO {name} (k, v) VALUES (?, ?)", rows(), concurrency=32, on_progress=progress
    )
    assert (result.succeeded, result.errors, ended) == (5000, {}, 5000)
    got = await api.execute(f"SELECT k, v FROM {name}", [])
    assert {row["k"]: row["v"] for row in got} == {k: f"v{k}" for k in range(5000)}


async def test_execute_many_reads_by_index(api: Api, table: Callable[[str], str]) -> None:
    """Results are found by the index of their parameters."""
    name = table("k int PRIMARY KEY, v int")
    await api.execute_many(f"INSERT INTO {name} (k, v) VALUES (?, ?)", ((k, k * k) for k in range(100)))
    result = await api.execute_many(f"SELECT v FROM {name} WHERE k = ?", ([k] for k in range(110)))
    assert [result.rows(k) for k in range(100)] == [[{"v": k * k}] for k in range(100)]
    assert result.rows(105) == []


async def test_failures_are_by_index_and_nothing_is_swallowed(api: Api, table: Callable[[str], str]) -> None:
    """With raise_on_error=False all are executed; each failure is where it belongs."""
    name = table("k int PRIMARY KEY, v int")
    params = [[k, "text" if k % 10 == 3 else k] for k in range(100)]
    result = await api.execute_many(
        f"INSERT INTO {name} (k, v) VALUES (?, ?)", params, raise_on_error=False, concurrency=8
    )
    assert sorted(result.errors) == list(range(3, 100, 10))
    assert all(isinstance(error, ParameterTypeError) for error in result.errors.values())
    assert result.succeeded == 90
    with pytest.raises(ParameterTypeError):
        result.rows(13)
    assert await api.execute_one(f"SELECT count(*) FROM {name}", []) == 90


async def test_the_first_failure_stops_and_raises(api: Api, table: Callable[[str], str]) -> None:
    """By default nothing is started after a failure, and the error has all that is known."""
    name = table("k int PRIMARY KEY, v int")
    with pytest.raises(ExecuteManyError) as caught:
        await api.execute_many(
            f"INSERT INTO {name} (k, v) VALUES (?, ?)",
            ([k, "text" if k == 50 else k] for k in range(10_000)),
            concurrency=4,
        )
    result = caught.value.result
    assert result is not None
    assert list(result.errors) == [50]
    assert isinstance(caught.value.__cause__, ParameterTypeError)
    assert await api.execute_one(f"SELECT count(*) FROM {name}", []) == result.succeeded < 200


async def test_a_broken_source_raises_and_hangs_nothing(api: Api, table: Callable[[str], str]) -> None:
    """An exception of the caller's own generator comes out as it is."""
    name = table("k int PRIMARY KEY")

    def rows() -> Iterator[list[int]]:
        yield from ([k] for k in range(50))
        raise LookupError("source")

    with pytest.raises(LookupError, match="source"):
        await api.execute_many(f"INSERT INTO {name} (k) VALUES (?)", rows(), concurrency=8)
    assert await api.ping()


@pytest.mark.parametrize("kind", [BatchType.LOGGED, "unlogged", "Logged"])
async def test_batches(api: Api, table: Callable[[str], str], kind: Any) -> None:
    """Statements with and without parameters, by position and by name, in one batch."""
    name = table("k int PRIMARY KEY, v text")
    rows = await api.execute_batch(
        [
            (f"INSERT INTO {name} (k, v) VALUES (?, ?)", [1, "one"]),
            (f"INSERT INTO {name} (k, v) VALUES (:k, :v)", {"k": 2, "v": "two; -- :k"}),
            f"INSERT INTO {name} (k, v) VALUES (3, 'three');",
        ],
        kind,
    )
    assert rows == []
    got = await api.execute(f"SELECT k, v FROM {name}", [])
    assert {row["k"]: row["v"] for row in got} == {1: "one", 2: "two; -- :k", 3: "three"}


async def test_the_default_batch_does_the_same(api: Api, table: Callable[[str], str]) -> None:
    """BEGIN … APPLY BATCH, as any other backend gets it, writes the same rows."""
    from coodie.drivers import AbstractDriver

    name = table("k int PRIMARY KEY, v map<text, int>")
    batch = AbstractDriver.execute_batch_async if api.is_async else AbstractDriver.execute_batch
    waiting: Any = batch(
        api.driver,
        [
            (
                f"UPDATE {name} USING TTL :ttl SET v = {{'a': 1, 'b:': 2}} WHERE k = :k -- :x",
                {"k": 1, "ttl": 900},
            ),
            (f"UPDATE {name} SET v = ? WHERE k = ?", [{"c": 3}, 2]),
        ],
    )
    if api.is_async:
        await waiting
    got = await api.execute(f"SELECT k, v FROM {name}", [])
    assert {row["k"]: row["v"] for row in got} == {1: {"a": 1, "b:": 2}, 2: {"c": 3}}


async def test_conditional_and_counter_batches(api: Api, table: Callable[[str], str]) -> None:
    """A batch with a condition says whether it applied; counters add up."""
    name = table("p int, k int, v int, PRIMARY KEY (p, k)")
    insert = f"INSERT INTO {name} (p, k, v) VALUES (1, ?, 1) IF NOT EXISTS"
    first = await api.execute_batch([(insert, [1]), (insert, [2])])
    second = await api.execute_batch([(insert, [2]), (insert, [3])])
    assert (first.applied, second.applied) == (True, False)
    counters = table("k int PRIMARY KEY, n counter")
    add = f"UPDATE {counters} SET n = n + ? WHERE k = 1"
    await api.execute_batch([(add, [2]), (add, [3])], BatchType.COUNTER)
    assert await api.execute_one(f"SELECT n FROM {counters}", []) == 5


async def test_batches_that_make_no_sense(api: Api, table: Callable[[str], str]) -> None:
    """Empty, of an unknown kind, with a read, with bad parameters: refused before sending."""
    name = table("k int PRIMARY KEY, v int")
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    for statements, kind, error in [
        ([], "LOGGED", ConfigurationError),
        ([(insert, [1, 1])], "FAST", ConfigurationError),
        ([f"SELECT * FROM {name}"], "LOGGED", ParameterError),
        ([(insert, [1, 1]), (insert, [1])], "LOGGED", ParameterError),
        ([(insert, [1, "x"])], "LOGGED", ParameterTypeError),
        ([4], "LOGGED", ConfigurationError),
    ]:
        with pytest.raises(error):
            await api.execute_batch(statements, kind)
    with pytest.raises(InvalidQueryError):
        await api.execute_batch([(insert, [1, 1])], "COUNTER")
    assert await api.execute(f"SELECT * FROM {name}", []) == []
