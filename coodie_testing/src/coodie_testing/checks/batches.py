"""Checks of batches: atomicity, timestamps, counters, conditions, invalid arguments."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import (
    ConfigurationError,
    CoodieError,
    InvalidQueryError,
    ParameterError,
    ParameterTypeError,
)
from coodie.observers.hub import observing
from coodie.observers.recorder import Recorder
from coodie.protocol.frames import Opcode
from coodie.requests import BatchType
from coodie.types import UNSET
from coodie_testing.checking import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.faults.rules import RecordedRequest
    from coodie_testing.workspace import Workspace

__all__ = ["BatchesChecks"]

_BATCHES = Capability.BATCHES

#: The codes of batch types (native_protocol_v5.spec, section 4.1.7).
_TYPES = ("LOGGED", "UNLOGGED", "COUNTER")

#: More statements than a cautious driver would send at a time.
_LARGE = 300


def _insert(space: Workspace) -> str:
    return f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)"


def _batch_type(request: RecordedRequest) -> str | None:
    """Return the batch type that a request executes; None for other requests."""
    if request.opcode == Opcode.BATCH:
        return _TYPES[request.body[0]]
    words = (request.statement or "").upper().split()
    if request.opcode == Opcode.PREPARE or words[:1] != ["BEGIN"]:
        return None
    return "LOGGED" if words[1] == "BATCH" else words[1]


async def _rows(api: Api, space: Workspace, key: str) -> list[tuple[int, Any]]:
    rows = await api.execute(f"SELECT c, v FROM {space.items} WHERE p = ?", [key])
    return [(row["c"], row["v"]) for row in rows]


class BatchesChecks:
    """execute_batch."""

    @check(_BATCHES)
    async def test_batches_write_all(self, api: Api, space: Workspace, key: str) -> None:
        """A batch of any type executes all of its statements, and returns no rows."""
        kinds: list[Any] = [BatchType.LOGGED, BatchType.UNLOGGED, "logged", "Unlogged"]
        for kind in kinds:
            partition = f"{key}{kind}"
            rows = await api.execute_batch([(_insert(space), [partition, c, "a"]) for c in range(5)], kind)
            assert rows == []
            assert await _rows(api, space, partition) == [(c, "a") for c in range(5)]

    @check(_BATCHES)
    async def test_batches_of_any_iterable(self, api: Api, space: Workspace, key: str) -> None:
        """The statements may be any iterable, such as a generator, whether or not requests are observed."""
        makers: tuple[Callable[[list[Any]], Iterable[Any]], ...] = (
            tuple,
            iter,
            lambda items: (item for item in items),
            lambda items: dict(enumerate(items)).values(),
        )
        for n, make in enumerate(makers):
            for observers in ((), (Recorder(),)):
                partition = f"{key}{n}{len(observers)}"
                items = [(_insert(space), [partition, c, "a"]) for c in range(3)]
                with observing(*observers):
                    await api.execute_batch(make(items))
                assert await _rows(api, space, partition) == [(c, "a") for c in range(3)]

    @check(_BATCHES)
    async def test_batches_mix_statements(self, api: Api, space: Workspace, key: str) -> None:
        """A batch may mix statements without parameters, with positional and with named parameters."""
        await api.execute(_insert(space), [key, 9, "old"])
        await api.execute_batch(
            [
                (_insert(space), [key, 1, "one"]),
                (_insert(space).replace("?, ?, ?", ":p, :c, :v"), {"v": "t; -- :p", "p": key, "c": 2}),
                f"INSERT INTO {space.items} (p, c, v) VALUES ('{key}', 3, 'three');",
                (f"UPDATE {space.items} SET v = ? WHERE p = ? AND c = ?", ["four", key, 4]),
                (f"DELETE FROM {space.items} WHERE p = ? AND c = ?", [key, 9]),
            ]
        )
        assert await _rows(api, space, key) == [(1, "one"), (2, "t; -- :p"), (3, "three"), (4, "four")]

    @check(_BATCHES)
    async def test_batches_are_one_write(self, api: Api, space: Workspace, key: str) -> None:
        """All writes of a batch have the same timestamp."""
        await api.execute_batch([(_insert(space), [key, c, "a"]) for c in range(8)])
        rows = await api.execute(f"SELECT writetime(v) AS w FROM {space.items} WHERE p = ?", [key])
        assert len(rows) == 8
        assert len({row["w"] for row in rows}) == 1

    @check(_BATCHES)
    async def test_batches_are_all_or_nothing(self, api: Api, space: Workspace, key: str) -> None:
        """If the server rejects one statement, none of the batch is applied."""
        bad = f"UPDATE {space.counters} SET n = n + 1 WHERE k = '{key}'"
        with pytest.raises(CoodieError):
            await api.execute_batch([(_insert(space), [key, 1, "a"]), bad, (_insert(space), [key, 2, "b"])])
        assert await _rows(api, space, key) == []

    @check(_BATCHES)
    async def test_batches_check_all_first(self, api: Api, space: Workspace, key: str) -> None:
        """If a parameter of any statement is invalid, nothing is sent."""
        good = (_insert(space), [key, 1, "a"])
        for bad, error in (
            ((_insert(space), [key, 2]), ParameterError),
            ((_insert(space), [key, 2, 3]), ParameterTypeError),
        ):
            with pytest.raises(error):
                await api.execute_batch([good, bad])
        assert await _rows(api, space, key) == []

    @check(_BATCHES)
    async def test_values_of_batches_are_complete(self, api: Api, space: Workspace, key: str) -> None:
        """Missing, additional and misspelt values of any statement of a batch are an error, of each type."""
        by_name = _insert(space).replace("?, ?, ?", ":p, :c, :v")
        plain = f"INSERT INTO {space.items} (p, c) VALUES ('{key}', 2)"
        named: dict[str, Any] = {"p": key, "c": 2, "v": "b"}
        good = (by_name, {"p": key, "c": 1, "v": "a"})
        wrong: list[tuple[str, Any]] = [
            (by_name, {**named, "n": 1}),
            (by_name, {**named, "V": "b"}),
            (by_name, {"p": key, "c": 2}),
            (by_name, {"p": key, "c": 2, "V": "b"}),
            (by_name, {}),
            (_insert(space), [key, 2, "b", 3]),
            (_insert(space), [key, 2]),
            (plain, [key]),
            (plain, {"p": key}),
        ]
        for bad in wrong:
            for items in ([bad], [good, bad], [bad, good]):
                for kind in (BatchType.LOGGED, BatchType.UNLOGGED):
                    with pytest.raises(ParameterError):
                        await api.execute_batch(items, kind)
        assert await _rows(api, space, key) == []

    @check(_BATCHES)
    async def test_counter_batches(self, api: Api, space: Workspace, key: str) -> None:
        """Counters are updated in counter batches, and rejected in other batches."""
        add = f"UPDATE {space.counters} SET n = n + ? WHERE k = ?"
        await api.execute_batch([(add, [2, key]), (add, [3, key])], BatchType.COUNTER)
        assert await api.execute_one(f"SELECT n FROM {space.counters} WHERE k = ?", [key]) == 5
        with pytest.raises(InvalidQueryError):
            await api.execute_batch([(_insert(space), [key, 1, "a"])], BatchType.COUNTER)

    @check(_BATCHES, Capability.LIGHTWEIGHT_TRANSACTIONS)
    async def test_conditional_batches(self, api: Api, space: Workspace, key: str) -> None:
        """A conditional batch returns whether it was applied; if not, nothing is written."""
        insert = f"{_insert(space)} IF NOT EXISTS"
        first = await api.execute_batch([(insert, [key, 1, "a"]), (insert, [key, 2, "b"])])
        assert first[0]["[applied]"] is True
        second = await api.execute_batch([(insert, [key, 2, "c"]), (insert, [key, 3, "d"])])
        assert second[0]["[applied]"] is False
        assert await _rows(api, space, key) == [(1, "a"), (2, "b")]

    @check(_BATCHES, Capability.UNSET_VALUES)
    async def test_unset_in_batches(self, api: Api, space: Workspace, key: str) -> None:
        """UNSET leaves a column unchanged in a batch, too, by position and by name."""
        by_position = f"INSERT INTO {space.items} (p, c, v, n) VALUES (?, ?, ?, ?)"
        by_name = by_position.replace("?, ?, ?, ?", ":p, :c, :v, :n")
        await api.execute_batch([(by_position, [key, c, "a", 1]) for c in (1, 2)])
        await api.execute_batch(
            [(by_position, [key, 1, UNSET, 2]), (by_name, {"p": key, "c": 2, "v": UNSET, "n": 3})]
        )
        rows = await api.execute(f"SELECT v, n FROM {space.items} WHERE p = ?", [key])
        assert rows == [{"v": "a", "n": 2}, {"v": "a", "n": 3}]

    @check(_BATCHES)
    async def test_the_batch_type_is_sent(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """The server gets the batch type, as a BATCH message or as text."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        add = (f"UPDATE {space.counters} SET n = n + 1 WHERE k = ?", [key])
        write = (_insert(space), [key, 1, "a"])
        for kind, item in (("LOGGED", write), ("UNLOGGED", write), ("COUNTER", add)):
            proxy.requests.clear()
            await through.execute_batch([item, item], kind)
            assert [sent for one in proxy.requests if (sent := _batch_type(one))] == [kind]

    @check(_BATCHES)
    async def test_spellings_of_batch_types(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """Each type is sent as itself: given as a member, or by its name in any case, or as the default."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        add = (f"UPDATE {space.counters} SET n = n + 1 WHERE k = ?", [key])
        write = (_insert(space), [key, 1, "a"])
        for kind, item in ((BatchType.LOGGED, write), (BatchType.UNLOGGED, write), (BatchType.COUNTER, add)):
            name = kind.value
            spellings = (kind, name, name.lower(), name.title(), name[0].lower() + name[1:])
            given: list[dict[str, Any]] = [{"batch_type": one} for one in spellings]
            for arguments in [*given, {}] if kind is BatchType.LOGGED else given:
                proxy.requests.clear()
                await through.execute_batch([item], **arguments)
                assert [sent for one in proxy.requests if (sent := _batch_type(one))] == [name], arguments

    @check(_BATCHES)
    async def test_large_batches_are_one_request(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """A batch of hundreds of statements is one request, with any type, and all are executed."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        add = f"UPDATE {space.counters} SET n = n + ? WHERE k = ?"
        batches = {
            "LOGGED": [(_insert(space), [key, c, "a"]) for c in range(_LARGE)],
            "UNLOGGED": [(_insert(space), [f"{key}u", c, "a"]) for c in range(_LARGE)],
            "COUNTER": [(add, [c, key]) for c in range(_LARGE)],
        }
        for kind, items in batches.items():
            proxy.requests.clear()
            await through.execute_batch(items, kind)
            assert [sent for one in proxy.requests if (sent := _batch_type(one))] == [kind]
        for partition in (key, f"{key}u"):
            assert await _rows(api, space, partition) == [(c, "a") for c in range(_LARGE)]
        total = await api.execute_one(f"SELECT n FROM {space.counters} WHERE k = ?", [key])
        assert total == sum(range(_LARGE))

    @check()
    async def test_batches_that_make_no_sense(self, api: Api, space: Workspace, key: str) -> None:
        """An empty batch, an unknown type, or an item that is no statement is a ValueError."""
        good = (_insert(space), [key, 1, "a"])
        for statements, kind in (([], "LOGGED"), ([good], "FAST"), ([good, 4], "LOGGED"), ([good], None)):
            with pytest.raises(ConfigurationError):
                await api.execute_batch(statements, kind)
        with pytest.raises((ParameterError, InvalidQueryError)):
            await api.execute_batch([good, f"SELECT * FROM {space.items}"])
        assert await _rows(api, space, key) == []

    @check()
    async def test_batches_written_as_one_text(self, api: Api, space: Workspace, key: str) -> None:
        """BEGIN … APPLY BATCH can be executed as a statement with parameters."""
        text = f"BEGIN BATCH {_insert(space)}; {_insert(space)}; APPLY BATCH"
        assert await api.execute(text, [key, 1, "a", key, 2, "b"]) == []
        assert await _rows(api, space, key) == [(1, "a"), (2, "b")]

    @check(_BATCHES)
    async def test_many_batches_at_once(self, api: Api, space: Workspace, key: str) -> None:
        """Concurrent batches of one driver are independent."""

        async def write(n: int) -> None:
            await api.execute_batch([(_insert(space), [f"{key}{n}", c, str(n)]) for c in range(10)])

        await api.together([partial(write, n) for n in range(16)])
        for n in range(16):
            assert await _rows(api, space, f"{key}{n}") == [(c, str(n)) for c in range(10)]
