"""The progress of a start."""

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING

from coodie_local._progress import LogProgress, TerminalProgress, default_progress

if TYPE_CHECKING:
    import pytest


class Terminal(io.StringIO):
    """A stream whose isatty() is true."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar shows the step's name, percentage and sizes, and is removed at the end."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    progress = default_progress()
    assert isinstance(progress, TerminalProgress)
    progress.begin("Downloading", 2_000_000)
    progress.advance(1_000_000)
    progress.begin("Starting", None)
    progress.end()
    progress.end()
    shown = screen.getvalue()
    assert "Downloading" in shown
    assert "1.0/2.0 MB" in shown
    assert "Starting" in shown
    assert shown.endswith("\x1b[2K")


def test_elsewhere_a_line_is_logged_for_each_step(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file or a CI log gets a line without control characters."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    progress = default_progress()
    assert isinstance(progress, LogProgress)
    with caplog.at_level(logging.INFO, "coodie_local"):
        progress.begin("Downloading", 2_000_000)
        progress.advance(1_000_000)
        progress.begin("Starting", None)
        progress.end()
    assert caplog.messages == ["Downloading (2.0 MB)", "Starting"]


def test_no_standard_error_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without standard error (a service on Windows, a daemon) can start a node."""
    monkeypatch.setattr(sys, "stderr", None)
    assert isinstance(default_progress(), LogProgress)
