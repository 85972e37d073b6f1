"""Contestants' processes: started, asked for rounds, ended."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contestants.listing import Contestant

__all__ = ["LeftOut", "Place", "Running", "import_cost"]

_PROGRAM = Path(__file__).resolve().parent.parent / "contestant.py"

#: A contestant imports what its environment has: PYTHONPATH could give one the other's modules unseen.
_ISOLATED = ("-E", "-s")

#: Seconds that an answer may take; what takes longer is left out.
_PATIENCE = 300.0
#: Seconds that an end may take.
_LINGER = 10.0

_IMPORT = """\
import time
cpu, wall = time.process_time(), time.perf_counter()
import {module}
print(time.process_time() - cpu, time.perf_counter() - wall)
"""


class LeftOut(Exception):  # noqa: N818 - said of a contestant, while the others go on
    """A contestant can't take part in a workload; the message says why."""


@dataclass(frozen=True)
class Place:
    """Where contestants connect to, and how long a round of theirs ought to take, in seconds."""

    host: str
    port: int
    seconds: float
    #: Where their errors are written.
    log: Path
    #: The file of the authority whose certificate the server shows; None without TLS.
    ca: Path | None = None


class Running:
    """One contestant's process with one workload.

    Args:
        entered: Who.
        python: Its environment's interpreter.
        workload: The workload's name.
        place: Where it connects to.
    """

    def __init__(self, entered: Contestant, python: Path, workload: str, place: Place) -> None:
        self.name = entered.name
        self._log = place.log
        self._buffer = b""
        command = [python, *_ISOLATED, _PROGRAM, entered.name, workload]
        command += ["--host", place.host, "--port", str(place.port), "--seconds", str(place.seconds)]
        command += ["--ca", str(place.ca)] if place.ca else []
        with place.log.open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for the one who started it
            )

    def answer(self) -> dict[str, Any]:
        """Wait for its next line.

        Raises:
            LeftOut: It said that it can't, failed, or took too long.
        """
        out = self._process.stdout
        if out is None:
            raise AssertionError("a pipe was asked for")
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(_PATIENCE):
                    raise LeftOut(f"no response within {_PATIENCE:.0f} s")
                read = os.read(out.fileno(), 65536)
                if not read:
                    raise LeftOut(f"it failed: {self._last_error()}")
                self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "unavailable" in answer:
            raise LeftOut(answer["unavailable"])
        return answer

    def round(self) -> dict[str, Any]:
        """Have it do a round, and return what that cost."""
        if self._process.stdin is None:
            raise AssertionError("a pipe was asked for")
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return self.answer()

    def end(self) -> None:
        """End it, whatever it does."""
        try:
            # Closes its standard input, on which it ends by itself.
            self._process.communicate(timeout=_LINGER)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.kill()

    def kill(self, patience: float = 0.0) -> None:
        """End it; at once, where it doesn't end by itself within so many seconds."""
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue

    def _last_error(self) -> str:
        self.kill(_LINGER)  # its last words come when it ends
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "without a word"


def import_cost(python: Path, module: str) -> dict[str, Any]:
    """Return what importing a module costs in a fresh process.

    Raises:
        LeftOut: It can't be imported.
    """
    command = [str(python), *_ISOLATED, "-c", _IMPORT.format(module=module)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LeftOut(f"import {module}: {done.stderr.strip().splitlines()[-1]}")
    cpu, wall = map(float, done.stdout.split())
    return {"cpu": cpu, "wall": wall, "count": 1}
