"""Write timestamps of the fast path: those of the session's generator."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cassandra.timestamps import MonotonicTimestampGenerator

from coodie.drivers.cassandra.fastpath import dispatcher
from coodie.drivers.cassandra.fastpath.dispatcher import FastPath


def _stamp(generator: Any) -> int:
    path: Any = SimpleNamespace(_cluster=SimpleNamespace(timestamp_generator=generator))
    return FastPath.timestamps(path)


@pytest.mark.parametrize("moment", [0.0, 5.0, 2e9])
def test_they_rise_with_the_driver_s(moment: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the clock moves on, stands still or goes back, each is larger than all before."""
    monkeypatch.setattr(dispatcher, "time", lambda: moment)
    generator = MonotonicTimestampGenerator(warn_on_drift=False)
    stamps = [_stamp(generator) if number % 2 else generator() for number in range(6)]
    stamps.append(_stamp(generator))
    assert stamps == sorted(set(stamps))
    assert generator.last == stamps[-1]
    if moment == 2e9:
        assert stamps[1] == 2 * 10**15


def test_another_generator() -> None:
    """One's own is called, one that is derived from the driver's, too."""

    class Derived(MonotonicTimestampGenerator):  # type: ignore[misc]  # the drivers have no types
        def __call__(self) -> int:
            return 17

    assert _stamp(Derived()) == 17
    assert _stamp(lambda: 18) == 18
