"""Answers are cut out of bytes as coodie cuts them without the accelerator, whatever the bytes are."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coodie.protocol.frames import Frame, _cut

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")

_V5 = 0x85


def _answer(stream: int, flags: int, opcode: int, body: bytes) -> bytes:
    return pack(">BBhBi", _V5, flags, stream, opcode, len(body)) + body


_ANSWERS = st.lists(
    st.builds(
        _answer,
        st.integers(-32_768, 32_767),
        st.sampled_from([0, 0, 1, 8, 255]),
        st.sampled_from([8, 8, 0, 255]),
        st.binary(max_size=30),
    ),
    max_size=5,
)


def _outcome(cut: Any, *arguments: Any) -> Any:
    try:
        found, at = cut(*arguments)
    except ValueError:
        return ValueError
    return [(stream, answer, type(answer)) for stream, answer in found], at


@given(answers=_ANSWERS, rest=st.binary(max_size=20))
@example(answers=[], rest=b"\x85\0\0\0\x08\x10\0\0\0")
@example(answers=[], rest=b"\x85\0\0\0\x08\x10\0\0\1")
@example(answers=[], rest=b"\x85\0\0\0\x08\xff\xff\xff\xff")
def test_as_without_it(answers: list[bytes], rest: bytes) -> None:
    """The same answers, the same place for the next, and an error for the same bytes, wherever they end."""
    data = b"".join(answers)
    for piece in (data + rest, data + rest[:5], data[:-1], data[1:]):
        assert _outcome(native.cut_answers, piece, _V5, Frame) == _outcome(_cut, piece, _V5)


@given(st.binary(max_size=60))
def test_noise(data: bytes) -> None:
    """Bytes that never were an answer are refused, or waited with."""
    assert _outcome(native.cut_answers, data, _V5, Frame) == _outcome(_cut, data, _V5)


def test_what_makes_the_unusual_fails() -> None:
    """Its error comes through."""

    def make(flags: int, opcode: int, body: bytes) -> Any:
        raise LookupError(flags, opcode, body)

    with pytest.raises(LookupError) as caught:
        native.cut_answers(_answer(1, 0, 8, b"fine") + _answer(2, 3, 4, b"body"), _V5, make)
    assert caught.value.args == (3, 4, b"body")


@pytest.mark.parametrize(
    "arguments",
    [(None, _V5, Frame), (bytearray(9), _V5, Frame), (b"", None, Frame), (b"", _V5, None), (b"", _V5)],
)
def test_wrong_arguments(arguments: Any) -> None:
    """What could change while it is read is refused, and what makes no sense."""
    with pytest.raises(TypeError):
        native.cut_answers(*arguments)
