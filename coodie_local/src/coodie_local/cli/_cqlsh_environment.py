"""The virtual environment that cqlsh has to itself, in the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from coodie_local._cancellation import Cancellation
from coodie_local._flock import acquire
from coodie_local._places import cache_directory, make_private, remove_tree
from coodie_local._progress import default_progress
from coodie_local.errors import DownloadError, LocalNodeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["REQUIREMENT", "cqlsh_command"]

#: What is installed; it asks for cassandra-driver.
REQUIREMENT = "cqlsh>=6.2.2,<7"

#: What would let the environment of a caller reach into ours.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
_LINES = 15


def cqlsh_command() -> list[str]:
    """Return the command that runs cqlsh, which is installed where it isn't yet.

    Raises:
        DownloadError: pip couldn't install it.
        LocalNodeError: This Python can't make virtual environments.
    """
    version = ".".join(map(str, sys.version_info[:2]))
    cache = make_private(cache_directory())
    environment = cache / f"cqlsh-python{version}"
    python = environment / "bin" / "python"
    done = environment / "complete"
    with acquire(cache / "cqlsh.lock", Cancellation()):
        # the interpreter that it was made of may have gone
        if not (done.is_file() and python.exists()):
            _make(environment, python)
            done.touch()
    return [str(python), "-I", "-m", "cqlshlib"]


def _make(environment: Path, python: Path) -> None:
    progress = default_progress()
    progress.begin("Installing cqlsh in an environment of its own", None)
    try:
        remove_tree(environment)
        _install(environment, python)
    except BaseException:
        remove_tree(environment)
        raise
    finally:
        progress.end()


def _install(environment: Path, python: Path) -> None:
    made = _run([sys.executable, "-m", "venv", str(environment)])
    if made.returncode:
        msg = f"This Python can't make a virtual environment for cqlsh:\n{_end(made)}\n"
        raise LocalNodeError(msg, hint="On Debian and Ubuntu, install the package python3-venv.")
    pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--only-binary=:all:"]
    installed = _run([str(python), *pip, REQUIREMENT])
    if installed.returncode:
        hint = (
            "Check the network and run it again; a mirror is configured as for pip (PIP_INDEX_URL, pip.conf)."
        )
        raise DownloadError(f"pip couldn't install cqlsh:\n{_end(installed)}\n", hint=hint)


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def _end(done: subprocess.CompletedProcess[str]) -> str:
    return "\n".join(f"    {line}" for line in done.stdout.splitlines()[-_LINES:])
