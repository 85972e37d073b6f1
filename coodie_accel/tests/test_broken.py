"""Broken frames and wrong arguments end in an error, never in a crash, and nothing of them is kept."""

from __future__ import annotations

import gc
import random
import sys
import tracemalloc
from struct import pack
from typing import Any
from uuid import SafeUUID, uuid4

import pytest

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")

_KINDS = {
    "tinyint": b"\x80",
    "smallint": b"\x80\0",
    "int": b"\0\0\0\1",
    "bigint": bytes(8),
    "counter": bytes(8),
    "boolean": b"\1",
    "float": bytes(4),
    "double": bytes(8),
    "text": "naïve".encode(),
    "ascii": b"ascii",
    "blob": b"\xff",
    "uuid": uuid4().bytes,
    "timeuuid": bytes(16),
    "date": b"\x80\0\0\0",
    "timestamp": bytes(8),
    "timestamp_aware": bytes(8),
    "decimal": b"\0\0\0\2\x05",
    "varint": b"\xff" * 9,
    "time": bytes(8),
    "inet": b"\x7f\0\0\1",
    "list": b"others",
}

#: Types made of others, in each form: what they are made of is what ``_KINDS`` has, or another.
_INT, _TEXT = ("int", None), ("text", None)
_MADE: dict[str, tuple[Any, bytes]] = {
    "ints": (("list", (_INT,), None), pack(">iiiii", 2, 4, 1, 4, 2)),
    "set": (("list", (_TEXT,), frozenset), pack(">ii", 1, 1) + b"a"),
    "map": (("map", (_TEXT, _INT), None), pack(">ii", 1, 1) + b"a" + pack(">ii", 4, 1)),
    "pairs": (("map", (_INT, _TEXT), tuple), pack(">iiii", 1, 4, 1, 0)),
    "vector": (("vector", (("float", None),), (2, 4, None)), bytes(8)),
    "uuids": (("vector", (("uuid", None),), (2, 16, tuple)), bytes(32)),
    "tuple": (("tuple", (_INT, _TEXT), None), pack(">iii", 4, 1, -1)),
    "record": (("record", (_INT, _TEXT), ("a", "b")), pack(">ii", 4, 1)),
    "duration": (("duration", (), lambda *parts: parts), b"\x02\x81\0\xff" + bytes(8)),
}
_ROWS = 3
_NAMES = (*_KINDS, *_MADE)
_CELLS = (*_KINDS.values(), *[cell for _, cell in _MADE.values()])
_BODY = b"".join([pack(">i", len(cell)) + cell for cell in _CELLS]) * _ROWS


def _decoder() -> Any:
    others = [None if kind != "list" else bytes for kind in _NAMES]
    kinds = (*_KINDS, *[kind for kind, _ in _MADE.values()])
    return native.RowDecoder(_NAMES, kinds, tuple(others))


def _attempt(decoder: Any, body: bytes, start: int, rows: int) -> list[dict[str, Any]] | None:
    """Return rows, or None for what is allowed besides."""
    try:
        made = decoder.decode(body, start, rows)
    except ValueError:
        return None
    assert len(made) == rows
    for row in made:
        assert list(row) == list(_NAMES)
        repr(row)  # every value is whole
    return made  # type: ignore[no-any-return]  # from an untyped module


def test_every_end() -> None:
    """Wherever a frame is cut off, there is a ValueError."""
    decoder = _decoder()
    assert _attempt(decoder, _BODY, 0, _ROWS) is not None
    for end in range(len(_BODY)):
        assert _attempt(decoder, _BODY[:end], 0, _ROWS) is None


def test_mutations() -> None:
    """Bytes changed anywhere, pieces cut out and put in: rows or a ValueError."""
    decoder, chance = _decoder(), random.Random(8)
    outcomes = set()
    for _ in range(10_000):
        body = bytearray(_BODY)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(body))
            match chance.randrange(4):
                case 0:
                    body[at] = chance.randrange(256)
                case 1:
                    del body[at : at + chance.randrange(1, 9)]
                case 2:
                    body[at:at] = chance.randbytes(chance.randrange(1, 9))
                case _:
                    lengths = (-1, -(2**31), 2**31 - 1, 0, 1)
                    body[at : at + 4] = pack(">i", chance.choice(lengths))
            if not body:
                break
        outcomes.add(_attempt(decoder, bytes(body), 0, _ROWS) is None)
    assert outcomes == {True, False}


def test_noise() -> None:
    """Bytes that never were a frame, read from anywhere, are rows or a ValueError."""
    decoder, chance = _decoder(), random.Random(9)
    for _ in range(10_000):
        body = chance.randbytes(chance.randrange(200))
        _attempt(decoder, body, chance.randrange(-5, 210), chance.randrange(-2, 5))


