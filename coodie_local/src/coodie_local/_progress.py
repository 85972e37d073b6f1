"""The progress of a start: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import TaskID

__all__ = ["LogProgress", "Progress", "SilentProgress", "TerminalProgress", "default_progress"]

_log = logging.getLogger("coodie_local")


class Progress(Protocol):
    """Shows the steps of a start. Methods are called from several threads."""

    def begin(self, text: str, total: int | None) -> None:
        """Start a step; ``total`` is its size in bytes, or None."""

    def advance(self, amount: int) -> None:
        """Add to the bytes of the current step that are done; negative: they are retried."""

    def end(self) -> None:
        """End the last step, whether or not it is complete."""


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
        """Do nothing: a log has no progress bar."""

    def end(self) -> None:
        """Do nothing: the next step's line shows it."""


class TerminalProgress:
    """Show a progress bar, or a spinner for a step without a size, on standard error."""

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
        """Show the step in place of the previous one."""
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
        """Remove the bar from the terminal."""
        if self._current is not None:
            bars, task = self._current
            self._current = None
            bars.stop()
            bars.remove_task(task)


def default_progress() -> Progress:
    """Return a TerminalProgress if standard error is a terminal, else a LogProgress."""
    return TerminalProgress() if sys.stderr is not None and sys.stderr.isatty() else LogProgress()
