"""Build the accelerator outside the environments; only tests that need it add it to their path."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from environments import ENVIRONMENTS, VENVS
from steps import ROOT

if TYPE_CHECKING:
    from steps import Steps

__all__ = ["BUILT", "build", "missing"]

#: The build directory.
BUILT = VENVS / "accelerator"

_SOURCE = ROOT / "coodie_accel"


def missing() -> str:
    """Return what this machine lacks for a build: a C compiler or Python's headers; "" if nothing."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        return f"a C compiler ({compiler} not found; Debian: apt install gcc libc6-dev)"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return (
        ""
        if header.is_file()
        else f"Python's headers ({header.name} not found; Debian: apt install python3-dev)"
    )


def build(steps: Steps) -> bool:
    """Build the accelerator, unless it was already built from the same files.

    Args:
        steps: Runs the step.

    Returns:
        Whether it is available: False if this machine can't compile it.

    Raises:
        Failure: The build failed.
    """
    lacking = missing()
    if lacking:
        steps.skip("accelerator: build", f"building the accelerator needs {lacking}")
        return False
    environment = ENVIRONMENTS["accel"]
    environment.ensure(steps)
    files = [
        path for path in sorted(_SOURCE.glob("src/*/*")) if path.suffix in {".py", ".pyi", ".pyx", ".pxi"}
    ]
    digest = hashlib.sha256(sys.version.encode())
    files += [_SOURCE / "pyproject.toml", _SOURCE / "setup.py", ROOT / "requirements" / "bench-accel.txt"]
    for file in files:
        digest.update(file.read_bytes())
    stamp = BUILT / "made-from"
    if stamp.is_file() and stamp.read_text() == digest.hexdigest():
        return True
    shutil.rmtree(BUILT, ignore_errors=True)
    pip = (environment.python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check")
    options = ("--no-index", "--no-deps", "--no-build-isolation", "--target", BUILT)
    steps.run_logged("accelerator: build", [[*pip, *options, "./coodie_accel"]], VENVS / "accelerator.log")
    stamp.write_text(digest.hexdigest())
    return True
