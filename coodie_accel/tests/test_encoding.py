"""Parameters written in C are the bytes that the driver writes; and the checksum is the driver's."""

from __future__ import annotations

from array import array
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from cassandra import cqltypes
from cassandra.protocol import ColumnMetadata, write_value
from cassandra.query import PreparedStatement
from cassandra.segment import compute_crc24
from hypothesis import given, settings
from hypothesis import strategies as st

from coodie import UNSET
from coodie.cql import inspect_statement
from coodie.drivers.cassandra._dependencies import Dependencies
from coodie.drivers.cassandra._prepared import SessionStatement
from coodie.drivers.cassandra.fastpath import encoder
from coodie.drivers.cassandra.values.binding import bind_values, binders
from coodie.exceptions import ParameterError

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")


class _Int(int):
    """A caller's own kind of number."""


def _integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)

#: Each type's values.
_VALUES: dict[Any, st.SearchStrategy[Any]] = {
    cqltypes.AsciiType: st.text(st.characters(max_codepoint=127), max_size=40),
    cqltypes.BooleanType: st.booleans(),
    cqltypes.ByteType: _integers(8),
    cqltypes.BytesType: st.binary(max_size=300),
    cqltypes.DoubleType: st.floats(),
    cqltypes.FloatType: st.floats(width=32),
    cqltypes.Int32Type: _integers(32),
    cqltypes.ListType.apply_parameters((cqltypes.Int32Type,)): st.lists(_integers(32), max_size=3),
    cqltypes.LongType: _integers(64),
    cqltypes.ShortType: _integers(16),
    cqltypes.UTF8Type: _texts,
    cqltypes.UUIDType: st.uuids(),
}
_TYPES = list(_VALUES)

_ODD: st.SearchStrategy[Any] = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-(2**70), 2**70).map(_Int),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.booleans(),
    st.just(UNSET),
    st.none(),
)


def _statement(types: list[Any], keys: list[int] | None = None) -> SessionStatement:
    columns = [ColumnMetadata("ks", "t", f"c{n}", typ) for n, typ in enumerate(types)]
    stmt = "INSERT INTO ks.t (…) VALUES (…)"
    prepared = PreparedStatement(columns, b"id", keys, stmt, "ks", 5, None, b"meta")
    return SessionStatement(
        stmt, prepared, inspect_statement(stmt), columns, binders(columns), Dependencies()
    )


def _by_driver(entry: SessionStatement, params: list[Any]) -> bytes:
    """Return what the driver writes of a bound statement."""
    keys = entry.prepared.routing_key_indexes
    values = bind_values(entry.columns, entry.binders, params, entry.prepared.query_string, key_indexes=keys)
    out = BytesIO()
    for value in entry.prepared.bind(values).values:
        write_value(out, value)
    return out.getvalue()


@settings(max_examples=100, deadline=None)
@given(data=st.data(), types=st.lists(st.sampled_from(_TYPES), min_size=1, max_size=8))
def test_the_bytes_are_the_drivers(data: st.DataObject, types: list[Any]) -> None:
    """For all types and values, nulls and UNSET; in a list and in a tuple."""
    entry = _statement(types)
    params = data.draw(st.tuples(*[_VALUES[typ] | st.none() | st.just(UNSET) for typ in types]))
    expected = _by_driver(entry, list(params))
    encode = encoder.encoder(entry)
    assert encode(params) == encode(list(params)) == expected


@settings(max_examples=100, deadline=None)
@given(data=st.data(), types=st.lists(st.sampled_from(_TYPES), min_size=1, max_size=4))
def test_refused_alike(data: st.DataObject, types: list[Any]) -> None:
    """A value of another type, out of range or missing in the key is told as without the accelerator."""
    entry = _statement(types, keys=[0])
    params = data.draw(st.tuples(*[_VALUES[typ] | _ODD for typ in types]).map(list))
    outcomes = []
    for encode in (encoder.encoder(entry), lambda given: _by_driver(entry, given)):
        try:
            outcomes.append(encode(params))
        except ParameterError as exc:
            outcomes.append(f"{type(exc)}: {exc}".encode())
    assert outcomes[0] == outcomes[1]


def test_the_common_values_are_written_here() -> None:
    """A value of exactly the usual type isn't handed on: the accelerator would gain nothing."""
    from uuid import uuid4

    usual: dict[str, Any] = {
        "ascii": "a",
        "bigint": 2**63 - 1,
        "blob": b"\xff",
        "boolean": True,
        "counter": -(2**63),
        "double": 0.1,
        "int": -(2**31),
        "smallint": 2**15 - 1,
        "text": "ä",
        "tinyint": -128,
        "uuid": uuid4(),
    }

    def refuse(value: Any) -> bytes:
        raise AssertionError(value)

    encoder = native.ParameterEncoder(tuple(usual), (refuse,) * len(usual))
    assert len(encoder.encode(list(usual.values()))) == 4 * 11 + 1 + 8 + 1 + 1 + 8 + 8 + 4 + 2 + 2 + 1 + 16


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", True),
        ("int", _Int(1)),
        ("int", 2**31),
        ("bigint", 2**200),
        ("tinyint", -129),
        ("smallint", 2**15),
        ("double", 1),
        ("text", "\ud800"),
        ("ascii", "ä"),
        ("blob", bytearray(b"x")),
        ("boolean", 1),
        ("uuid", "x"),
        ("timestamp", 1),
        ("", 1),
    ],
)
def test_the_rest_is_handed_on(kind: str, value: Any) -> None:
    """Whatever else is given goes to what knows it, and its bytes or its error come back."""
    seen: list[Any] = []

    def other(value: Any) -> bytes:
        seen.append(value)
        return b"other"

    encode = native.ParameterEncoder((kind,), (other,)).encode
    assert encode([value]) == b"\0\0\0\5other"
    assert seen[0] is value

    def refuse(value: Any) -> bytes:
        raise LookupError

    with pytest.raises(LookupError):
        native.ParameterEncoder((kind,), (refuse,)).encode((value,))


