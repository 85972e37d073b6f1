"""Checks of lightweight transactions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ConfigurationError, UnavailableError
from coodie.options.request_options import RequestOptions
from coodie_testing.checking import check

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["TransactionsChecks"]

_LWT = Capability.LIGHTWEIGHT_TRANSACTIONS

#: A serial level, and the level of a write that needs as many replicas.
_QUORUMS = {"SERIAL": "QUORUM", "LOCAL_SERIAL": "LOCAL_QUORUM"}


class TransactionsChecks:
    """Conditions.

    Rows that a transaction changes are written by transactions: a server counts those in milliseconds, so
    that a plain write with the client's microseconds may be the later one of two that follow each other
    within one.
    """

    @check(_LWT)
    async def test_insert_if_not_exists(self, api: Api, space: Workspace, key: str) -> None:
        """``[applied]`` is in the row: first True, then False with the existing row."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, ?) IF NOT EXISTS"
        assert await api.execute(insert, [key, "a"]) == [{"[applied]": True}]
        (row,) = await api.execute(insert, [key, "b"])
        assert row == {"[applied]": False, "p": key, "c": 1, "v": "a", "n": None, "s": None}

    @check(_LWT)
    async def test_update_if(self, api: Api, space: Workspace, key: str) -> None:
        """The result of a condition on a value has the current value."""
        await api.execute(f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, 'a') IF NOT EXISTS", [key])
        update = f"UPDATE {space.items} SET v = ? WHERE p = ? AND c = 1 IF v = ?"
        assert await api.execute(update, ["b", key, "a"]) == [{"[applied]": True}]
        assert await api.execute(update, ["c", key, "a"]) == [{"[applied]": False, "v": "b"}]
        assert await api.execute_one(f"SELECT v FROM {space.items} WHERE p = ?", [key]) == "b"

    @check(_LWT)
    async def test_delete_if_exists(self, api: Api, space: Workspace, key: str) -> None:
        """DELETE … IF EXISTS returns whether there was a row."""
        await api.execute(f"INSERT INTO {space.items} (p, c) VALUES (?, 1) IF NOT EXISTS", [key])
        delete = f"DELETE FROM {space.items} WHERE p = ? AND c = 1 IF EXISTS"
        assert await api.execute(delete, [key]) == [{"[applied]": True}]
        assert await api.execute(delete, [key]) == [{"[applied]": False}]

    @check(_LWT, Capability.PAGING)
    async def test_applied_is_on_the_result(self, api: Api, space: Workspace, key: str) -> None:
        """Rows.applied is the same; None for other statements, whatever their columns."""
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) IF NOT EXISTS"
        assert (await api.execute(insert, [key])).applied is True
        assert (await api.execute(insert, [key])).applied is False
        assert (await api.execute(f"SELECT c FROM {space.items} WHERE p = ?", [key])).applied is None

    @check(_LWT)
    async def test_execute_one_of_a_transaction(self, api: Api, space: Workspace, key: str) -> None:
        """execute_one returns whether it was applied."""
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) IF NOT EXISTS"
        assert await api.execute_one(insert, [key]) is True
        assert await api.execute_one(insert, [key]) is False

    @check(_LWT)
    async def test_one_statement_with_both_outcomes(self, api: Api, space: Workspace, key: str) -> None:
        """Repeated executions of a statement have the columns of their own outcome."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, 'a') IF NOT EXISTS"
        for c in range(3):
            (row,) = await api.execute(insert, [key, c])
            assert row == {"[applied]": True}
            (row,) = await api.execute(insert, [key, c])
            assert (row["[applied]"], row["c"], row["v"]) == (False, c, "a")

    @check(_LWT)
    async def test_one_of_many_wins(self, api: Api, space: Workspace, key: str) -> None:
        """Of a dozen concurrent ones, exactly one is applied, and the others get its value."""
        insert = f"INSERT INTO {space.items} (p, c, n) VALUES (?, 1, ?) IF NOT EXISTS"

        async def contend(n: int) -> tuple[bool, int]:
            (row,) = await api.execute(insert, [key, n], timeout=20)
            return row["[applied]"], row.get("n", n)

        outcomes = await api.together([partial(contend, n) for n in range(12)])
        assert [applied for applied, _ in outcomes].count(True) == 1
        assert len({n for _, n in outcomes}) == 1

    @check(_LWT)
    async def test_serial_consistency(self, api: Api, space: Workspace, key: str) -> None:
        """Both serial levels are accepted."""
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, ?) IF NOT EXISTS"
        for c, level in enumerate(("SERIAL", "local_serial")):
            options = RequestOptions(serial_consistency=level)
            (row,) = await api.execute(insert, [key, c], options=options)
            assert row["[applied]"] is True

    @check(_LWT, Capability.CONSISTENCY)
    async def test_serial_consistency_is_sent(self, api: Api, space: Workspace, key: str) -> None:
        """The agreement on a condition has the request's serial level, alone, in many and in a batch.

        It is the level in the error of too few replicas, or the level of that many replicas.
        """
        insert = f"INSERT INTO {space.unavailable} (k, v) VALUES (?, 1) IF NOT EXISTS"
        calls: list[Any] = [
            partial(api.execute, insert, [key]),
            partial(api.execute_one, insert, [key]),
            partial(api.read_many, insert, [key]),
        ]
        if Capability.BATCHES in api.driver.capabilities:
            calls.append(partial(api.execute_batch, [(insert, [key])]))
        for call in calls:
            for level in ("LOCAL_SERIAL", "SERIAL", "LOCAL_SERIAL"):
                with pytest.raises(UnavailableError) as caught:
                    await call(options=RequestOptions(serial_consistency=level))
                assert caught.value.consistency in (level, _QUORUMS[level])
                assert caught.value.may_have_been_applied

    @check(_LWT)
    async def test_serial_consistency_is_honoured(self, api: Api, space: Workspace, key: str) -> None:
        """A read at SERIAL sees the transaction; a level that isn't serial is rejected."""
        await api.execute(f"INSERT INTO {space.items} (p, c) VALUES (?, 1) IF NOT EXISTS", [key])
        with pytest.raises(ConfigurationError):
            RequestOptions(serial_consistency="QUORUM")
        rows = await api.execute(f"SELECT c FROM {space.items} WHERE p = ?", [key], "SERIAL")
        assert rows == [{"c": 1}]
