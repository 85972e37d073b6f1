"""Backends that are tried out, each in a process of its own."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from coodie_core.tests.distributions import announcing

from coodie.diagnostics.probe import ProbeResult, probe

if TYPE_CHECKING:
    from coodie_core.tests.distributions import Site


AGAIN = "pip install --force-reinstall acme-db"


def tried(site: Site, source: str, timeout: float = 60) -> ProbeResult:
    """Install a backend made of this source, and try it out."""
    site.install(
        "acme-db", "2.0", entry_points=announcing("acme", "acme_plugin"), files={"acme_plugin.py": source}
    )
    return probe("acme", "acme-db", timeout=timeout)


def test_ready(on_path: Site) -> None:
    """A backend that loads is described; what it prints meanwhile is no matter."""
    source = (
        "from coodie.plugins import *\n"
        "print('{\"error\": 1}')\n"
        "@hookimpl\n"
        "def coodie_open_driver(config):\n"
        "    return None\n"
        "@hookimpl\n"
        "def coodie_describe_driver():\n"
        "    return DriverDescription(summary='mine', capabilities=frozenset({Capability.PAGING}))\n"
        "@hookimpl\n"
        "def coodie_inspect_driver(driver):\n"
        "    return {'reactor': 7}\n"
    )
    trial = tried(on_path, source)
    assert trial.error is None
    assert (trial.summary, trial.capabilities, trial.facts) == ("mine", ("paging",), {"reactor": "7"})
    assert trial.connection is None


@pytest.mark.parametrize(
    ("source", "kind", "said", "command"),
    [
        ("raise RuntimeError('boom')", "DriverImportError", "boom", "pip install --force-reinstall acme-db"),
        (
            "import os; print('last words', flush=True); os._exit(7)",
            "ProcessDied",
            "status 7. Its last output",
            None,
        ),
        ("import os; os.kill(os.getpid(), 11)", "ProcessDied", "was killed by SIGSEGV", None),
        (
            "import sys; sys.exit(0)",
            "DriverImportError",
            "SystemExit",
            "pip install --force-reinstall acme-db",
        ),
    ],
)
def test_broken(on_path: Site, source: str, kind: str, said: str, command: str | None) -> None:
    """However a backend ends its process, the trial tells; the command stands apart from the words."""
    trial = tried(on_path, source)
    assert (trial.error_type, trial.command) == (kind, command)
    assert said in (trial.error or "")
    assert "pip install" not in (trial.error or "")


def test_hanging(on_path: Site) -> None:
    """One that hangs is ended in time, with all that it started."""
    source = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path(__file__).with_name('child').write_text(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    started = time.monotonic()
    trial = tried(on_path, source, timeout=5)
    assert time.monotonic() - started < 30
    assert trial.error_type == "TimeoutError"
    assert "longer than 5 s" in (trial.error or "")
    child = int((on_path.path / "child").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 10
    while _alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123 - no path of the test's
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not os.path.isdir("/proc")  # noqa: PTH112 - as above
