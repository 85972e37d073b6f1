"""What the kit requires of a call that is interrupted."""

from __future__ import annotations

import time

import pytest

from coodie_testing import interrupts
from coodie_testing.interrupts import Interrupting


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send interrupts at once."""
    monkeypatch.setattr(interrupts, "_FIRST", 0.05)
    monkeypatch.setattr(interrupts, "_NEXT", 0.2)


def test_a_call_that_ends_at_once() -> None:
    """One interrupt ends it."""
    with Interrupting(), pytest.raises(KeyboardInterrupt):
        time.sleep(30)


def test_a_call_that_ends_when_it_would_have_anyway() -> None:
    """A call that takes no notice of interrupts raises KeyboardInterrupt in the end, too."""
    with pytest.raises(AssertionError, match="went on for"), Interrupting(), pytest.raises(KeyboardInterrupt):
        ends = time.monotonic() + 0.7
        while time.monotonic() < ends:
            try:
                time.sleep(0.7)
            except KeyboardInterrupt:
                continue
        raise KeyboardInterrupt
