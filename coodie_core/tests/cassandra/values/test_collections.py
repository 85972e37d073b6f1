"""Values made of values: collections, tuples, vectors and user types."""

from __future__ import annotations

import array
import datetime as dt
import random
import struct
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from cassandra import util

from coodie.exceptions import ParameterError, ParameterTypeError
from coodie.types import Date, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass
class _Address:
    street: str
    zip: int


class _Sized:
    """What only behaves like a sequence, as a NumPy array does."""

    def __init__(self, *items: Any) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Any:
        return self._items[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)


def _cells(*cells: bytes | None) -> bytes:
    """Return cells as the protocol writes them one after the other."""
    return b"".join(
        struct.pack(">i", -1) if cell is None else struct.pack(">i", len(cell)) + cell for cell in cells
    )


def _int(number: int) -> bytes:
    return struct.pack(">i", number)


@pytest.mark.parametrize(
    ("cql", "values", "data"),
    [
        (
            "list<int>",
            [[2, 1], (2, 1), _Sized(2, 1), array.array("i", [2, 1])],
            _int(2) + _cells(_int(2), _int(1)),
        ),
        ("list<int>", [[], ()], _int(0)),
        (
            "set<text>",
            [
                {"b", "a"},
                frozenset("ab"),
                ["b", "a", "b"],
                ("a", "b"),
                {"a": 1, "b": 2}.keys(),
                util.SortedSet("ab"),
            ],
            _int(2) + _cells(b"a", b"b"),
        ),
        ("set<text>", [set(), [], frozenset()], _int(0)),
        (
            "map<text, int>",
            [
                {"b": 1, "a": 2},
                OrderedDict(b=1, a=2),
                MappingProxyType({"a": 2, "b": 1}),
                [("b", 1), ["a", 2]],
                (("a", 2), ("b", 1)),
                util.OrderedMap([("b", 1), ("a", 2)]),
            ],
            _int(2) + _cells(b"a", _int(2), b"b", _int(1)),
        ),
        ("map<text, int>", [{}, (), []], _int(0)),
        ("tuple<int, text>", [(1, "a"), [1, "a"], _Sized(1, "a")], _cells(_int(1), b"a")),
        ("tuple<int, text>", [(None, None)], _cells(None, None)),
        ("vector<float, 2>", [[1, 0.5], (1.0, 0.5), _Sized(1, 0.5)], struct.pack(">ff", 1, 0.5)),
        ("vector<text, 2>", [["", "ab"]], b"\x00\x02ab"),
        ("vector<smallint, 2>", [[1, -1]], b"\x02\x00\x01\x02\xff\xff"),
        ("vector<blob, 1>", [[b"x" * 300]], b"\x81\x2c" + b"x" * 300),
        ("vector<vector<int, 1>, 2>", [[[1], [2]]], _int(1) + _int(2)),
        ("vector<tuple<int, int>, 1>", [[(None, 1)]], b"\x0c" + _cells(None, _int(1))),
        ("list<frozen<list<int>>>", [[[1], []]], _int(2) + _cells(_int(1) + _cells(_int(1)), _int(0))),
        (
            "map<frozen<set<int>>, frozen<list<int>>>",
            [{frozenset({2, 1}): [3]}, [[[2, 1], [3]]]],
            _int(1) + _cells(_int(2) + _cells(_int(1), _int(2)), _int(1) + _cells(_int(3))),
        ),
        (
            "set<frozen<map<int, text>>>",
            [[{2: "b", 1: "a"}], {((2, "b"), (1, "a"))}],
            _int(1) + _cells(_int(2) + _cells(_int(1), b"a", _int(2), b"b")),
        ),
        ("reversed<timestamp>", [0], bytes(8)),
        ("frozen<list<date>>", [[Date(0)]], _int(1) + _cells(b"\x80\x00\x00\x00")),
    ],
)
def test_collections_are_serialised_exactly(
    encode: Callable[[str, Any], bytes], cql: str, values: list[Any], data: bytes
) -> None:
    """All accepted forms of a value give the same bytes (native_protocol_v5.spec, section 6)."""
    for value in values:
        assert encode(cql, value) == data


