"""Ctrl-C at any moment of a command: status 130, one word, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Sends the signal when the module is imported, or with ``exit`` when the interpreter exits.
SENDER = """
import atexit, os, signal, sys

class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["INTERRUPT_AT"]:
            signal.raise_signal(signal.SIGINT)
        if name == "click" and os.environ["INTERRUPT_AT"] == "exit":
            atexit.register(signal.raise_signal, signal.SIGINT)

sys.meta_path.insert(0, Sender())
"""


@pytest.mark.parametrize(
    "moment",
    [
        "coodie",
        "coodie.cli._main",
        "click",
        "rich",
        "coodie.cli._run",
        "coodie.cli.ping",
        "coodie.config",
        "cassandra.cluster",
        "exit",
    ],
)
def test_ctrl_c_at_any_moment(moment: str, tmp_path: Path) -> None:
    """From the script's first import to the interpreter's exit, the status and the words are the same."""
    (tmp_path / "sitecustomize.py").write_text(SENDER)
    backend = "scylla" if _is_installed("coodie_scylla") else "cassandra"
    done = subprocess.run(
        [Path(sys.executable).with_name("coodie"), "ping", f"{backend}://127.0.0.1:1"],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "INTERRUPT_AT": moment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.split("\n")[-3:] == ["", "Interrupted.", ""]
    assert "Traceback" not in done.stderr


def _is_installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


@pytest.mark.parametrize("command", [["-m", "coodie", "drivers"], ["-m", "coodie_doctor"]])
def test_ctrl_c_of_a_module(command: list[str], tmp_path: Path) -> None:
    """`python -m` ends in the same way, once it has imported its package."""
    (tmp_path / "sitecustomize.py").write_text(SENDER)
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "INTERRUPT_AT": "importlib_metadata"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "\nInterrupted.\n"


def test_an_ignored_ctrl_c() -> None:
    """A process that was started with Ctrl-C ignored, as a shell's background job, goes on ignoring it."""
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from coodie_script.start import main; sys.argv = ['coodie', '--version']; main()\n"
        "signal.raise_signal(signal.SIGINT)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