def test_a_list_that_changes_meanwhile() -> None:
    """What another encoder does to the list has no effect on what is read of it."""
    params: list[Any] = [object(), "b"]

    def clear(value: Any) -> bytes:
        params.clear()
        return b"a"

    encoder = native.ParameterEncoder(("", "text"), (clear, clear))
    assert encoder.encode(params) == b"\0\0\0\1a\0\0\0\1b"


@pytest.mark.parametrize("params", [[], [1, 2], ()])
def test_a_wrong_number(params: Any) -> None:
    """Each marker has its value."""
    with pytest.raises(ValueError, match="There are 1 markers"):
        native.ParameterEncoder(("int",), (str.encode,)).encode(params)


@pytest.mark.parametrize("params", [None, {"a": 1}, "a", iter([1])])
def test_neither_list_nor_tuple(params: Any) -> None:
    """Other containers are for others to read."""
    with pytest.raises(TypeError):
        native.ParameterEncoder(("int",), (str.encode,)).encode(params)


def test_null_in_a_key() -> None:
    """It's refused, or handed on as all that can't be encoded here; elsewhere a null is one."""
    assert native.ParameterEncoder(("int",) * 2, (bytes,) * 2, (1,)).encode([None, 1])[:4] == b"\xff" * 4
    with pytest.raises(ValueError, match="Marker 1 must not be null"):
        native.ParameterEncoder(("int",) * 2, (bytes,) * 2, (1,)).encode([1, None])


@pytest.mark.parametrize("params", [[1, None], [1], "text", None, [1, object()], [2**40, 1]])
def test_what_cannot_be_encoded_is_handed_on(params: Any) -> None:
    """All parameters, as they came; and whatever comes of that comes back."""
    seen = []

    def otherwise(values: Any) -> bytes:
        seen.append(values)
        return b"otherwise"

    nothing: dict[Any, bytes] = {}
    kinds, others = ("int", "int"), (nothing.__getitem__,) * 2
    assert native.ParameterEncoder(kinds, others, (1,), otherwise).encode(params) == b"otherwise"
    assert seen == [params]
    with pytest.raises(LookupError):
        native.ParameterEncoder(kinds, others, (1,), nothing.__getitem__).encode((1, None))


def test_another_encoder_that_returns_no_bytes() -> None:
    """It's told, and nothing is sent."""
    with pytest.raises(TypeError, match="must return bytes, found str"):
        native.ParameterEncoder(("list",), (str,)).encode([[]])


@given(data=st.binary(min_size=1, max_size=7))
def test_checksums(data: bytes) -> None:
    """Those of segments' headers are the driver's."""
    assert native.crc24(data) == compute_crc24(int.from_bytes(data, "little"), len(data))


class _List(list[float]):
    """A caller's own kind of list."""


#: Numbers by the type codes of arrays.
_NUMBERS: dict[str, st.SearchStrategy[Any]] = {
    "f": st.floats(width=32),
    "d": st.floats(),
    "i": _integers(32),
    "q": _integers(64),
}


@pytest.mark.parametrize("letter", _NUMBERS)
@given(data=st.data())
def test_packed_numbers(letter: str, data: st.DataObject) -> None:
    """The numbers of a vector are those of an array."""
    numbers = data.draw(st.lists(_NUMBERS[letter], max_size=5))
    expected = array(letter, numbers).tobytes()
    assert native.pack_numbers(numbers, letter, len(numbers)) == expected
    assert native.pack_numbers(tuple(numbers), letter, len(numbers)) == expected
    assert native.pack_numbers(numbers, letter, len(numbers) + 1) is None


@pytest.mark.parametrize(
    ("letter", "values"),
    [
        *[
            ("f", values)
            for values in ([1], [True], ["1"], [None], [1e39], _List([1.0]), {1.0}, "1", array("f", [1]))
        ],
        *[("d", values) for values in ([1], [Decimal(1)], 1.0)],
        *[("i", values) for values in ([2**31], [-(2**31) - 1], [2**70], [1.0], [True], [_Int(1)])],
        *[("q", values) for values in ([2**63], [-(2**63) - 1], [1.0])],
    ],
)
def test_numbers_that_are_not_packed(letter: str, values: Any) -> None:
    """Those of another type or out of range are bound one by one."""
    assert native.pack_numbers(values, letter, 1) is None
