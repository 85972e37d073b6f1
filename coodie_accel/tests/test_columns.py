"""The accelerator's columns: their buffers, what makes objects of a column, and what is an error."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
from tests.fuzz.cells import joined

if TYPE_CHECKING:
    from collections.abc import Sequence

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")

_BEFORE = 10


def _body(rows: Sequence[Sequence[bytes | None]]) -> bytes:
    return bytes(_BEFORE) + joined([cell for row in rows for cell in row])


def _decoder(form: Any = "int", kind: Any = "int", other: Any = None) -> Any:
    return native.ColumnDecoder(("a", "b"), (kind, "text"), (other, None), (form, "text"))


def test_an_odd_value_affects_its_column_only() -> None:
    """The column of a value of another size is a list of objects; the others are filled."""
    decoder = _decoder(other=lambda data: ("odd", data))
    rows: list[list[bytes | None]] = [[pack(">i", 1), b"x"], [b"abc", None], [None, b"yz"]]
    odd, (length, nulls, (valid, *buffers), parts) = decoder.decode(_body(rows), _BEFORE, 3)
    assert odd == [1, ("odd", b"abc"), None]
    assert (length, nulls, parts) == (3, 1, ())
    assert valid[0] & 0b111 == 0b101
    assert buffers == [pack("=4i", 0, 1, 1, 3), b"xyz"]


def _nested(form: Any, cells: Sequence[bytes | None]) -> Any:
    """Return a column of a form, whose values are never objects."""
    decoder = native.ColumnDecoder(("a",), ("blob",), (None,), (form,))
    (found,) = decoder.decode(_body([[cell] for cell in cells]), _BEFORE, len(cells))
    return found


def _listed(*cells: bytes | None) -> bytes:
    return pack(">i", len(cells)) + joined(cells)


def test_a_list_is_filled() -> None:
    """Its buffers grow with the elements, whatever the number of rows; a null list has none."""
    numbers = [pack(">i", number) for number in range(1000)]
    offsets = pack("=4i", 0, 1000, 1000, 1000)
    elements = (1000, 0, (None, pack("=1000i", *range(1000))), ())
    found = _nested(("list", "int"), [_listed(*numbers), None, _listed()])
    assert found == (3, 1, (found[2][0], offsets), (elements,))
    assert found[2][0][0] & 0b111 == 0b101


def test_a_map_is_filled() -> None:
    """Its keys and values are a struct's fields."""
    cells = [pack(">i", 2) + joined([b"k", b"\x01", b"l", b"\x00"]), pack(">i", 0)]
    keys = (2, 0, (None, pack("=3i", 0, 1, 2), b"kl"), ())
    values = (2, 0, (None, b"\x01"), ())
    entries = (2, 0, (None,), (keys, values))
    assert _nested(("map", "text", "boolean"), cells) == (2, 0, (None, pack("=3i", 0, 2, 2)), (entries,))


def test_a_struct_is_filled() -> None:
    """Its fields may be null or missing; those of a null struct are null."""
    cells = [joined([b"\x07", b"x"]), None, joined([None]), joined([b"\x08"])]
    length, nulls, (valid,), (numbers, texts) = _nested(("struct", "tinyint", "text"), cells)
    assert (length, nulls, valid[0] & 0b1111) == (4, 1, 0b1101)
    assert (numbers[0], numbers[1], numbers[2][0][0] & 0b1111) == (4, 2, 0b1001)
    assert numbers[2][1] == b"\x07\x00\x00\x08"
    assert (texts[0], texts[1], texts[2][0][0] & 0b1111, texts[2][2]) == (4, 3, 0b0001, b"x")


def test_bitmaps_grow() -> None:
    """Nulls and booleans stay where they are when there is room for more."""
    flags = [None if number % 3 == 0 else number % 2 for number in range(100)]
    cells = [joined([None if flag is None else bytes([flag])]) for flag in flags]
    (column,) = _nested(("struct", "boolean"), cells)[3]
    valid, values = [int.from_bytes(buffer, "little") for buffer in column[2]]
    assert [valid >> number & 1 for number in range(100)] == [flag is not None for flag in flags]
    assert [values >> number & 1 for number in range(100)] == [flag or 0 for flag in flags]


@pytest.mark.parametrize(
    ("form", "cell"),
    [
        (("list", "int"), _listed(None)),
        (("list", "int"), _listed(b"abc")),
        (("list", "int"), pack(">i", 2) + joined([bytes(4)])),
        (("list", "text"), _listed(b"\xff")),
        (("map", "int", "int"), pack(">i", 1) + joined([bytes(4)])),
        (("map", "int", "int"), pack(">i", 1) + joined([bytes(4), None])),
        (("struct", "int"), b""),
        (("struct", "int", "int"), joined([bytes(4)]) + b"ab"),
        (("struct", ("list", "time")), joined([_listed(b"\xff" * 8)])),
    ],
)
def test_an_odd_part_makes_objects_of_its_column(form: Any, cell: bytes) -> None:
    """A null, an element of another size, or whatever is missing."""
    assert _nested(form, [cell, None]) == [cell, None]


def test_a_broken_result() -> None:
    """Whatever ends too early, or has more rows than fit, is an error and no crash."""
    body = _body([[pack(">i", 1), b"text"]])
    for end in range(_BEFORE, len(body)):
        with pytest.raises(ValueError, match=r"ends inside of|can't be in"):
            _decoder().decode(body[:end], _BEFORE, 1)
    for start, rows in [(-1, 1), (len(body) + 1, 1), (_BEFORE, -1), (_BEFORE, 2**60)]:
        with pytest.raises(ValueError, match=r"There are no|can't be in"):
            _decoder().decode(body, start, rows)


def test_nulls_of_large_vectors_are_not_allocated() -> None:
    """A result of nulls takes no more memory than a few times its bytes."""
    form = ("vector", "double", 60_000)
    kind = ("vector", (("double", None),), (60_000, 8, None))
    vectors, _ = _decoder(form, kind).decode(_body([[None, None]] * 5000), _BEFORE, 5000)
    assert vectors == [None] * 5000


def test_nulls_inside_of_structs_are_bounded() -> None:
    """Missing fields take no bytes of a result: where they would take too much, there are objects."""
    form = ("struct", "int", *[("vector", "double", 60_000)] * 20)
    assert _nested(form, [joined([bytes(4)])] * 100) == [joined([bytes(4)])] * 100


@pytest.mark.parametrize(
    "form",
    [
        *(
            "list",
            "date ",
            5,
            (),
            ("decimal",),
            ("vector", "text", 2),
            ("vector", "int", 0),
            ("vector", "int"),
        ),
        *(
            ("list",),
            ("list", "int", "int"),
            ("map", "int"),
            ("struct",),
            ("struct", "int", "other"),
            ("udt", "int"),
        ),
        ("list", None),
    ],
)
def test_a_form_that_is_not_known(form: Any) -> None:
    """A mistake in the arguments is an error, not a wrong column."""
    with pytest.raises((TypeError, ValueError)):
        _decoder(form)
