"""A statement's parameters: how many, under which names, and what an error says."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
from collections import OrderedDict, UserDict, deque
from collections.abc import Sequence
from numbers import Real
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from cassandra.query import UNSET_VALUE, PreparedStatement

from coodie.drivers.cassandra.values.binding import bind_values, binders
from coodie.exceptions import ParameterError, ParameterTypeError
from coodie.parameters import positional
from coodie.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STATEMENT = "INSERT INTO t (k, v) VALUES (?, ?)"


@pytest.fixture
def bind_all(columns: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Bind parameters to a statement with the markers k (int) and v (text)."""
    markers = columns(k="int", v="text")
    chosen = binders(markers)
    return lambda params, statement=_STATEMENT: bind_values(markers, chosen, params, statement)


@pytest.mark.parametrize(
    "params",
    [[1, "a"], (1, "a"), deque([1, "a"]), {"v": "a", "k": 1}, OrderedDict(k=1, v="a"), UserDict(k=1, v="a")],
    ids=lambda params: type(params).__name__,
)
def test_sequences_and_mappings_are_parameters(bind_all: Callable[..., list[Any]], params: Any) -> None:
    """Values go by position or by name, and come out in the markers' order."""
    assert bind_all(params) == [1, "a"]


def test_null_and_unset_pass(bind_all: Callable[..., list[Any]], columns: Callable[..., Any]) -> None:
    """None is a null; UNSET is what the driver sends as not set, and the driver takes it."""
    bound = bind_all([1, UNSET])
    assert bound == [1, UNSET_VALUE]
    assert bind_all({"k": None, "v": UNSET}) == [None, UNSET_VALUE]
    markers = columns(k="int", v="text")
    prepared = PreparedStatement(markers, b"id", None, _STATEMENT, "ks", 5, None, None)
    assert prepared.bind(bound).values == [b"\x00\x00\x00\x01", UNSET_VALUE]


