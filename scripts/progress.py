"""The progress of concurrent steps: running steps, their progress, elapsed time.

On a terminal, a block of lines is redrawn. Elsewhere, a line is printed when a step starts or ends, and one
with the state of all steps every half minute.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING

from outcomes import percent_of

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from outcomes import Outcome

__all__ = ["Progress", "clock"]

#: Seconds between updates: on a terminal, and elsewhere.
_REDRAW, _REPORT = 0.25, 30.0


def clock(seconds: float) -> str:
    """Format a duration as minutes and seconds."""
    return f"{int(seconds) // 60:d}:{int(seconds) % 60:02d}"


class Progress:
    """Displays running steps.

    Args:
        total: The number of jobs.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._running: dict[str, float] = {}
        self._notes: dict[str, str] = {}
        self._drawn = 0
        self._terminal = sys.stdout.isatty()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> Self:
        """Start the display."""
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the display; the last state remains visible."""
        self._ended.set()
        self._ticker.join()
        with self._lock:
            self._erase()

    @property
    def seconds(self) -> float:
        """The elapsed time of the run."""
        return time.monotonic() - self._started

    def begin(self, title: str) -> None:
        """Add a step to the display."""
        with self._lock:
            self._running[title] = time.monotonic()
            if not self._terminal:
                print(f"[{clock(self.seconds):>5}] started  {title}", flush=True)

    def note(self, title: str, line: str) -> None:
        """Show the percentage in a line of a running step's output, or the line itself."""
        percent = percent_of(line)
        text = f"{percent:3d} %" if percent is not None else line.strip()
        if text:
            self._notes[title] = text

    def end(self, outcome: Outcome) -> None:
        """Show the outcome of a step."""
        word = "FAILED " if outcome.failure else "done   "
        counts = outcome.counts
        tests = f"  {counts.passed} passed, {counts.failed} failed" if counts is not None else ""
        with self._lock:
            self._running.pop(outcome.title, None)
            self._notes.pop(outcome.title, None)
            self._erase()
            line = f"[{clock(self.seconds):>5}] {word}  {outcome.title}  {outcome.seconds:.1f} s{tests}"
            print(line, flush=True)

    def job_done(self) -> None:
        """Count a finished job."""
        self._done += 1

    def _tick(self) -> None:
        while not self._ended.wait(_REDRAW if self._terminal else _REPORT):
            with self._lock:
                if self._terminal:
                    self._draw()
                elif self._running:
                    states = ", ".join(self._state(title) for title in self._running)
                    print(f"[{clock(self.seconds):>5}] {self._counter()}  {states}", flush=True)

    def _counter(self) -> str:
        return f"{self._done} of {self._total}"

    def _state(self, title: str) -> str:
        note = self._notes.get(title, "")
        return f"{title} {note}" if note.endswith(" %") else title

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._erase()
        lines = [f"[{clock(self.seconds):>5}] {self._counter()} jobs done"]
        for title, begun in self._running.items():
            lines.append(f"  {clock(time.monotonic() - begun):>5}  {title}  {self._notes.get(title, '')}")
        print("\n".join(line[:width] for line in lines), flush=True)
        self._drawn = len(lines)

    def _erase(self) -> None:
        if self._drawn:
            print(f"\x1b[{self._drawn}A\x1b[J", end="", flush=True)
            self._drawn = 0
