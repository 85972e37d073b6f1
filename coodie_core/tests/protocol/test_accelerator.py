"""Whether an accelerator that is there is taken."""

from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import coodie
from coodie.protocol._accelerator import accelerator

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Let each test, and those after them, look anew."""
    accelerator.cache_clear()
    yield
    accelerator.cache_clear()


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give a module in the accelerator's place, which has nothing."""
    module = ModuleType("coodie_accel")
    monkeypatch.setitem(sys.modules, "coodie_accel", module)
    return module


def test_one_of_our_version_is_taken(module: ModuleType) -> None:
    """Who installs it needs no setting."""
    vars(module).update(RowStream=print, __version__=coodie.__version__)
    assert accelerator() is module


def test_none_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It's never required."""
    monkeypatch.setitem(sys.modules, "coodie_accel", None)
    assert accelerator() is None


def test_a_directory_isn_t_taken_for_it(module: ModuleType) -> None:
    """In a checkout, the directory coodie_accel can be imported, and there is nothing in it."""
    assert accelerator() is None


def test_another_version_is_told(module: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    """One that may not fit is left alone, and the log says what to do."""
    vars(module).update(RowStream=print, __version__="0.0.9")
    with caplog.at_level(logging.WARNING):
        assert accelerator() is None
    assert "coodie-accel 0.0.9 isn't used" in caplog.text
    assert "install the same version of both" in caplog.text
