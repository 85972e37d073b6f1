"""Segments are sealed and opened as coodie does it without the accelerator, whatever the bytes are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coodie.protocol.errors import BrokenFrameError
from coodie.protocol.segments import MAX_PAYLOAD, Segments

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")


def _plain() -> Segments:
    """Make segments that are sealed and opened in Python."""
    segments = Segments()
    segments._compiled = None
    return segments


def _opened(data: bytes) -> Any:
    segments = _plain()
    try:
        payload = segments.feed(data)
    except BrokenFrameError as exc:
        return str(exc)
    return payload, len(data) - len(segments._rest)


def _opened_here(data: bytes) -> Any:
    try:
        return native.open_segments(data)
    except ValueError as exc:
        return str(exc)


@settings(deadline=None)  # machines may be busy
@given(payload=st.binary(max_size=300), alone=st.booleans())
def test_sealed_as_without_it(payload: bytes, alone: bool) -> None:
    """The same bytes."""
    assert native.seal_segment(payload, alone) == _plain()._segment(payload, alone=alone)


def test_the_longest() -> None:
    """What has no place in a segment is refused; what just has, isn't."""
    longest = bytes(MAX_PAYLOAD)
    assert _opened_here(native.seal_segment(longest, True)) == (longest, MAX_PAYLOAD + 10)
    with pytest.raises(ValueError, match="no room for 131072 bytes"):
        native.seal_segment(longest + b"1", True)


@settings(deadline=None)  # machines may be busy
@given(
    payloads=st.lists(st.binary(max_size=40), max_size=4),
    end=st.integers(0, 200),
    flip=st.tuples(st.integers(0, 199), st.integers(0, 255)),
)
def test_opened_as_without_it(payloads: list[bytes], end: int, flip: tuple[int, int]) -> None:
    """The same payloads up to the same place, or the same error, wherever the bytes end or are changed."""
    whole = b"".join(native.seal_segment(payload, True) for payload in payloads)
    changed = bytearray(whole)
    if flip[0] < len(changed):
        changed[flip[0]] ^= flip[1]
    for data in (whole, whole[:end], bytes(changed), bytes(changed[:end])):
        assert _opened_here(data) == _opened(data)


@pytest.mark.parametrize("arguments", [(None,), (bytearray(9),), ()])
def test_wrong_arguments(arguments: Any) -> None:
    """What could change while it is read is refused."""
    with pytest.raises(TypeError):
        native.open_segments(*arguments)
    with pytest.raises(TypeError):
        native.seal_segment(*arguments, True)
