"""Paging states that can be handed out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coodie.exceptions import PagingStateError
from coodie.paging import open_paging_state, seal_paging_state

STMT = "SELECT * FROM ks.t"


@given(st.binary(min_size=1, max_size=300), st.text())
def test_round_trip(state: bytes, stmt: str) -> None:
    """Whatever the server gave comes back, for any statement."""
    assert open_paging_state(seal_paging_state(state, stmt), stmt) == state


@given(st.binary(min_size=1, max_size=60), st.data())
def test_one_byte_changed(state: bytes, data: st.DataObject) -> None:
    """A sealed state with any one byte changed is refused."""
    sealed = bytearray(seal_paging_state(state, STMT))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(PagingStateError):
        open_paging_state(bytes(sealed), STMT)


def test_cut_or_longer() -> None:
    """A sealed state cut anywhere, or with anything added, is refused."""
    sealed = seal_paging_state(b"0123456789", STMT)
    for wrong in [sealed[:end] for end in range(len(sealed))] + [sealed + b"x", b"x" + sealed]:
        with pytest.raises(PagingStateError) as caught:
            open_paging_state(wrong, STMT)
        assert caught.value.statement == STMT
        assert "Rows.paging_state" in str(caught.value)


def test_of_another_statement() -> None:
    """A state is refused with any other text than its statement's, to the letter."""
    sealed = seal_paging_state(b"state", STMT)
    for other in (STMT + " ", STMT.lower(), ""):
        with pytest.raises(PagingStateError, match="another statement"):
            open_paging_state(sealed, other)


def test_text_and_state_do_not_run_into_each_other() -> None:
    """Moving bytes from the statement's end to the state's beginning is noticed."""
    sealed = seal_paging_state(b"bstate", "a")
    with pytest.raises(PagingStateError):
        open_paging_state(sealed[:12] + b"state", "ab")


def test_raw_state() -> None:
    """A raw state of the server's is refused with the way to let it in."""
    with pytest.raises(PagingStateError, match=r"coodie\.paging\.seal_paging_state"):
        open_paging_state(b"a raw state of the server's", STMT)


@pytest.mark.parametrize("wrong", [b"", "text", None, bytearray(b"x"), 5])
def test_nothing_else_can_be_sealed_or_opened(wrong: Any) -> None:
    """What isn't non-empty bytes is refused on both ways."""
    with pytest.raises(PagingStateError):
        seal_paging_state(wrong, STMT)
    with pytest.raises(PagingStateError):
        open_paging_state(wrong, STMT)