@pytest.mark.parametrize("value", [["a"], ("a",), {"a"}], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("marker", ["IN (?)", "in(:v)", "IN ( ? , ?)"])
def test_a_list_for_one_place_of_in(bind_all: Callable[..., list[Any]], value: Any, marker: str) -> None:
    """The error says how several values are given; not where there is no IN."""
    with pytest.raises(
        ParameterTypeError, match=r"expected a str, got \w+\. For several values, write IN \? without"
    ):
        bind_all([1, value], f"SELECT * FROM t WHERE k = ? AND v {marker}")
    with pytest.raises(ParameterTypeError) as elsewhere:
        bind_all([1, value])
    with pytest.raises(ParameterTypeError) as single:
        bind_all([1, 5], f"SELECT * FROM t WHERE k = ? AND v {marker}")
    assert "IN ?" not in f"{elsewhere.value} {single.value}"


class _Array:
    """An array without dimensions: it has the methods of a sequence, and no length."""

    def __len__(self) -> int:
        raise TypeError("len() of unsized object")

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("iteration over a 0-d array")

    def __getitem__(self, index: int) -> Any:
        raise IndexError("too many indices for array")


@pytest.mark.parametrize(
    "cql",
    ["list<int>", "set<int>", "map<int, int>", "tuple<int, int>", "vector<int, 2>", "int", "text"],
)
@pytest.mark.parametrize("nested", [False, True])
def test_an_array_without_dimensions(cql: str, nested: bool, columns: Callable[..., Any]) -> None:
    """It is no sequence: the error names the parameter and both types."""
    markers = columns(v=f"list<frozen<{cql}>>" if nested else cql)
    with pytest.raises(ParameterTypeError, match=r"Parameter 1 \('v', .*got \S+\._Array") as caught:
        bind_values(markers, binders(markers), [[_Array()] if nested else _Array()])
    assert caught.value.column == "v"
    assert "raised" not in str(caught.value)


class _BrokenSequence(Sequence[Any]):
    """Has a length, and no values."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        raise ValueError("marker-91c4")


class _BrokenMapping(dict[Any, Any]):
    """Has names, and no values."""

    def __getitem__(self, name: Any) -> Any:
        raise ValueError("marker-91c4")

    def items(self) -> Any:
        raise ValueError("marker-91c4")


class _BrokenNumber:
    """Says that it is a number, and isn't."""

    def __index__(self) -> int:
        raise ValueError("marker-91c4")


class _BrokenZone(dt.tzinfo):
    """Knows no offset."""

    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        raise ValueError("marker-91c4")

    def dst(self, _: dt.datetime | None) -> dt.timedelta:
        raise ValueError("marker-91c4")

    def tzname(self, _: dt.datetime | None) -> str:
        raise ValueError("marker-91c4")


@pytest.mark.parametrize(
    ("cql", "value"),
    [
        ("list<int>", _BrokenSequence()),
        ("set<int>", _BrokenSequence()),
        ("tuple<int, int>", _BrokenSequence()),
        ("vector<int, 2>", _BrokenSequence()),
        ("map<int, int>", _BrokenMapping(a=1)),
        ("list<frozen<map<int, int>>>", [_BrokenMapping(a=1)]),
        ("int", _BrokenNumber()),
        ("timestamp", dt.datetime(2024, 1, 1, tzinfo=_BrokenZone())),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_that_cant_be_read(columns: Callable[..., Any], cql: str, value: Any) -> None:
    """Whatever its own methods raise is the cause of an error that names the parameter."""
    markers = columns(k="int", v=cql)
    with pytest.raises(
        ParameterTypeError, match=r"Parameter 2 \('v', .*: reading the .* raised ValueError"
    ) as caught:
        bind_values(markers, binders(markers), [1, value], _STATEMENT)
    assert isinstance(caught.value.__cause__, ValueError)
    assert "marker-91c4" not in str(caught.value)
    assert (caught.value.column, caught.value.statement) == ("v", _STATEMENT)


@pytest.mark.parametrize("params", [_BrokenSequence(), _BrokenMapping(k=1, v="a")], ids=["list", "dict"])
def test_parameters_that_cant_be_read(bind_all: Callable[..., list[Any]], params: Any) -> None:
    """So are those of what holds the values; for every backend."""
    for bind in (bind_all, lambda broken: positional("INSERT INTO t (k, v) VALUES (:k, :v)", broken)):
        with pytest.raises(
            ParameterTypeError, match=r"Reading the parameters, a .*, raised ValueError"
        ) as caught:
            bind(params)
        assert isinstance(caught.value.__cause__, ValueError)
        assert "marker-91c4" not in str(caught.value)


def test_types_that_share_a_name(columns: Callable[..., Any]) -> None:
    """A bool of numpy's is no bool, and the error doesn't call it one."""
    markers = columns(b="boolean")
    value = type("bool", (), {"__module__": "numpy"})()
    with pytest.raises(
        ParameterTypeError, match=r"expected a bool, got numpy\.bool\. Convert it with bool"
    ) as caught:
        bind_values(markers, binders(markers), [value])
    assert caught.value.value_type == "numpy.bool"


class NaTType(dt.datetime):
    """A datetime whose differences aren't numbers, as pandas' NaT."""

    __module__ = "pandas"

    def __sub__(self, other: Any) -> Any:
        return SimpleNamespace(days=math.nan, seconds=math.nan, microseconds=math.nan)


@pytest.mark.parametrize("cql", ["timestamp", "date", "text", "int", "double", "list<timestamp>"])
def test_missing_values_of_pandas(columns: Callable[..., Any], cql: str) -> None:
    """NaT is a datetime to isinstance, and no value of any type; the error says what a null is."""
    markers = columns(at=cql)
    missing = NaTType(1, 1, 1)
    with pytest.raises(
        ParameterTypeError, match=r"^Parameter 1 \('at', .*got pandas\.NaTType\. Give None for a null\."
    ):
        bind_values(markers, binders(markers), [[missing] if cql.startswith("list") else missing])


def test_a_number_without_a_float(columns: Callable[..., Any]) -> None:
    """A Real may refuse float(), as numpy's timedelta64 does."""
    markers = columns(n="double")
    with pytest.raises(ParameterTypeError, match=r"\('n', double\): expected a float or an int, got"):
        bind_values(markers, binders(markers), [_Timedelta()])


class _Timedelta:
    def __float__(self) -> float:
        raise TypeError


Real.register(_Timedelta)


@pytest.mark.parametrize(("params", "given"), [([], 0), ((1,), 1), ([1, "a", 2], 3), (None, 0)])
def test_the_count_is_exact(bind_all: Callable[..., list[Any]], params: Any, given: int) -> None:
    """Too few or too many raise with both numbers; the driver would fill up with UNSET."""
    with pytest.raises(ParameterError, match=rf"has 2 bind markers, and {given} parameter") as error:
        bind_all(params)
    assert error.value.statement == _STATEMENT


def test_a_statement_without_markers_takes_none() -> None:
    """No markers, no parameters, in whatever form."""
    nothing: tuple[Any, ...] = ([], (), {}, None)
    for params in nothing:
        assert bind_values([], (), params) == []
    with pytest.raises(ParameterError, match="has 0 bind markers, and 1 parameter was given"):
        bind_values([], (), [1])


@pytest.mark.parametrize(
    "params",
    ["ab", b"ab", {1, "a"}, iter([1, "a"]), 5, {"k": 1, "v": "a"}.values()],
    ids=lambda p: type(p).__name__,
)
def test_other_containers_are_refused(bind_all: Callable[..., list[Any]], params: Any) -> None:
    """Text isn't a sequence of parameters, and a set has no order."""
    with pytest.raises(
        ParameterTypeError, match=f"expected a list, a tuple or a dict, got {type(params).__name__}"
    ):
        bind_all(params)


def test_a_partition_key_has_a_value(columns: Callable[..., Any]) -> None:
    """A null or unset part of the partition key is refused before the driver fails over it."""
    markers = columns(a="int", b="text", c="int")
    chosen = binders(markers)
    for value in (None, UNSET):
        with pytest.raises(ParameterError, match=rf"Parameter 2 \('b', text\): got {value}.*partition key"):
            bind_values(markers, chosen, [1, value, 1], "INSERT …", [0, 1])
        assert bind_values(markers, chosen, [1, "b", value], "INSERT …", [0, 1])[:2] == [1, "b"]
        assert bind_values(markers, chosen, [1, value, 1], "INSERT …", None)[0] == 1


def test_names_are_complete_and_known(bind_all: Callable[..., list[Any]]) -> None:
    """A missing value is an error, never UNSET; an unknown name gets a suggestion."""
    with pytest.raises(ParameterError, match="Missing parameters: 'v'"):
        bind_all({"k": 1})
    with pytest.raises(ParameterError, match=r"no bind marker 'kk'. Did you mean 'k'\?"):
        bind_all({"kk": 1, "v": "a"})
    with pytest.raises(ParameterError, match=r"no bind marker 'other'\. It has 'k', 'v'"):
        bind_all({"k": 1, "v": "a", "other": 2})
    with pytest.raises(ParameterError, match="no bind marker 0"):
        bind_all({0: 1, 1: "a"})


def test_one_name_in_several_places(columns: Callable[..., Any]) -> None:
    """A :name is bound wherever it stands; two ? of one column can't be told apart by name."""
    (marker,) = columns(n="int")
    markers = [marker, marker]
    chosen = binders(markers)
    assert bind_values(markers, chosen, {"n": 5}, "SELECT * FROM t WHERE a > :n AND b < :n") == [5, 5]
    assert bind_values(markers, chosen, [1, 2], "SELECT * FROM t WHERE n > ? AND n < ?") == [1, 2]
    with pytest.raises(ParameterError, match=r"Several \? markers"):
        bind_values(markers, chosen, {"n": 5}, "SELECT ':x' FROM t WHERE n > ? AND n < ?")


def test_an_error_tells_all_but_the_value(columns: Callable[..., Any]) -> None:
    """Position, name, CQL type and Python type are told; what the value is, is not."""
    markers = columns(k="int", tags="map<text, frozen<list<decimal>>>")
    with pytest.raises(ParameterTypeError) as error:
        bind_values(markers, binders(markers), [1, {"secret": [1.2345]}], "INSERT …")
    assert str(error.value) == (
        "Parameter 2 ('tags', map<text, list<decimal>>), in an element of a value: "
        "expected a Decimal or an int, got float. Floats aren't exact: use Decimal(str(value))."
    )
    found = error.value
    assert (found.column, found.cql_type, found.value_type) == ("tags", "map<text, list<decimal>>", "float")
    assert found.statement == "INSERT …"
    assert found.hint == "Floats aren't exact: use Decimal(str(value))."


def test_types_are_named_as_in_cql(types: Any, columns: Callable[..., Any]) -> None:
    """Errors name types as a user declared them, not as the drivers do."""
    types.udt("address", {"street": "text"})
    for cql, name in (
        ("vector<float, 3>", "vector<float, 3>"),
        ("frozen<tuple<int, frozen<address>>>", "tuple<int, address>"),
        ("reversed<timeuuid>", "timeuuid"),
        ("set<frozen<map<ascii, counter>>>", "set<map<ascii, counter>>"),
    ):
        markers = columns(c=cql)
        with pytest.raises(ParameterTypeError) as error:
            bind_values(markers, binders(markers), [object()])
        assert error.value.cql_type == name


def test_nothing_is_imported_before_it_is_needed() -> None:
    """Our modules load without a database driver; what needs one says so when it is called."""
    code = """
import sys
sys.modules["cassandra"] = None
from coodie import types
from coodie.drivers.cassandra.values import binding, lenient_decoding, rows
try:
    lenient_decoding.exact_protocol_handler()
except ImportError:
    print("only now")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("only now\n", "")