@pytest.mark.parametrize(
    ("cql", "value", "place"),
    [
        ("list<int>", [1, None], "an element"),
        ("set<int>", [None], "an element"),
        ("map<text, int>", {None: 1}, "a key"),
        ("map<text, int>", {"a": None}, "a value"),
        ("vector<float, 1>", [None], "an element"),
        ("list<frozen<list<text>>>", [[], [None]], "an element of an element"),
        ("tuple<int, list<int>>", (1, [None]), "an element of component 2"),
    ],
)
def test_a_null_inside_a_collection_is_refused(
    bind: Callable[[str, Any], Any], cql: str, value: Any, place: str
) -> None:
    """Cassandra refuses it, and cassandra-driver would send an empty value in its place."""
    with pytest.raises(ParameterTypeError, match=f", in {place}: got None"):
        bind(cql, value)


@pytest.mark.parametrize(
    ("cql", "value"),
    [
        ("list<text>", "abc"),
        ("list<int>", b"abc"),
        ("list<int>", {1, 2}),
        ("list<int>", {1: 2}),
        ("list<int>", iter([1])),
        ("list<int>", 5),
        ("set<text>", "abc"),
        ("set<text>", {"a": 1}),
        ("set<int>", 5),
        ("map<text, int>", {"a"}),
        ("map<text, int>", "ab"),
        ("map<text, text>", ["ab", "cd"]),
        ("map<text, int>", [("a", 1, 2)]),
        ("tuple<text, text>", "ab"),
        ("tuple<int, int>", {1, 2}),
        ("tuple<int, int>", {1: 2, 3: 4}),
        ("vector<float, 2>", {1.0, 2.0}),
        ("vector<float, 2>", "ab"),
        ("vector<float, 2>", b"ab"),
    ],
)
def test_what_is_no_collection_of_the_kind_is_refused(
    bind: Callable[[str, Any], Any], cql: str, value: Any
) -> None:
    """Text isn't a list of characters, a set has no order, an iterator no length."""
    with pytest.raises(ParameterTypeError):
        bind(cql, value)


@pytest.mark.parametrize(
    ("cql", "value", "length", "wanted"),
    [
        ("tuple<int, text>", (1,), 1, 2),
        ("tuple<int, text>", (1, "a", None), 3, 2),
        ("vector<float, 3>", [1.0], 1, 3),
        ("vector<float, 3>", [1.0] * 4, 4, 3),
        ("list<frozen<tuple<int, int>>>", [()], 0, 2),
    ],
)
def test_lengths_are_exact(
    bind: Callable[[str, Any], Any], cql: str, value: Any, length: int, wanted: int
) -> None:
    """A tuple or vector of another length raises, and the error has both numbers."""
    with pytest.raises(ParameterError, match=f"expected {wanted} values, got {length}"):
        bind(cql, value)


def test_keys_that_are_one_in_cql_are_refused(bind: Callable[[str, Any], Any]) -> None:
    """Of two values for one key, none is dropped in silence."""
    one, other = dt.datetime(2024, 1, 1, 0, 0, 0, 1), dt.datetime(2024, 1, 1, 0, 0, 0, 2)
    for cql, value in (
        ("map<timestamp, int>", {one: 1, other: 2}),
        ("map<int, text>", [(1, "a"), (1, "b")]),
        ("map<uuid, int>", [(util.uuid_from_time(0, 0, 0x80), 1)] * 2),
    ):
        with pytest.raises(ParameterError, match="two keys are equal"):
            bind(cql, value)
    assert bind("set<timestamp>", {one, other}) == [1_704_067_200_000]


