"""Parameters and results of clients on objects of the standard library, by the types of a statement."""

from __future__ import annotations

import datetime as dt
from array import array
from decimal import Decimal
from enum import IntEnum
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid1

import pytest

from coodie.drivers.client.values.binding import STANDARD_SCALARS, ClientBinding, Parameters, rejected
from coodie.drivers.client.values.cqltypes import (
    CqlType,
    composed_type,
    scalar_type,
    user_type,
    vector_type,
)
from coodie.drivers.client.values.reading import converter
from coodie.exceptions import ParameterError, ParameterTypeError
from coodie.types import UNSET, Date, Duration, Time, Timestamp

#: A client without limits, and one with all of them.
ABLE = ClientBinding(STANDARD_SCALARS, make_set=list, has_null_parts=True, has_vectors=True)
UNABLE = ClientBinding(
    {"int": STANDARD_SCALARS["int"], "decimal": rejected("this client has no decimals")},
    make_set=set,
    has_null_parts=False,
    has_vectors=False,
)

INT, TEXT, FLOAT = map(scalar_type, ("int", "text", "float"))
POINT = user_type("point", {"x": INT, "label": TEXT})
TIME_ID = uuid1()
UTC = dt.timezone.utc


class Colour(IntEnum):
    """An int that isn't one exactly."""

    RED = 7


def bound(typ: CqlType, value: Any, binding: ClientBinding = ABLE) -> Any:
    """Return one bound value."""
    (found,) = Parameters(binding, [("c", typ)]).bind([value], "INSERT …")
    return found


@pytest.mark.parametrize(
    ("typ", "value", "wanted"),
    [
        (INT, Colour.RED, 7),
        (FLOAT, 1, 1.0),
        (scalar_type("decimal"), 3, Decimal(3)),
        (scalar_type("blob"), bytearray(b"a"), b"a"),
        (scalar_type("timeuuid"), TIME_ID, TIME_ID),
        (scalar_type("inet"), "2001:DB8::1", "2001:db8::1"),
        (scalar_type("date"), Date(1), dt.date(1970, 1, 2)),
        (scalar_type("date"), dt.date(2024, 2, 29), dt.date(2024, 2, 29)),
        (scalar_type("time"), Time(1_000), dt.time(0, 0, 0, 1)),
        (scalar_type("time"), dt.time(1, 2, 3, 4), dt.time(1, 2, 3, 4)),
        (scalar_type("timestamp"), 1, dt.datetime(1970, 1, 1, 0, 0, 0, 1_000, tzinfo=UTC)),
        (scalar_type("timestamp"), dt.date(1970, 1, 2), dt.datetime(1970, 1, 2, tzinfo=UTC)),
        (scalar_type("timestamp"), dt.datetime(1970, 1, 2), dt.datetime(1970, 1, 2, tzinfo=UTC)),
        (
            scalar_type("timestamp"),
            dt.datetime(1970, 1, 2, 2, 0, 0, 1_999, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            dt.datetime(1970, 1, 2, 0, 0, 0, 1_000, tzinfo=UTC),
        ),
        (scalar_type("duration"), Duration(1, 2, 3), Duration(1, 2, 3)),
        (composed_type("list", INT), (1, Colour.RED), [1, 7]),
        (composed_type("set", composed_type("list", INT)), [[1], (2,)], [[1], [2]]),
        (composed_type("map", TEXT, INT), {"a": 1}, {"a": 1}),
        (composed_type("map", TEXT, INT), [("a", 1)], {"a": 1}),
        (composed_type("tuple", INT, TEXT), [1, None], (1, None)),
        (vector_type(FLOAT, 2), (1, 2.5), [1.0, 2.5]),
        (vector_type(FLOAT, 2), memoryview(array("f", [1, 0, 2.5, 0]))[::2], [1.0, 2.5]),
        (POINT, {"x": 1}, {"x": 1, "label": None}),
        (POINT, (1, "a"), {"x": 1, "label": "a"}),
        (POINT, SimpleNamespace(x=1, label="a"), {"x": 1, "label": "a"}),
        (INT, None, None),
        (INT, UNSET, UNSET),
    ],
)
def test_bound_values(typ: CqlType, value: Any, wanted: Any) -> None:
    """The forms that all backends accept become the one that a client takes."""
    found = bound(typ, value)
    assert (found, type(found)) == (wanted, type(wanted))


@pytest.mark.parametrize(
    ("typ", "value", "problem"),
    [
        (INT, 2**31, r"\('c', int\): out of range"),
        (scalar_type("date"), Date(2**31 - 1), "years 1 to 9999"),
        (scalar_type("timestamp"), Timestamp(2**62), "years 1 to 9999"),
        (scalar_type("time"), Time(1), "nanoseconds"),
        (scalar_type("custom"), 1, "can't bind values of type custom"),
        (composed_type("map", TEXT, INT), [("a", 1), ("a", 2)], "two keys"),
        (composed_type("map", composed_type("list", INT), INT), [([1], 1)], "collections as keys"),
        (composed_type("tuple", INT, INT), (1,), "expected 2 values, got 1"),
        (vector_type(FLOAT, 2), [1.0], "expected 2 values, got 1"),
        (POINT, {"x": 1, "z": 2}, "no field 'z'"),
        (composed_type("list", INT), [2**31], r"\('c', list<int>\), in an element: out of range"),
    ],
)
def test_values_that_do_not_fit(typ: CqlType, value: Any, problem: str) -> None:
    """The error names the marker, its type and the place inside, and no value, also not in its cause."""
    with pytest.raises(ParameterError, match=problem) as caught:
        bound(typ, value)
    assert not isinstance(caught.value, ParameterTypeError)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("typ", "value"),
    [
        (INT, True),
        (INT, 1.5),
        (TEXT, 1),
        (scalar_type("boolean"), 1),
        (scalar_type("uuid"), str(UUID(int=1))),
        (scalar_type("date"), dt.datetime(2024, 1, 1)),
        (scalar_type("duration"), dt.timedelta(1)),
        (composed_type("list", INT), {1}),
        (composed_type("list", INT), "12"),
        (composed_type("set", INT), 1),
        (composed_type("map", TEXT, INT), ["ab"]),
        (composed_type("tuple", INT), 1),
        (vector_type(FLOAT, 2), b"ab"),
        (vector_type(FLOAT, 2), memoryview(b"ab")),
        (POINT, 1),
    ],
)
def test_values_of_wrong_types(typ: CqlType, value: Any) -> None:
    """The error has the column, its type in CQL and the value's type."""
    with pytest.raises(ParameterTypeError) as caught:
        bound(typ, value)
    assert (caught.value.column, caught.value.cql_type) == ("c", typ.text)
    assert caught.value.value_type == type(value).__name__


