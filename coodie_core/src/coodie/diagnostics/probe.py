"""Load a plug-in in a child process, which isolates the caller from its side effects."""

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

#: The timeout of one probe in seconds.
TIMEOUT = 30.0

#: sys.path is the parent's: it may have directories that aren't in the environment, such as a script's.
_CHILD = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from coodie.diagnostics.probe_child import main
main()
"""

#: The number of characters of a failed process's output that are shown.
_MAX_OUTPUT = 400


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """The result of loading a plug-in.

    Args:
        error: The error's message; None if loading succeeded.
        error_type: The name of the error's class, or None.
        command: The command that fixes the error, or None.
        summary: The backend's summary.
        capabilities: The backend's capabilities.
        options: The backend's options.
        facts: Facts for diagnostics, such as the driver's event loop.
        connection: The result of connecting; None if that wasn't requested.
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
    """Load a plug-in in a child process; connect with a backend if requested.

    Args:
        driver_type: The plug-in's name.
        distribution: Its distribution.
        kind: The kind of the plug-in.
        connect: ``{"hosts": […], "options": {name: text}}``; None to not connect.
        timeout: The timeout in seconds.
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
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(  # noqa: S603 - this interpreter, with our own code
                [sys.executable, "-c", _CHILD, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            # Through a pipe: arguments, which may have a password, are visible to other users.
            late = _finish(process, json.dumps(task).encode(), timeout)
            output.seek(0)
            text = output.read().decode(errors="replace").strip()[-_MAX_OUTPUT:]
        if late:
            return _failed("TimeoutError", f"The probe took longer than {timeout:g} s.", text)
        try:
            return _read(json.loads(outcome.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return _failed("ProcessDied", f"Its process {_ended(process.returncode)}.", text)


def _finish(process: subprocess.Popen[bytes], task: bytes, timeout: float) -> bool:
    """Send the task and wait; kill the process and its children. Return whether it timed out."""
    try:
        process.communicate(task, timeout)
    except subprocess.TimeoutExpired:
        return True
    finally:
        if os.name == "posix":
            # The whole process group: processes that a plug-in has started may outlive it.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
    return False


def _read(outcome: Mapping[str, Any]) -> ProbeResult:
    if "error" in outcome:
        error = outcome["error"]
        return ProbeResult(error=error["message"], error_type=error["type"], command=error["command"])
    return ProbeResult(
        summary=outcome["summary"],
        capabilities=tuple(outcome["capabilities"]),
        options=tuple(outcome["options"]),
        facts=outcome["facts"],
        connection=outcome.get("connection"),
    )


def _failed(kind: str, message: str, output: str) -> ProbeResult:
    return ProbeResult(error=f"{message} Its last output: {output}" if output else message, error_type=kind)


def _ended(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"exited with status {status}"
