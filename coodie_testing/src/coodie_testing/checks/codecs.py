"""Checks of codecs, for backends with the option ``codecs``."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.codecs import Codec
from coodie.exceptions import ConfigurationError
from coodie_testing.checking import check

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["CodecsChecks"]


@dataclass(frozen=True)
class _Word:
    """A text of the program."""

    text: str


class _Shout(_Word):
    """A kind of word."""


class _Days(dt.timedelta):
    """A kind of duration."""


async def _assert_read(api: Api, table: str, names: str, key: str, row: dict[str, Any]) -> None:
    """Insert a row; check that each method returns it."""
    markers = ", ".join("?" * len(row))
    await api.execute(f"INSERT INTO {table} (k, {names}) VALUES (?, {markers})", [key, *row.values()])
    select = f"SELECT {names} FROM {table} WHERE k = ?"
    assert await api.execute(select, [key]) == [row]
    assert await api.execute(select, [key], rows=tuple) == [tuple(row.values())]
    assert await api.read_stream(select, [key]) == [row]
    assert await api.read_many(select, [key]) == [row]
    assert await api.execute_one(select, [key]) == next(iter(row.values()))


class CodecsChecks:
    """Conversions to and from types of the program."""

    @check()
    async def test_codecs(self, api: Api, space: Workspace, key: str) -> None:
        """A codec applies to parameters and results of all methods, alone and in collections."""
        codec = Codec("text", _Word, lambda word: word.text.lower(), _Word, columns=["v", "set_"])
        try:
            other = await api.open(codecs=[codec])
        except (ConfigurationError, TypeError):
            pytest.skip("the backend has no option codecs")
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)"
        word, stored = _Word("Word"), _Word("word")
        await other.execute(insert, [key, 1, word])
        await other.execute_many(insert, [[key, 2, word]])
        if Capability.BATCHES in api.driver.capabilities:
            by_name = insert.replace("?, ?, ?", ":p, :c, :v")
            await other.execute_batch([(insert, [key, 3, word]), (by_name, {"p": key, "c": 4, "v": word})])
        select = f"SELECT v FROM {space.items} WHERE p = ?"
        rows = await other.execute(select, [key])
        assert rows == [{"v": stored}] * len(rows)
        assert len(rows) == (4 if Capability.BATCHES in api.driver.capabilities else 2)
        assert await other.execute_one(select, [key]) == stored
        assert [row async for row in other.stream(select, [key], fetch_size=1)] == rows
        assert (await api.execute(select, [key]))[0] == {"v": "word"}
        await other.execute(f"INSERT INTO {space.values} (k, set_) VALUES (?, ?)", [key, {word}])
        found = await other.execute_one(f"SELECT set_ FROM {space.values} WHERE k = ?", [key])
        assert found == {stored}

    @check()
    async def test_codecs_of_subclasses(self, api: Api, space: Workspace, key: str) -> None:
        """A codec applies to instances of subclasses of its Python type, or of one of several types."""
        codecs = [
            Codec("text", _Word, lambda word: word.text.lower()),
            Codec("int", (complex, dt.timedelta), lambda value: value.days),
        ]
        try:
            other = await api.open(codecs=codecs)
        except (ConfigurationError, TypeError):
            pytest.skip("the backend has no option codecs")
        insert = f"INSERT INTO {space.items} (p, c, v, n) VALUES (?, ?, ?, ?)"
        await other.execute(insert, [key, 1, _Word("Word"), dt.timedelta(1)])
        await other.execute(insert, [key, 2, _Shout("Shout"), _Days(2)])
        await other.execute_many(insert, [[key, 3, _Shout("Loud"), _Days(3)]])
        if Capability.BATCHES in api.driver.capabilities:
            await other.execute_batch([(insert, [key, 4, _Shout("Louder"), _Days(4)])])
        rows = await other.execute(f"SELECT v, n FROM {space.items} WHERE p = ?", [key])
        stored = [("word", 1), ("shout", 2), ("loud", 3), ("louder", 4)]
        assert [(row["v"], row["n"]) for row in rows] == stored[: len(rows)]
        assert len(rows) == (4 if Capability.BATCHES in api.driver.capabilities else 3)
        await other.execute(f"INSERT INTO {space.values} (k, set_) VALUES (?, ?)", [key, {_Shout("Shout")}])
        found = await other.execute_one(f"SELECT set_ FROM {space.values} WHERE k = ?", [key])
        assert found == {"shout"}

    @check()
    async def test_codecs_get_no_null(self, api: Api, space: Workspace, key: str) -> None:
        """None is null, and never passed to a codec: in a column, a tuple and a field, bound and read."""
        given: list[Any] = []

        def stored(word: _Word) -> str:
            given.append(word)
            return word.text

        def read(text: str) -> _Word:
            given.append(text)
            return _Word(text)

        codec = Codec("text", _Word, stored, read, columns=["text_", "tuple_", "l"])
        try:
            other = await api.open(codecs=[codec])
        except (ConfigurationError, TypeError):
            pytest.skip("the backend has no option codecs")
        names, words = "text_, tuple_", (None, _Word("word"), _Word(""))
        for word in words:
            await _assert_read(other, space.values, names, key, {"text_": None, "tuple_": (1, word, None)})
        if Capability.USER_DEFINED_TYPES in api.driver.capabilities:
            for word in words:
                await _assert_read(other, space.points, "l", key, {"l": [{"x": None, "label": word}]})
        assert given
        assert None not in given