def test_nulls_in_collections() -> None:
    """CQL has none, so that clients never get one."""
    with pytest.raises(ParameterTypeError, match="in an element: got None"):
        bound(composed_type("list", INT), [None])


@pytest.mark.parametrize(
    ("typ", "value", "problem"),
    [
        (scalar_type("decimal"), Decimal(1), "no decimals"),
        (TEXT, "a", "can't bind values of type text"),
        (vector_type(INT, 1), [1], "can't bind values of type vector<int, 1>"),
        (composed_type("tuple", INT), (None,), "it contains a null"),
        (user_type("point", {"x": INT}), {}, "it contains a null"),
        (composed_type("set", composed_type("list", INT)), [[1]], "sets of collections"),
    ],
)
def test_limits_of_clients(typ: CqlType, value: Any, problem: str) -> None:
    """What a client can't encode is rejected before it is sent, and the hint names the way out."""
    with pytest.raises(ParameterError, match=problem) as caught:
        bound(typ, value, UNABLE)
    assert "another backend" in str(caught.value)


def test_values_that_raise() -> None:
    """The error of a value's own methods is the cause."""

    class Broken:
        def __index__(self) -> int:
            raise RuntimeError

    with pytest.raises(ParameterTypeError, match=r"reading the .*Broken raised RuntimeError") as caught:
        bound(INT, Broken())
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("typ", "value", "wanted"),
    [
        (composed_type("list", TEXT), ["1"], [1]),
        (composed_type("set", TEXT), {"1"}, {1}),
        (vector_type(TEXT, 1), ["1"], [1]),
        (composed_type("map", TEXT, INT), {"1": 2}, {1: 2}),
        (composed_type("map", INT, TEXT), {1: None}, {1: None}),
        (composed_type("tuple", TEXT, INT, TEXT), ("1", 2, None), (1, 2, None)),
        (POINT, {"x": 1, "label": "2"}, {"x": 1, "label": 2}),
    ],
)
def test_converted_results(typ: CqlType, value: Any, wanted: Any) -> None:
    """Values inside others are converted, and nulls stay."""
    convert = converter(typ, {"text": int})
    assert convert is not None
    assert convert(value) == wanted


def test_nothing_to_convert() -> None:
    """A type whose values are coodie's already has no converter."""
    assert converter(composed_type("map", INT, POINT), {"uuid": UUID}) is None


def test_types_in_cql() -> None:
    """The text of a type is that of CQL; ``has`` looks inside."""
    typ = composed_type("map", TEXT, composed_type("tuple", INT, vector_type(FLOAT, 3)))
    assert typ.text == "map<text, tuple<int, vector<float, 3>>>"
    assert typ.has(frozenset({"float"}))
    assert not typ.has(frozenset({"uuid"}))
