"""Checks of codecs, for backends with the option ``codecs``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
