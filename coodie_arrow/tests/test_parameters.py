"""Rows of data frames as parameters: which column is for which marker, and what its values become."""

from __future__ import annotations

import datetime as dt
import tracemalloc
import uuid
from decimal import Decimal
from typing import Any

import nanoarrow as na
import pytest

from coodie._arrow import is_arrow_data
from coodie.contract.frames import named_markers
from coodie.contract.markers import Marker, ValueType
from coodie.exceptions import ParameterError, ParameterTypeError, UnsupportedError
from coodie.rows import Column
from coodie.types import Date, Duration, Time, Timestamp
from coodie_arrow import ArrowShape, parameter_rows
from coodie_arrow.cqltypes import parse_type

INSERT = "INSERT INTO t (a, b) VALUES (?, ?)"


def markers(**types: str) -> list[Marker]:
    """Return bind markers by name and type."""
    return [Marker(name, parse_type(typ)) for name, typ in types.items()]


def frame(**columns: tuple[str, list[Any]]) -> Any:
    """Return a result, which is a table like any other."""
    names = tuple(Column(name, typ) for name, (typ, _) in columns.items())
    values = [given for _, given in columns.values()]
    return ArrowShape().of_values(names, None, values, len(values[0]))


def test_columns_by_name() -> None:
    """The order of a frame's columns doesn't matter; rows are lists in the markers' order, or dicts."""
    given = frame(b=("text", ["x", None]), a=("int", [1, 2]))
    wanted = markers(a="int", b="text")
    assert list(parameter_rows(INSERT, given, wanted, by_name=False)) == [[1, "x"], [2, None]]
    assert list(parameter_rows(INSERT, given, wanted, by_name=True)) == [
        {"a": 1, "b": "x"},
        {"a": 2, "b": None},
    ]


def test_the_same_marker_twice() -> None:
    """A column is used for each marker of its name."""
    rows = parameter_rows(
        INSERT, frame(a=("int", [1])), [*markers(a="int"), *markers(a="int")], by_name=False
    )
    assert list(rows) == [[1, 1]]


def test_names_in_another_case() -> None:
    """A marker takes the column of exactly its name, or else the only one that has it in other letters."""
    given = frame(A=("int", [1]), b=("int", [2]))
    assert list(parameter_rows(INSERT, given, markers(a="int", b="int"), by_name=False)) == [[1, 2]]
    given = frame(A=("int", [1]), a=("int", [2]))
    with pytest.raises(ParameterError, match=r"unknown columns: \['A'\]"):
        parameter_rows(INSERT, given, markers(a="int"), by_name=False)


def test_other_columns_are_an_error_before_the_first_row() -> None:
    """Missing and additional columns are named, with the markers."""
    with pytest.raises(ParameterError, match=r"Missing columns: \['b'\]; unknown columns: \['c'\]") as info:
        parameter_rows(
            INSERT, frame(a=("int", [1]), c=("int", [1])), markers(a="int", b="int"), by_name=False
        )
    assert "['a', 'b']" in str(info.value)


def test_an_array_without_columns() -> None:
    """A series or an array is no table."""
    with pytest.raises(ParameterTypeError, match="has no columns"):
        parameter_rows(INSERT, na.c_array([1], na.int32()), markers(a="int"), by_name=False)


def test_what_is_taken_for_a_table() -> None:
    """Only objects with Arrow's interface are: lists, dicts and generators are parameters as ever."""
    assert is_arrow_data(frame(a=("int", [1])))
    assert not any(map(is_arrow_data, ([], {}, iter(()), "x")))


def test_markers_that_a_backend_does_not_name() -> None:
    """Without the server's names, :name is known from the text, and ? is an error with the remedy."""
    assert [marker.name for marker in named_markers("… VALUES (:a, :b)", "AcmeDriver")] == ["a", "b"]
    assert named_markers("SELECT 1", "AcmeDriver") == ()
    with pytest.raises(UnsupportedError, match="AcmeDriver doesn't name the bind markers"):
        named_markers("… VALUES (?, ?)", "AcmeDriver")


def test_memory_is_bounded() -> None:
    """Rows are converted some hundred at a time, not all at once."""
    given = frame(a=("bigint", list(range(200_000))))
    rows = parameter_rows(INSERT, given, markers(a="bigint"), by_name=False)
    next(rows)
    tracemalloc.start()
    try:
        assert sum(1 for _ in rows) == 199_999
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


# --- values of other libraries --------------------------------------------------------------


