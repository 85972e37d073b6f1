"""Try backends out, each in a process of its own: what one of them does there reaches nobody else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coodie.plugins.kinds import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coodie.plugins.kinds import PluginKind

__all__ = ["TIMEOUT", "ProbeResult", "probe"]

#: Seconds that the probe of one backend may take.
TIMEOUT = 30.0

#: As the parent's: a directory on sys.path that isn't in the environment (that of a script, PYTHONPATH).
_CHILD = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from coodie.diagnostics.probe_child import main
main()
"""

#: How much is shown of what a process that died had written.
_LAST_WORDS = 400


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What became of the attempt to load a backend.

    Args:
        error: Why it can't be used, or None.
        error_type: That error's class, or None.
        command: What to run about it, or None.
        summary: What it says of itself.
        capabilities: What it says that it can do.
        options: Its own options.
        facts: What would be in use here, such as the reactor.
        connection: What became of the attempt to connect; None where there was none.
    """

    error: str | None = None
    error_type: str | None = None
    command: str | None = None
    summary: str = ""
    capabilities: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    connection: Mapping[str, Any] | None = None


def probe(
    driver_type: str,
    distribution: str,
    *,
    kind: PluginKind = BACKENDS,
    connect: Mapping[str, Any] | None = None,
    timeout: float = TIMEOUT,
) -> ProbeResult:
    """Load a plug-in in a process of its own, and connect with a backend where that's asked for.

    Args:
        driver_type: The plug-in's name.
        distribution: Its distribution.
        kind: The kind of the plug-in.
        connect: ``{"hosts": […], "options": {name: text}}``; None: don't connect.
        timeout: Seconds that it may take.
    """
    with tempfile.TemporaryDirectory(prefix="coodie-probe-") as directory:
        outcome = Path(directory) / "outcome.json"
        task = {
            "option": kind.option,
            "driver_type": driver_type,
            "distribution": distribution,
            "connect": connect,
            "outcome": str(outcome),
        }
        with tempfile.TemporaryFile() as words:
            process = subprocess.Popen(  # noqa: S603 - this interpreter, with our own code
                [sys.executable, "-c", _CHILD, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=words,
                stderr=words,
                start_new_session=True,
            )
            # Through a pipe: a password among the arguments could be seen by everybody here.
            late = _finish(process, json.dumps(task).encode(), timeout)
            words.seek(0)
            said = words.read().decode(errors="replace").strip()[-_LAST_WORDS:]
        if late:
            return _failed("TimeoutError", f"The probe took longer than {timeout:g} s.", said)
        try:
            return _read(json.loads(outcome.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return _failed("ProcessDied", f"Its process {_ended(process.returncode)}.", said)


def _finish(process: subprocess.Popen[bytes], task: bytes, timeout: float) -> bool:
    """Hand the task over and wait; end the process, and what it started, where it takes too long."""
    try:
        process.communicate(task, timeout)
    except subprocess.TimeoutExpired:
        return True
    finally:
        if os.name == "posix":
            # Its whole group: what a plug-in started may outlive it.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
    return False


def _read(outcome: Mapping[str, Any]) -> ProbeResult:
    if "error" in outcome:
        told = outcome["error"]
        return ProbeResult(error=told["message"], error_type=told["type"], command=told["command"])
    return ProbeResult(
        summary=outcome["summary"],
        capabilities=tuple(outcome["capabilities"]),
        options=tuple(outcome["options"]),
        facts=outcome["facts"],
        connection=outcome.get("connection"),
    )


def _failed(kind: str, message: str, said: str) -> ProbeResult:
    return ProbeResult(error=f"{message} Its last output: {said}" if said else message, error_type=kind)


def _ended(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"exited with status {status}"
