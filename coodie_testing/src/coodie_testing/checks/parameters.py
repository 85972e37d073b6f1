"""Checks of parameters: bound by position or by name, and validated before the request is sent."""

from __future__ import annotations

import datetime as dt
import logging
from fractions import Fraction
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import CoodieError, ParameterError, ParameterTypeError
from coodie.types import UNSET
from coodie_testing.checking import check

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["ParametersChecks"]

_LARGE = 2**63

#: Column → numbers out of its range, alone and in collections.
_OUT_OF_RANGE: dict[str, list[Any]] = {
    "tinyint_": [128, -129, _LARGE],
    "smallint_": [2**15, -(2**15) - 1, _LARGE],
    "int_": [2**31, -(2**31) - 1, _LARGE],
    "bigint_": [_LARGE, -_LARGE - 1, 2**200],
    "float_": [3.5e38, -3.5e38, 10**39, Fraction(10**39)],
    "double_": [10**400, -(10**400), Fraction(10**400)],
    "timestamp_": [_LARGE, -_LARGE - 1],
    "list_": [[0, 2**31], (-(2**31) - 1,), range(2**31, 2**31 + 1)],
    "map_": [{"a": 2**31}, {"a": 0, "b": -(2**31) - 1}],
    "frozen_": [[2**31]],
    "tuple_": [(2**31, "a", dt.date.min), [-(2**31) - 1, "a", dt.date.min]],
    "nested_": [{2**31: {}}, {-(2**31) - 1: {"a": []}}],
    "times_": [{_LARGE: dt.date.min}],
}


#: Addresses with a scope, which the type ``inet`` can't store.
_SCOPED = ("fe80::1%eth0", ip_address("fe80::1%eth0"), "fe80::1%1")


async def _refused(api: Api, space: Workspace, stmt: str, params: Any, *keys: str) -> ParameterError:
    """Execute an invalid request; check that nothing was written."""
    with pytest.raises(ParameterError) as caught:
        await api.execute(stmt, params)
    for key in keys:
        assert await api.execute(f"SELECT c FROM {space.items} WHERE p = ?", [key]) == []
    return caught.value


def _loggers_with_levels() -> list[str]:
    """Return the names of the loggers that don't have the root's level."""
    found = logging.root.manager.loggerDict.items()
    return [name for name, one in found if isinstance(one, logging.Logger) and one.level != logging.NOTSET]


