"""Checks of arrays: vectors in each form, and values of numpy and pandas, where these are installed."""

from __future__ import annotations

import datetime as dt
import importlib
from array import array
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ParameterError
from coodie_testing.checking import check
from coodie_testing.values import exact

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["ArraysChecks"]

_NOON = dt.datetime(2024, 7, 1, 12)

#: Column → pairs of a parameter and the value that is read back.
_Forms = dict[str, list[tuple[Any, Any]]]

_VECTORS: _Forms = {
    "floats": [
        ((1, 2, 3), [1.0, 2.0, 3.0]),
        (range(3), [0.0, 1.0, 2.0]),
        (array("f", [1.5, 2, 3]), [1.5, 2.0, 3.0]),
        (array("d", [1.5, 2, 3]), [1.5, 2.0, 3.0]),
        (array("i", [1, 2, 3]), [1.0, 2.0, 3.0]),
        (memoryview(array("f", [1.5, 2, 3])), [1.5, 2.0, 3.0]),
        (memoryview(array("d", [1.5, 2, 3])), [1.5, 2.0, 3.0]),
        (memoryview(array("f", [1.5, 0, 2, 0, 3, 0]))[::2], [1.5, 2.0, 3.0]),
        (memoryview(array("f", [0, 0, 1.5, 2, 3]))[2:], [1.5, 2.0, 3.0]),
    ],
    "ints": [
        (range(2), [0, 1]),
        (array("i", [1, -2]), [1, -2]),
        (array("q", [1, -2]), [1, -2]),
        (array("b", [1, -2]), [1, -2]),
        (memoryview(array("i", [1, -2])), [1, -2]),
        (memoryview(array("h", [1, -2])), [1, -2]),
    ],
    "vectors_of_vectors": [
        (([1, 2], array("f", [3, 4])), [[1.0, 2.0], [3.0, 4.0]]),
        ((range(2), (3, 4)), [[0.0, 1.0], [3.0, 4.0]]),
    ],
}


def _of_numpy(np: Any) -> _Forms:
    return {
        "tinyint_": [(np.int8(-7), -7), (np.uint8(7), 7)],
        "int_": [(np.int32(-7), -7), (np.int64(7), 7), (np.uint16(7), 7)],
        "bigint_": [(np.int64(-(2**40)), -(2**40)), (np.uint64(2**40), 2**40)],
        "varint_": [(np.int64(-(2**40)), -(2**40))],
        "float_": [(np.float32(1.5), 1.5), (np.float64(1.5), 1.5), (np.float16(1.5), 1.5), (np.int8(1), 1.0)],
        "double_": [(np.float32(1.5), 1.5), (np.float64(0.1), 0.1)],
        "text_": [(np.str_("ž"), "ž")],
        "list_": [
            (np.array([1, 2], "i4"), [1, 2]),
            (np.array([1, 2, 3, 4], "i8")[::2], [1, 3]),
            (np.array([1, 2], ">i4"), [1, 2]),
        ],
        "set_": [(np.array(["a", "b"]), {"a", "b"})],
    }


def _not_of_numpy(np: Any) -> dict[str, list[Any]]:
    return {
        "timestamp_": [np.datetime64("2024-01-01"), np.datetime64("NaT")],
        "date_": [np.datetime64("2024-01-01"), np.datetime64("NaT")],
        "duration_": [np.timedelta64(1, "s")],
        "bigint_": [np.timedelta64(1, "s"), np.datetime64(1, "ms"), np.float64(1.0)],
        "tinyint_": [np.int64(128), np.uint8(255)],
    }


async def _assert_forms(api: Api, table: str, key: str, forms: _Forms) -> None:
    """Check that each form of a parameter is stored as its value."""
    for column, pairs in forms.items():
        insert = f"INSERT INTO {table} (k, {column}) VALUES (?, ?)"
        select = f"SELECT {column} FROM {table} WHERE k = ?"
        for number, (given, expected) in enumerate(pairs):
            await api.execute(insert, [f"{key}{number}", given])
            (row,) = await api.execute(select, [f"{key}{number}"])
            if not api.driver.needs_row_validation:
                assert exact(row[column]) == exact(expected), f"{column}, form {number}"


async def _assert_rejected(api: Api, table: str, key: str, wrong: dict[str, list[Any]]) -> None:
    """Check that each value is a ParameterError."""
    for column, values in wrong.items():
        for value in values:
            try:
                await api.execute(f"INSERT INTO {table} (k, {column}) VALUES (?, ?)", [key, value])
            except ParameterError:
                continue
            raise AssertionError(f"{column} took {value!r}")


class ArraysChecks:
    """Vectors from arrays, and what looks like plain values."""

    @check(Capability.VECTORS)
    async def test_forms_of_vectors(self, api: Api, space: Workspace, key: str) -> None:
        """A vector is also bound from a tuple, a range, an array and a memoryview, also with gaps."""
        await _assert_forms(api, space.vectors, key, _VECTORS)

    @check()
    async def test_forms_of_numpy(self, api: Api, space: Workspace, key: str) -> None:
        """Integers, floats, texts and arrays of numpy are values; datetime64 and timedelta64 are rejected."""
        np = pytest.importorskip("numpy")
        await _assert_forms(api, space.values, key, _of_numpy(np))
        await _assert_rejected(api, space.values, key, _not_of_numpy(np))

    @check(Capability.VECTORS)
    async def test_vectors_of_numpy(self, api: Api, space: Workspace, key: str) -> None:
        """A vector is bound from an array of numpy, of any size and order of bytes, also with gaps."""
        np = pytest.importorskip("numpy")
        arrays = [np.array([1.5, 2, 3], kind) for kind in ("f4", "f8", ">f4", ">f8", "f2")]
        arrays.append(np.array([1.5, 0, 2, 0, 3, 0], "f4")[::2])
        await _assert_forms(api, space.vectors, key, {"floats": [(one, [1.5, 2.0, 3.0]) for one in arrays]})

    @check()
    async def test_forms_of_pandas(self, api: Api, space: Workspace, key: str) -> None:
        """A Timestamp of pandas is a datetime; NaT and NA are rejected."""
        try:
            pd = importlib.import_module("pandas")
        except ImportError:
            pytest.skip("pandas isn't installed")
        noon = pd.Timestamp(2024, 7, 1, 12)
        aware = noon.tz_localize("Etc/GMT-2")
        times: _Forms = {"timestamp_": [(noon, _NOON), (aware, dt.datetime(2024, 7, 1, 10))]}
        await _assert_forms(api, space.values, key, times)
        columns = ("timestamp_", "date_", "int_", "double_", "text_")
        await _assert_rejected(api, space.values, key, {name: [pd.NaT, pd.NA] for name in columns})
