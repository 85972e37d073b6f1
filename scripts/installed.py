"""Check an installation as a user would: python -I scripts/installed.py BACKENDS."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

__all__ = ["main", "problems"]


def problems(*backends: str) -> list[str]:
    """Return the problems of an installation.

    Args:
        backends: The `driver_type` of each installed backend.

    Returns:
        A line for each problem.
    """
    found = []
    for module in (
        "coodie.drivers",
        "coodie_doctor",
        *(f"coodie_{backend}.plugin" for backend in backends),
        "coodie_local",
        "coodie_testing.conformance",
        "coodie_testing.pytest_plugin",
        "coodie_arrow",
    ):
        file = import_module(module).__file__ or ""
        if not Path(file).is_relative_to(sys.prefix):
            found.append(f"{module} was imported from {file}, outside of {sys.prefix}")
    told = _coodie("--version")
    if version("coodie-core") not in told:
        found.append(f"`coodie --version` says {told!r}, coodie-core is {version('coodie-core')}")
    found += [
        f"`coodie explain {name}` doesn't explain it"
        for name in ("RequestTimeoutError", "NodeStartError")
        if "**Fix.**" not in _coodie("explain", name)
    ]
    states = {report["driver_type"]: report["state"] for report in json.loads(_coodie("drivers", "--json"))}
    found += [
        f"`coodie drivers` lists {name} as {states.get(name, 'missing')}, not ready"
        for name in (*backends, "local")
        if states.get(name) != "ready"
    ]
    return found


def main(*backends: str) -> int:
    """Print the problems; return 1 if there are any.

    Args:
        backends: The `driver_type` of each installed backend.
    """
    found = problems(*backends)
    names = ", ".join(backends)
    print(*(found or [f"coodie-core {version('coodie-core')}, {names} and local are ready"]), sep="\n")
    return bool(found)


def _coodie(*arguments: str) -> str:
    """Run the installed command; return its output."""
    command = [str(Path(sys.executable).with_name("coodie")), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