# --- user types -------------------------------------------------------------------------


@pytest.fixture
def address(types: Any) -> Any:
    """Make the user type address."""
    return types.udt("address", {"street": "text", "zip": "int"})


_BY_NAME: Any = namedtuple("_BY_NAME", "zip street")  # noqa: PYI024 - as a user would
_TOWN: Any = namedtuple("_TOWN", "street town")  # noqa: PYI024 - as above
_PARTLY: Any = namedtuple("_PARTLY", "zip")  # noqa: PYI024 - as above


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ({"street": "a", "zip": 1}, ("a", 1)),
        ({"zip": 1}, (None, 1)),
        ({}, (None, None)),
        (MappingProxyType({"street": "a"}), ("a", None)),
        (("a", 1), ("a", 1)),
        (["a", None], ("a", None)),
        (_BY_NAME(1, "a"), ("a", 1)),
        (_PARTLY(1), (None, 1)),
        (_Address("a", 1), ("a", 1)),
        (SimpleNamespace(street="a", zip=1, more=2), ("a", 1)),
    ],
    ids=repr,
)
def test_user_types_are_bound_by_name_or_position(
    bind: Callable[[str, Any], Any], encode: Callable[[str, Any], bytes], value: Any, bound: Any
) -> None:
    """A mapping, a named tuple and an object are read by name, other sequences by position."""
    assert bind("address", value) == bound
    street, number = bound
    cells = _cells(None if street is None else street.encode(), None if number is None else _int(number))
    assert encode("address", value) == cells


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"street": "a", "zipp": 1}, r"address has no field 'zipp'\. Did you mean 'zip'"),
        ({"colour": 1}, r"address has no field 'colour'\. Its fields: street, zip"),
        (_TOWN("a", "b"), "no field 'town'"),
        (("a",), "expected 2 values, got 1"),
        (("a", 1, 2), "expected 2 values, got 3"),
        (SimpleNamespace(street="a"), "lacks a field of address.*It needs all of them: street, zip"),
        ({"street": 5}, r"address\), in field 'street': expected a str, got int"),
        ({"zip": 2**31}, "in field 'zip': out of range"),
        ("ab", "got str"),
        (5, "got int"),
        ({"a"}, "got set"),
    ],
)
def test_user_types_are_checked(bind: Callable[[str, Any], Any], value: Any, message: str) -> None:
    """Unknown fields, wrong lengths and scalars raise; nothing of a value is dropped."""
    with pytest.raises(ParameterError, match=message):
        bind("address", value)


def test_scalars_with_attributes_of_the_fields_names_are_no_user_types(
    types: Any, bind: Callable[[str, Any], Any]
) -> None:
    """An int has `real` and a date has `year`, but neither is meant as a user type."""
    types.udt("number", {"real": "int", "imag": "int"})
    types.udt("day", {"year": "int", "month": "int"})
    for cql, value in (("number", 5), ("number", True), ("day", dt.date(2024, 1, 1)), ("day", Timestamp(0))):
        with pytest.raises(ParameterTypeError):
            bind(cql, value)


def test_names_that_python_refuses_are_bound_by_position_or_mapping(
    types: Any, bind: Callable[[str, Any], Any]
) -> None:
    """A named tuple that the driver had to rename is taken by position."""
    odd = types.udt("odd", {"class": "int", "a b": "int", "fine": "int"})
    assert bind("odd", {"class": 1, "a b": 2}) == (1, 2, None)
    assert odd.tuple_type._fields != odd.fieldnames
    assert bind("odd", odd.tuple_type(1, 2, 3)) == (1, 2, 3)


