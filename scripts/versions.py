"""`make test-versions`: run all tests without a mark of their own with each installed version of Python."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import checks
from environments import VARIABLE, VENVS, make_with
from outcomes import Outcome, Rerun
from steps import Failure

if TYPE_CHECKING:
    from steps import Steps

__all__ = ["VERSIONS", "test_versions"]

#: The supported versions of CPython, newest first.
VERSIONS = ("3.14", "3.13", "3.12", "3.11", "3.10")


def test_versions(steps: Steps, *options: str) -> None:
    """Run the tests of both backends with each other interpreter on PATH, in separate environments.

    Args:
        steps: Runs the steps.
        options: Options for pytest.

    Raises:
        Failure: Tests failed, or no other interpreter was found. A failure doesn't stop other versions.
    """
    failures, ran = [], 0
    for version in VERSIONS:
        if version == "{}.{}".format(*sys.version_info):
            steps.outcomes.append(Outcome(f"Python {version}", left_out="`make test` has this interpreter"))
            continue
        python = _find_python(version)
        if python is None:
            reason = f"python{version} isn't on PATH, or doesn't start"
            steps.outcomes.append(Outcome(f"Python {version}", left_out=reason))
            continue
        directory = f"python{version}"
        for backend in checks.BACKENDS:
            ran += 1
            title = f"Python {version}: {backend}"
            report = VENVS / directory / backend / f"{backend}-tests.xml"
            arguments = ["scripts/project.py", f"test-{backend}", f"--pytest={shlex.join(options)}"]
            command = ["env", f"{VARIABLE}={directory}", python, *arguments]
            rerun = Rerun(f"test-{backend}", make=make_with(directory, python))
            try:
                steps.run(title, command, report=report, rerun=rerun)
            except Failure as exc:
                failures.append(exc)
    if not ran:
        raise Failure("no other interpreter was found: add one, such as python3.12, to PATH")
    if failures:
        raise failures[0]


def _find_python(version: str) -> str | None:
    """Return the path of a working interpreter on PATH that has `venv`."""
    python = shutil.which(f"python{version}")
    if python is None:
        return None
    check = "import ensurepip, sys, venv; print(sys.executable)"
    started = subprocess.run([python, "-c", check], capture_output=True, text=True, check=False)
    return started.stdout.strip() or None if started.returncode == 0 else None