class ParametersChecks:
    """Parameters."""

    @check()
    async def test_parameters_by_position(self, api: Api, space: Workspace, key: str) -> None:
        """A list or a tuple binds ``?``, in order."""
        await api.execute(f"INSERT INTO {space.items} (p, c, v, n) VALUES (?, ?, ?, ?)", [key, 1, "a", 2])
        select = f"SELECT v, n FROM {space.items} WHERE p = ? AND c = ?"
        assert await api.execute(select, [key, 1]) == [{"v": "a", "n": 2}]
        assert await api.execute(select, (key, 1)) == [{"v": "a", "n": 2}]

    @check()
    async def test_parameters_by_name(self, api: Api, space: Workspace, key: str) -> None:
        """A mapping binds ``:name`` in any order; a name may occur more than once."""
        insert = f"INSERT INTO {space.items} (p, c, v, n) VALUES (:p, :c, :v, :c)"
        await api.execute(insert, {"v": "a", "c": 1, "p": key})
        select = f"SELECT v, n FROM {space.items} WHERE p = :p AND c = :c"
        assert await api.execute(select, {"c": 1, "p": key}) == [{"v": "a", "n": 1}]

    @check()
    async def test_one_statement_with_other_parameters(self, api: Api, space: Workspace, key: str) -> None:
        """Each execution of a statement has its own values."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)"
        for c in range(5):
            await api.execute(insert, [key, c, f"v{c}"])
        select = f"SELECT v FROM {space.items} WHERE p = ? AND c = ?"
        for c in (3, 0, 4):
            assert await api.execute(select, [key, c]) == [{"v": f"v{c}"}]

    @check()
    async def test_too_few_are_refused(self, api: Api, space: Workspace, key: str) -> None:
        """A missing value is an error, not null."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)"
        await _refused(api, space, insert, [key, 1], key)
        await _refused(api, space, insert, [], key)
        await _refused(api, space, insert.replace("?, ?, ?", ":p, :c, :v"), {"p": key, "c": 1}, key)

    @check()
    async def test_too_many_are_refused(self, api: Api, space: Workspace, key: str) -> None:
        """An additional value is an error, also for a statement without markers."""
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, ?)"
        await _refused(api, space, insert, [key, 1, 2], key)
        await _refused(api, space, f"INSERT INTO {space.items} (p, c) VALUES ('{key}', 1)", [1], key)

    @check()
    async def test_unknown_names_are_refused(self, api: Api, space: Workspace, key: str) -> None:
        """An unknown name is an error."""
        insert = f"INSERT INTO {space.items} (p, c) VALUES (:p, :c)"
        await _refused(api, space, insert, {"p": key, "c": 1, "d": 2}, key)

    @check()
    async def test_values_are_complete_in_all_methods(self, api: Api, space: Workspace, key: str) -> None:
        """Missing, additional and misspelt values are an error in all methods, and nothing is written."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (:p, :c, :v)"
        by_position = insert.replace(":p, :c, :v", "?, ?, ?")
        named = {"p": key, "c": 1, "v": "a"}
        wrong: list[tuple[str, Any]] = [
            (insert, {"p": key, "c": 1}),
            (insert, {"p": key, "c": 1, "V": "a"}),
            (insert, {**named, "n": 1}),
            (insert, {}),
            (by_position, [key, 1]),
            (by_position, [key, 1, "a", 2]),
            (by_position, []),
        ]
        for stmt, params in wrong:
            calls = [
                partial(api.execute, stmt, params),
                partial(api.execute_one, stmt, params),
                partial(api.read_stream, stmt, params),
                partial(api.read_many, stmt, params),
            ]
            if Capability.BATCHES in api.driver.capabilities:
                calls.append(partial(api.execute_batch, [(stmt, params)]))
            for call in calls:
                with pytest.raises(ParameterError):
                    await call()
        assert await api.execute(f"SELECT c FROM {space.items} WHERE p = ?", [key]) == []

    @check()
    async def test_what_is_no_parameters_is_refused(self, api: Api, space: Workspace) -> None:
        """A str or None as the parameters is an error, even if its length fits."""
        select = f"SELECT v FROM {space.items} WHERE p = ? AND s = ? ALLOW FILTERING"
        for params in ("ab", b"ab", None, 2):
            await _refused(api, space, select, params)

    @check()
    async def test_schema_statements_take_none(self, api: Api, space: Workspace) -> None:
        """A value for a statement without markers is rejected before the request is sent."""
        table = space.new_table()
        with pytest.raises(ParameterError):
            await api.execute(f"CREATE TABLE {table} (k int PRIMARY KEY)", [1])
        with pytest.raises(CoodieError):
            await api.execute(f"SELECT k FROM {table}", [])

    @check()
    async def test_a_wrong_type_is_named(self, api: Api, space: Workspace, key: str) -> None:
        """The error names the column, the CQL type and the value's type; it is a TypeError and ValueError."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)"
        error = await _refused(api, space, insert, [key, 1, 4711], key)
        assert isinstance(error, ParameterTypeError)
        assert isinstance(error, TypeError)
        assert isinstance(error, ValueError)
        assert (error.column, error.cql_type, error.value_type) == ("v", "text", "int")
        assert error.statement == insert

    @check()
    async def test_wrong_types_are_refused(self, api: Api, space: Workspace, key: str) -> None:
        """A value of another type is rejected; nothing is converted by guessing."""
        wrong: dict[str, list[Any]] = {
            "text_": [1, b"bytes", ["a"]],
            "int_": ["1", 1.0, b"\0\0\0\1"],
            "boolean_": ["true", 2],
            "double_": ["0.5"],
            "blob_": ["text", 1],
            "uuid_": [1, b"0123456789abcdef"],
            "timestamp_": ["2024-01-01", object()],
            "date_": ["yesterday", 1.5],
            "list_": ["12", 1, ["a"]],
            "map_": [[1], {"a": "b"}, {1: 1}],
            "set_": ["ab", [1]],
            "inet_": ["nowhere", 1.5, 1, b"\x7f\0\0\1", "127.1", "192.0.2.1/24", *_SCOPED],
        }
        for column, values in wrong.items():
            for value in values:
                insert = f"INSERT INTO {space.values} (k, {column}) VALUES (?, ?)"
                try:
                    await api.execute(insert, [key, value])
                except ParameterError:
                    continue
                raise AssertionError(f"{column} took {value!r}")
        assert await api.execute(f"SELECT k FROM {space.values} WHERE k = ?", [key]) == []

    @check()
    async def test_out_of_range_is_refused(self, api: Api, space: Workspace, key: str) -> None:
        """A number out of the column's range is a ValueError, in each form, alone and in collections."""
        for column, values in _OUT_OF_RANGE.items():
            insert = f"INSERT INTO {space.values} (k, {column}) VALUES (?, ?)"
            for value in values:
                try:
                    await api.execute(insert, [key, value])
                except ParameterError:
                    continue
                raise AssertionError(f"{column} took {value!r}")
        for amount in (_LARGE, -_LARGE - 1):
            with pytest.raises(ParameterError):
                await api.execute(f"UPDATE {space.counters} SET n = n + ? WHERE k = ?", [amount, key])
        assert await api.execute(f"SELECT k FROM {space.values} WHERE k = ?", [key]) == []

    @check()
    async def test_errors_hold_no_value(self, api: Api, space: Workspace, key: str) -> None:
        """The text and the repr of errors have no values, which may be secret."""
        secret = "s3cret-value"  # noqa: S105 - that is what is looked for
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)"
        for params in ([key, secret, "a"], [key, 1, [secret]], [key, 1, secret, secret], {"x": secret}):
            error = await _refused(api, space, insert, params, key)
            assert secret not in str(error) + repr(error)

    @check()
    async def test_logs_hold_no_value(
        self, api: Api, space: Workspace, key: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """No logger has values at any level: not of successes and failures, and of no method."""
        text, number = "s3cret-value", 748_291_635
        for logger in (None, *_loggers_with_levels()):
            caplog.set_level(logging.DEBUG, logger)
        other = await api.open()
        insert = f"INSERT INTO {space.items} (p, c, v, n) VALUES (?, 1, ?, ?)"
        by_name = insert.replace("?, 1, ?, ?", ":p, 1, :v, :n")
        select = f"SELECT n FROM {space.items} WHERE p = ? AND v = ? ALLOW FILTERING"
        params: list[Any] = [key, text, number]
        for _ in range(2):
            await other.execute(insert, params)
            await other.execute(by_name, {"p": key, "v": text, "n": number})
            assert await other.execute(select, [key, text]) == [{"n": number}]
            assert await other.execute_one(select, [key, text]) == number
            assert await other.read_stream(select, [key, text]) == [{"n": number}]
            await other.execute_many(insert, [params])
            if Capability.BATCHES in api.driver.capabilities:
                await other.execute_batch([(insert, params)])
        blob = f"INSERT INTO {space.values} (k, blob_, set_) VALUES (?, ?, ?)"
        await other.execute(blob, [key, text.encode(), {text}])
        for call in (
            partial(other.execute, insert, [*params, text]),
            partial(other.execute, insert, [None, text, number]),
            partial(other.execute, insert, [key, [text], number]),
            partial(other.execute, f"SELECT nothing FROM {space.items} WHERE p = ?", [text]),
            partial(other.read_many, insert, [key, text, text]),
        ):
            with pytest.raises(CoodieError):
                await call()
        await other.close()
        secrets = (text, str(number), key)
        assert [line for line in caplog.text.splitlines() if any(one in line for one in secrets)] == []

    @check()
    async def test_none_deletes(self, api: Api, space: Workspace, key: str) -> None:
        """None is null: it deletes the value."""
        insert = f"INSERT INTO {space.items} (p, c, v, n) VALUES (?, 1, ?, ?)"
        await api.execute(insert, [key, "a", 1])
        await api.execute(insert, [key, None, 2])
        assert await api.execute(f"SELECT v, n FROM {space.items} WHERE p = ?", [key]) == [
            {"v": None, "n": 2}
        ]

    @check(Capability.UNSET_VALUES)
    async def test_unset_leaves_alone(self, api: Api, space: Workspace, key: str) -> None:
        """UNSET leaves a column unchanged, by position and by name."""
        by_position = f"INSERT INTO {space.items} (p, c, v, n) VALUES (?, 1, ?, ?)"
        by_name = by_position.replace("?, 1, ?, ?", ":p, 1, :v, :n")
        await api.execute(by_position, [key, "a", 1])
        await api.execute(by_position, [key, UNSET, 2])
        await api.execute(by_name, {"p": key, "v": UNSET, "n": 3})
        assert await api.execute(f"SELECT v, n FROM {space.items} WHERE p = ?", [key]) == [{"v": "a", "n": 3}]

    @check()
    async def test_parameters_are_left_as_they_are(self, api: Api, space: Workspace, key: str) -> None:
        """The caller's parameters aren't modified."""
        inner = {"a": [dt.date(2024, 1, 1)]}
        params: list[Any] = [key, {1: inner}, [3, 1]]
        await api.execute(f"INSERT INTO {space.values} (k, nested_, list_) VALUES (?, ?, ?)", params)
        assert params == [key, {1: {"a": [dt.date(2024, 1, 1)]}}, [3, 1]]
        assert params[1][1] is inner

    @check()
    async def test_values_are_never_cql(self, api: Api, space: Workspace, key: str) -> None:
        """Quotes, question marks and CQL in a value are part of the value."""
        texts = ["'", "it's", "''; DROP TABLE x; --", "?", ":p", "$$", "\\", "\x00", "%s", "{}"]
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)"
        for c, text in enumerate(texts):
            await api.execute(insert, [key, c, text])
        rows = await api.execute(f"SELECT v FROM {space.items} WHERE p = ?", [key])
        assert [row["v"] for row in rows] == texts

    @check()
    async def test_parameters_of_clauses(self, api: Api, space: Workspace, key: str) -> None:
        """LIMIT, IN, TTL and TIMESTAMP accept parameters."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, 'a') USING TTL ? AND TIMESTAMP ?"
        for c in range(5):
            await api.execute(insert, [key, c, 3600, 1_700_000_000_000_000 + c])
        rows = await api.execute(f"SELECT writetime(v) AS w FROM {space.items} WHERE p = ? LIMIT ?", [key, 2])
        assert rows == [{"w": 1_700_000_000_000_000}, {"w": 1_700_000_000_000_001}]
        rows = await api.execute(f"SELECT c FROM {space.items} WHERE p = ? AND c IN ?", [key, [4, 1]])
        assert [row["c"] for row in rows] == [1, 4]
        rows = await api.execute(f"SELECT c FROM {space.items} WHERE p = ? AND c IN (?, ?)", [key, 4, 0])
        assert [row["c"] for row in rows] == [0, 4]

    @check()
    async def test_a_null_key_is_refused(self, api: Api, space: Workspace) -> None:
        """None as a key is a CoodieError and a ValueError."""
        with pytest.raises(CoodieError) as caught:
            await api.execute(f"INSERT INTO {space.items} (p, c) VALUES (?, 1)", [None])
        assert isinstance(caught.value, ValueError)