def test_user_types_nest(types: Any, encode: Callable[[str, Any], bytes]) -> None:
    """User types stand in collections, tuples, vectors and each other."""
    types.udt("inner", {"n": "int"})
    types.udt("outer", {"i": "inner", "l": "list<inner>"})
    inner = _cells(_int(1))
    value = {"i": {"n": 1}, "l": [(1,), SimpleNamespace(n=1)]}
    data = _cells(inner, _int(2) + _cells(inner, inner))
    assert encode("outer", value) == data
    assert encode("map<int, outer>", {1: value}) == _int(1) + _cells(_int(1), data)
    assert encode("vector<inner, 1>", [{"n": 1}]) == bytes([len(inner)]) + inner
    assert encode("tuple<inner, int>", ({"n": 1}, None)) == _cells(inner, None)


def test_types_that_are_not_cqls_take_bytes(types: Any, bind: Callable[[str, Any], Any]) -> None:
    """A custom type is bound from its bytes, and from nothing that the driver would send as it is."""
    from cassandra.cqltypes import lookup_casstype

    types.udts["custom"] = lookup_casstype("org.example.CustomType")
    assert bind("custom", b"ab") == b"ab"
    for value in ("ab", 5, [1]):
        with pytest.raises(ParameterTypeError, match="expected bytes"):
            bind("custom", value)


# --- order ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cql", "values"),
    [
        ("set<int>", list(range(-5, 5))),
        ("set<text>", ["", "a", "ab", "b", "č", "\uffff", "🐎"]),
        ("set<double>", [float("-inf"), -1.0, -0.0, 0.0, 1.0, float("inf"), float("nan")]),
        ("set<inet>", ["9.0.0.1", "10.0.0.1", "::1", "2001:db8::1"]),
        ("set<frozen<tuple<int, text>>>", [(None, "z"), (0, None), (0, ""), (0, "a"), (1, None)]),
        ("set<frozen<list<int>>>", [[], [1], [1, 2], [2]]),
        ("set<frozen<map<int, int>>>", [{}, {1: 1}, {1: 1, 2: 0}, {1: 2}, {2: 0}]),
        ("set<timestamp>", [Timestamp(-(2**63)), dt.datetime(1969, 1, 1), dt.date(1970, 1, 1), 2**63 - 1]),
    ],
)
def test_sets_and_maps_are_sent_in_one_order(
    encode: Callable[[str, Any], bytes], cql: str, values: Sequence[Any]
) -> None:
    """However a set is ordered, its bytes are the same: inside a tuple, the server takes them as they come.

    What the order is, the tests against a real server tell; `inet` is by its bytes.
    """
    wrapped = f"tuple<{cql}, int>"
    of_keys = f"tuple<map<{cql[4:-1]}, int>, int>"
    expected = encode(wrapped, (values, 1))
    expected_map = encode(of_keys, ([(value, 1) for value in values], 1))
    rng = random.Random(3)
    for _ in range(20):
        shuffled = rng.sample(values, len(values))
        assert encode(wrapped, (shuffled, 1)) == expected
        assert encode(wrapped, (shuffled + shuffled[:1], 1)) == expected
        assert encode(of_keys, ([(value, 1) for value in shuffled], 1)) == expected_map


@pytest.mark.parametrize(
    ("cql", "values"),
    [
        ("set<int>", [-5, 0, 7]),
        ("set<text>", ["", "B", "a", "č", "\uffff", "🐎"]),
        ("set<blob>", [b"", b"\x00", b"\x00\x01", b"\x7f", b"\xff"]),
        ("set<boolean>", [False, True]),
        ("set<frozen<list<int>>>", [[], [1], [1, 2], [2]]),
        ("set<frozen<tuple<int, text>>>", [(None, "z"), (0, None), (0, "a"), (1, None)]),
    ],
)
def test_the_order_is_the_types_own(bind: Callable[[str, Any], Any], cql: str, values: list[Any]) -> None:
    """Numbers sort by value, text by code point, blobs by byte, nulls first."""
    assert [tuple(v) if isinstance(v, list) else v for v in bind(cql, values[::-1])] == [
        tuple(v) if isinstance(v, list) else v for v in values
    ]