@pytest.mark.parametrize("rows", [-1, -(2**63), 2**31, 2**63 - 1])
def test_absurd_numbers_of_rows(rows: int) -> None:
    """They are refused before room is made for them."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="rows"):
            _decoder().decode(_BODY, 0, rows)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("start", [-1, len(_BODY) + 1, 2**63 - 1, -(2**63)])
def test_absurd_starts(start: int) -> None:
    """They are outside, and that is said."""
    with pytest.raises(ValueError, match="There are no 1 rows at byte"):
        _decoder().decode(_BODY, start, 1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (((), (), ()), ValueError),
        ((("a",), ("int", "int"), (None,)), ValueError),
        ((("a",), ("int",), ()), ValueError),
        ((("a",), ("list",), (None,)), ValueError),
        (((1,), ("int",), (None,)), TypeError),
        ((("a",), ("int",), (1,)), TypeError),
        ((["a"], ("int",), (None,)), TypeError),
        ((None, None, None), TypeError),
        ((("a",), ([],), (None,)), TypeError),
        ((("a",), ("int",), (None,), None), TypeError),
        ((("a",), ("int",), (None,), 1), TypeError),
        ((), TypeError),
        *[
            ((("a",), (kind,), (None,)), error)
            for kind, error in [
                (("list",), TypeError),
                (("list", (_INT,)), TypeError),
                (("list", [_INT], None), TypeError),
                (("list", (), None), ValueError),
                (("list", (_INT, _INT), None), ValueError),
                (("list", (_INT,), 1), TypeError),
                (("list", ("int",), None), ValueError),
                (("list", (("strange", None),), None), ValueError),
                (("list", (("int", 1),), None), TypeError),
                (("list", (None,), None), TypeError),
                (("map", (_INT,), None), ValueError),
                (("vector", (_INT,), None), TypeError),
                (("vector", (_INT,), (0, 4, None)), ValueError),
                (("vector", (_INT,), (1, 0, None)), ValueError),
                (("vector", (_INT,), (1, 4, 1)), TypeError),
                (("record", (_INT,), None), TypeError),
                (("record", (_INT,), ("a", "b")), TypeError),
                (("record", (_INT,), (1,)), TypeError),
                (("tuple", (), None), ValueError),
                (("duration", (), None), TypeError),
                (("strange", (_INT,), None), ValueError),
            ]
        ],
    ],
)
def test_wrong_arguments(arguments: Any, error: type[Exception]) -> None:
    """A decoder that couldn't work isn't made."""
    with pytest.raises(error):
        native.RowDecoder(*arguments)


@pytest.mark.parametrize("body", [None, "x", bytearray(4), memoryview(b"\0\0\0\0")])
def test_a_body_is_bytes(body: Any) -> None:
    """What could change while it is read is refused."""
    with pytest.raises(TypeError):
        _decoder().decode(body, 0, 0)


def test_errors_of_other_decoders_come_through() -> None:
    """They know best what is wrong, and a later call works as before."""

    def other(data: bytes) -> Any:
        raise LookupError(data)

    decoder = native.RowDecoder(("a", "b"), ("int", "list"), (other, other))
    with pytest.raises(LookupError):
        decoder.decode(pack(">i", -1) + pack(">i", 1) + b"x", 0, 1)
    with pytest.raises(LookupError):
        decoder.decode(pack(">i", 1) + b"x" + pack(">i", -1), 0, 1)
    assert decoder.decode(pack(">ii", -1, -1), 0, 1) == [{"a": None, "b": None}]


def test_rows_go_where_they_are_to_go() -> None:
    """A list of another kind holds them; what isn't a list is refused before any row is read."""

    class Many(list[Any]):
        pass

    made = native.RowDecoder(("a",), ("int",), (None,), Many).decode(pack(">ii", -1, -1), 0, 2)
    assert type(made) is Many
    assert made == [{"a": None}, {"a": None}]
    with pytest.raises(TypeError, match="must be a list, found tuple"):
        native.RowDecoder(("a",), ("int",), (None,), tuple).decode(pack(">i", -1), 0, 1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (((1,), "bytes"), TypeError),
        ((("0",), None), TypeError),
        (((True,), None), TypeError),
        (((-1,), None), ValueError),
        (((2,), None), ValueError),
        (([0], None), TypeError),
    ],
)
def test_wrong_keys(arguments: Any, error: type[Exception]) -> None:
    """An encoder that would overlook a key isn't made."""
    with pytest.raises(error):
        native.ParameterEncoder(("int", "int"), (bytes, bytes), *arguments)


def test_nothing_is_kept() -> None:
    """After a million values, broken frames and refused parameters there is no more memory in use."""
    decoder = _decoder()
    many = 4000
    body = _BODY[: len(_BODY) // _ROWS] * many
    values = [1, 0.5, "ä" * 50, uuid4(), b"x" * 200, None, True, 2**40]
    kinds = ("int", "double", "text", "uuid", "blob", "int", "boolean", "list")
    encoder = native.ParameterEncoder(kinds, (lambda _: b"other",) * len(kinds))
    answers = b"".join([pack(">BBhBi", 0x85, n % 2, n, 8, 300) + bytes(300) for n in range(100)])
    refusing = native.ParameterEncoder(kinds, ({}.__getitem__,) * len(kinds))

    def work(times: int) -> None:
        for _ in range(times):
            decoder.decode(body, 0, many)
            native.cut_answers(answers, 0x85, lambda *parts: parts)
            for cut in range(1, 400, 7):
                _attempt(decoder, body[:cut], 0, many // 1000)
                encoder.encode(values)
                with pytest.raises(KeyError):
                    refusing.encode(values)
                with pytest.raises(ValueError, match="parameters"):
                    encoder.encode(values[1:])
            native.RowDecoder(("a",), ("int",), (None,))

    def used() -> tuple[int, int]:
        gc.collect()
        return tracemalloc.get_traced_memory()[0], sys.getrefcount(SafeUUID.unknown)

    work(1)
    tracemalloc.start()
    try:
        work(1)
        memory, references = used()
        work(8)
        assert used()[0] - memory < 50_000
        assert used()[1] - references < 100
    finally:
        tracemalloc.stop()