def bound(array: Any, typ: str) -> list[Any]:
    """Return the parameters that an array of pyarrow becomes."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow isn't installed")
    table = pyarrow.table({"a": array})
    return [
        value for (value,) in parameter_rows(INSERT, table, [Marker("a", parse_type(typ))], by_name=False)
    ]


NOW = dt.datetime(2024, 2, 29, 12, 30, 15, 123000)


def _arrays() -> dict[str, tuple[Any, str, Any]]:
    """Return arrays of pyarrow by name, each with the type of its marker and the parameters."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow isn't installed")
    key = uuid.UUID(int=5)
    stamp = Timestamp.from_datetime(NOW)
    return {
        "large text": (pa.array(["a", None], pa.large_string()), "text", ["a", None]),
        "text views": (pa.array(["a", None, "x" * 50], pa.string_view()), "text", ["a", None, "x" * 50]),
        "categories": (pa.array(["a", None, "b"]).dictionary_encode(), "text", ["a", None, "b"]),
        "views": (pa.array([b"a", None], pa.binary_view()), "blob", [b"a", None]),
        "nothing": (pa.nulls(2), "int", [None, None]),
        "floats for int": (pa.array([1.0, None]), "int", [1, None]),
        "odd floats": (pa.array([1.5]), "int", [1.5]),
        "unsigned": (pa.array([2**64 - 1], pa.uint64()), "varint", [2**64 - 1]),
        "bytes for uuid": (pa.array([key.bytes], pa.binary(16)), "uuid", [key]),
        "uuid": (pa.array([key.bytes], pa.uuid()), "uuid", [key]),
        "seconds": (pa.array([1, None], pa.timestamp("s")), "timestamp", [Timestamp(1000), None]),
        "nanoseconds": (pa.array([NOW, None], pa.timestamp("ns", "Asia/Tokyo")), "timestamp", [stamp, None]),
        "midnight": (pa.array([86_400], pa.timestamp("s")), "date", [Date(1)]),
        "date64": (pa.array([dt.date(1970, 1, 2)], pa.date64()), "date", [Date(1)]),
        "time32": (pa.array([1500], pa.time32("ms")), "time", [Time(1_500_000_000)]),
        "duration": (pa.array([5, None], pa.duration("us")), "duration", [Duration(0, 0, 5000), None]),
        "decimal": (pa.array([Decimal("-1.50")]), "decimal", [Decimal("-1.50")]),
        "decimal for varint": (pa.array([Decimal(12)]), "varint", [12]),
        "large lists": (pa.array([[1], None, []], pa.large_list(pa.int8())), "list<int>", [[1], None, []]),
        "uuids in a list": (pa.array([[key.bytes]], pa.list_(pa.binary(16))), "list<uuid>", [[key]]),
        "struct": (pa.array([{"a": 1, "b": "x"}, None]), "tuple<int, text>", [(1, "x"), None]),
        "map": (pa.array([[("k", 1.0)]], pa.map_(pa.string(), pa.float64())), "map<text, int>", [[("k", 1)]]),
        "booleans": (pa.array([True, None, False]), "boolean", [True, None, False]),
        "half": (pa.array([0.5], pa.float16()), "float", [0.5]),
        "a slice": (pa.array([0, 1, None, 3]).slice(1, 2), "int", [1, None]),
        "a slice of lists": (pa.array([[0], [1, 2], [3]]).slice(1, 1), "list<int>", [[1, 2]]),
        "a slice of flags": (pa.array([True] * 9 + [False, None]).slice(8), "boolean", [True, False, None]),
        "a slice of structs": (
            pa.array([{"a": 1}, {"a": 2}, {"a": None}]).slice(1),
            "tuple<int>",
            [(2,), (None,)],
        ),
        "a slice of vectors": (
            pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2)).slice(1),
            "vector<float, 2>",
            [[3.0, 4.0]],
        ),
    }


@pytest.mark.parametrize(
    "name",
    [
        *("large text", "text views", "categories", "views", "nothing", "floats for int", "odd floats"),
        *("unsigned", "bytes for uuid", "uuid", "seconds", "nanoseconds", "midnight", "date64", "time32"),
        *("duration", "decimal", "decimal for varint", "large lists", "uuids in a list", "struct", "map"),
        *("booleans", "half", "a slice", "a slice of lists", "a slice of flags", "a slice of structs"),
        "a slice of vectors",
    ],
)
def test_values_of_other_types(name: str) -> None:
    """Values of types that results don't have become the parameters that the marker's type takes."""
    array, typ, expected = _arrays()[name]
    found = bound(array, typ)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


@pytest.mark.parametrize("what", ["below the millisecond", "a time of day", "has no counterpart in CQL"])
def test_values_that_would_be_rounded(what: str) -> None:
    """A value that its marker can't hold exactly is an error that names the column."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow isn't installed")
    given = {
        "below the millisecond": (pa.array([1], pa.timestamp("ns")), "timestamp"),
        "a time of day": (pa.array([1], pa.timestamp("s")), "date"),
        "has no counterpart in CQL": (pa.array([1, 1]).run_end_encode() if False else None, "int"),
    }[what]
    array, typ = given
    if array is None:
        array = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    with pytest.raises(ParameterError, match=f"the column 'a' .* can't be bound: .*{what}"):
        bound(array, typ)


def test_a_batch_and_a_sliced_table() -> None:
    """An object with __arrow_c_array__ alone, and tables that begin in the middle of their buffers."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow isn't installed")
    batch = pa.record_batch({"a": [0, 1, 2], "b": ["x", None, "z"]}).slice(1)
    wanted = markers(a="int", b="text")
    assert list(parameter_rows(INSERT, batch, wanted, by_name=False)) == [[1, None], [2, "z"]]
    table = pa.table({"a": list(range(2000)), "b": [None] * 2000}).slice(999, 1001)
    found = list(parameter_rows(INSERT, table, wanted, by_name=False))
    assert found == [[number, None] for number in range(999, 2000)]


def test_frames_of_pandas_and_polars() -> None:
    """Frames of both libraries are tables, with their nulls."""
    pandas = pytest.importorskip("pandas", reason="pandas isn't installed")
    polars = pytest.importorskip("polars", reason="polars isn't installed")
    columns = {"a": [1, None, 3], "b": ["x", None, "z"]}
    expected = [[1, "x"], [None, None], [3, "z"]]
    for given in (pandas.DataFrame(columns), polars.DataFrame(columns)):
        assert list(parameter_rows(INSERT, given, markers(a="int", b="text"), by_name=False)) == expected
    at = pandas.DataFrame({"a": [pandas.Timestamp("2024-01-01"), pandas.NaT]})
    rows = parameter_rows(INSERT, at, [Marker("a", ValueType("timestamp", "timestamp"))], by_name=False)
    assert list(rows) == [[Timestamp(1704067200000)], [None]]
