"""Vectors of numbers, as a whole: what the driver's class makes of them, element after element."""

from __future__ import annotations

import math
from array import array
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
from cassandra.cqltypes import VectorType
from coodie_core.tests.cassandra.conftest import Types
from hypothesis import given, settings
from hypothesis import strategies as st

from coodie.drivers.cassandra.values import collections
from coodie.drivers.cassandra.values.vectors import number_binder, vector_type
from coodie.drivers.client.values.problems import BindingError

if TYPE_CHECKING:
    from collections.abc import Callable

types = Types()

_ELEMENTS = ("float", "double", "int", "bigint", "smallint", "text", "timestamp", "boolean")

#: What may be given for an element, rightly or not.
_ANY = st.one_of(
    st.floats(),
    st.floats(width=32),
    st.integers(-(2**66), 2**66),
    st.integers(-9, 9),
    st.booleans(),
    st.none(),
    st.decimals(),
    st.text(max_size=2),
)


def _outcome(call: Callable[[], Any]) -> Any:
    """Return what comes of a call: the value, or the error in full."""
    try:
        return call()
    except BindingError as exc:
        return BindingError, str(exc), exc.hint, exc.value_type, exc.path
    except Exception as exc:  # noqa: BLE001 - whatever the driver's class raises
        return type(exc), str(exc)


def _exactly(value: Any) -> Any:
    """Tell apart what could differ: types, the bits of a nan, the sign of a zero."""
    if not isinstance(value, (list, array)):
        return value
    return [(type(one), pack(">d", one) if type(one) is float else one) for one in value]


@settings(max_examples=150, deadline=None)
@given(element=st.sampled_from(_ELEMENTS), size=st.integers(1, 5), data=st.data())
def test_decoded_as_by_the_driver(element: str, size: int, data: st.DataObject) -> None:
    """Any bits, also too many or too few of them: the same values of the same types, or the same error."""
    ours = vector_type(types(element), size)
    theirs = VectorType.apply_parameters((types(element), size), None)
    length = size * (ours.subtype.serial_size() or 3)
    cell = data.draw(st.binary(min_size=length, max_size=length) | st.binary(max_size=48))
    expected = _outcome(lambda: theirs.deserialize(cell, 5))
    assert _exactly(_outcome(lambda: ours.deserialize(cell, 5))) == _exactly(expected)


@settings(max_examples=250, deadline=None)
@given(element=st.sampled_from(_ELEMENTS), size=st.integers(1, 4), data=st.data())
def test_bound_and_encoded_as_one_by_one(element: str, size: int, data: st.DataObject) -> None:
    """Whatever is given, in whatever holds it: the same bytes, or the same error of the same element."""
    typ = vector_type(types(element), size)
    value = data.draw(st.lists(_ANY, min_size=size, max_size=size) | st.lists(_ANY, max_size=5))
    if data.draw(st.booleans()):
        value = tuple(value)  # type: ignore[assignment]
    elif data.draw(st.booleans()) and all(type(one) is float for one in value):
        value = array(data.draw(st.sampled_from("fd")), value)  # type: ignore[assignment]
    theirs = VectorType.apply_parameters((types(element), size), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collections, "number_binder", lambda *_: None)
        one_by_one = collections.binder(typ)
    expected = _outcome(lambda: theirs.serialize(one_by_one(value), 5))
    assert _outcome(lambda: typ.serialize(collections.binder(typ)(value), 5)) == expected


def test_a_number_that_rounds_beyond_the_largest_float() -> None:
    """Half a step above the largest float is out of range, and what is just below it becomes that."""
    typ = vector_type(types("float"), 2)
    bind = collections.binder(typ)
    limit = (2 - 2**-24) * 2.0**127
    largest = b"\x7f\x7f\xff\xff"
    assert typ.serialize(bind([math.nextafter(limit, 0), 0.0]), 5) == largest + bytes(4)
    with pytest.raises(BindingError, match="out of range"):
        bind([0.0, limit])


class _Masked(array):  # type: ignore[type-arg]
    """An array that shows other elements than its buffer has, as numpy's masked ones do."""

    def __iter__(self) -> Any:
        return iter([None] * len(self))


def test_an_array_that_hides_elements() -> None:
    """What iterating gives is what counts."""
    with pytest.raises(BindingError, match="got None"):
        collections.binder(vector_type(types("float"), 2))(_Masked("f", [1.0, 2.0]))


@pytest.mark.parametrize("letter", ["f", "d", "i"])
@pytest.mark.parametrize("module", ["numpy", "other"])
def test_numpy(module: str, letter: str) -> None:
    """An array of numpy's floats is taken as a whole, whatever their size; others one by one."""
    seen = []

    class ndarray(array):  # type: ignore[type-arg]  # noqa: N801 - numpy's name
        def __iter__(self) -> Any:
            seen.append(True)
            return super().__iter__()

    ndarray.__module__, ndarray.__qualname__ = module, "ndarray"
    typ = vector_type(types("float"), 2)
    assert typ.serialize(collections.binder(typ)(ndarray(letter, [1, -2])), 5) == pack(">ff", 1, -2)
    assert bool(seen) is (module == "other" or letter == "i")


def test_an_array_stays_the_callers() -> None:
    """What is sent is a copy, in the protocol's order of bytes."""
    given_array = array("f", [1.0, 2.0])
    typ = vector_type(types("float"), 2)
    bound = collections.binder(typ)(given_array)
    assert typ.serialize(bound, 5) == typ.serialize(bound, 5) == pack(">ff", 1, 2)
    assert given_array.tolist() == [1.0, 2.0]


def test_numpy_int64() -> None:
    """An array of C's longs, as numpy's int64, is taken as a whole, too."""
    bind = number_binder(types("bigint"), 2)
    assert bind is not None
    assert bind(array("l", [1, -2])) == array("q", [1, -2])
    of_floats = number_binder(types("double"), 2)
    assert of_floats is not None
    assert of_floats(array("l", [1, -2])) is None  # one by one, as a list


@pytest.mark.parametrize("letter", ["f", "d", "i", "H"])
def test_a_memoryview(letter: str) -> None:
    """A memoryview of numbers is taken as an array is, also one that skips elements."""
    given_view = memoryview(array(letter, [1, 5, 2]))[::2]
    for element, code in (("float", "f"), ("double", "d")):
        typ = vector_type(types(element), 2)
        assert typ.serialize(collections.binder(typ)(given_view), 5) == pack(f">2{code}", 1, 2)


@pytest.mark.parametrize(
    "view",
    [memoryview(bytes(8)), memoryview(bytes(8)).cast("f", [2, 1]), memoryview(bytes(2)).cast("c")],
    ids=["bytes", "matrix", "characters"],
)
def test_a_memoryview_of_something_else(view: memoryview) -> None:
    """Bytes are no numbers, and a matrix is no vector."""
    with pytest.raises(BindingError, match="an array or memoryview of numbers, got memoryview") as caught:
        collections.binder(vector_type(types("float"), len(view)))(view)
    assert caught.value.hint == "Give its numbers: value.cast('f')."
