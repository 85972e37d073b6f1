"""The contestants' processes."""

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

#: PYTHONPATH could make a contestant import modules of another environment.
_ISOLATED = ("-E", "-s")

#: Seconds to wait for a response; slower contestants are left out.
_RESPONSE_TIMEOUT = 300.0
#: Seconds to wait for the exit.
_EXIT_TIMEOUT = 10.0

_IMPORT = """\
import time
cpu, wall = time.process_time(), time.perf_counter()
import {module}
print(time.process_time() - cpu, time.perf_counter() - wall)
"""


class LeftOut(Exception):  # noqa: N818 - the other contestants continue
    """A contestant can't run a workload; the message has the reason."""


@dataclass(frozen=True)
class Place:
    """The server for contestants, and the target duration of a round in seconds."""

    host: str
    port: int
    seconds: float
    #: The file for their errors.
    log: Path
    #: The certificate file of the server's authority; None without TLS.
    ca: Path | None = None


class Running:
    """The process of a contestant with a workload.

    Args:
        entered: The contestant.
        python: The interpreter of its environment.
        workload: The workload's name.
        place: The server.
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
                start_new_session=True,  # Ctrl-C must only reach this process
            )

    def answer(self) -> dict[str, Any]:
        """Wait for the next response.

        Raises:
            LeftOut: The contestant reported an error, failed, or timed out.
        """
        out = self._process.stdout
        if out is None:
            raise AssertionError("the process has no pipe")
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(_RESPONSE_TIMEOUT):
                    raise LeftOut(f"no response within {_RESPONSE_TIMEOUT:.0f} s")
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
        """Run a round, and return its costs."""
        if self._process.stdin is None:
            raise AssertionError("the process has no pipe")
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return self.answer()

    def end(self) -> None:
        """End the process."""
        try:
            # Closes its standard input, so that it exits.
            self._process.communicate(timeout=_EXIT_TIMEOUT)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.kill()

    def kill(self, timeout: float = 0.0) -> None:
        """Kill the process, unless it exits within ``timeout`` seconds."""
        try:
            self._process.wait(timeout)
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
        self.kill(_EXIT_TIMEOUT)  # errors are written at exit
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "no error message"


def import_cost(python: Path, module: str) -> dict[str, Any]:
    """Return the costs of importing a module in a new process.

    Raises:
        LeftOut: The import failed.
    """
    command = [str(python), *_ISOLATED, "-c", _IMPORT.format(module=module)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LeftOut(f"import {module}: {done.stderr.strip().splitlines()[-1]}")
    cpu, wall = map(float, done.stdout.split())
    return {"cpu": cpu, "wall": wall, "count": 1}
