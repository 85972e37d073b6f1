"""What a start tells its caller while it runs: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import TaskID

__all__ = ["LogProgress", "Progress", "SilentProgress", "TerminalProgress", "default_progress"]

_log = logging.getLogger("coodie_local")


class Progress(Protocol):
    """Where the steps of a start are shown; calls come from several threads."""

    def begin(self, text: str, total: int | None) -> None:
        """Say that a step begins; ``total`` is its size in bytes, or None where it has none."""

    def advance(self, amount: int) -> None:
        """Say that so many more bytes of the current step are done (negative: to do once more)."""

    def end(self) -> None:
        """Say that the last step is over, or was given up."""


class SilentProgress:
    """Show nothing."""

    def begin(self, text: str, total: int | None) -> None:
        """Show nothing."""

    def advance(self, amount: int) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""


class LogProgress:
    """Write a line to the logger ``coodie_local`` (level INFO) for each step."""

    def begin(self, text: str, total: int | None) -> None:
        """Log the step."""
        if total is None:
            _log.info("%s", text)
        else:
            _log.info("%s (%.1f MB)", text, total / 1e6)

    def advance(self, amount: int) -> None:
        """Say nothing: a log is no place for a moving bar."""

    def end(self) -> None:
        """Say nothing: the next line tells."""


class TerminalProgress:
    """Draw a bar, or a spinner where a step has no size, on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            SpinnerColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.progress import Progress as Bars

        console = Console(stderr=True)
        text = TextColumn("{task.description}")
        self._sized = Bars(
            text, BarColumn(), TaskProgressColumn(), DownloadColumn(), console=console, transient=True
        )
        self._unsized = Bars(SpinnerColumn(), text, TimeElapsedColumn(), console=console, transient=True)
        self._current: tuple[Bars, TaskID] | None = None

    def begin(self, text: str, total: int | None) -> None:
        """Draw the step in place of the one before it."""
        self.end()
        bars = self._unsized if total is None else self._sized
        self._current = bars, bars.add_task(text, total=total)
        bars.start()

    def advance(self, amount: int) -> None:
        """Move the bar."""
        if self._current is not None:
            bars, task = self._current
            bars.advance(task, amount)

    def end(self) -> None:
        """Take the bar off the terminal."""
        if self._current is not None:
            bars, task = self._current
            self._current = None
            bars.stop()
            bars.remove_task(task)


def default_progress() -> Progress:
    """Choose the bar where standard error is a terminal, and log lines elsewhere."""
    return TerminalProgress() if sys.stderr is not None and sys.stderr.isatty() else LogProgress()
