"""The project's commands behind `make`: python3 scripts/project.py TARGET [arguments for pytest]."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import accelerator
from environments import ENVIRONMENTS, VENVS
from release import check
from reliability import publish
from serving import serve
from steps import ROOT, Failure, Steps, interrupt_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["main"]

#: Backends, each with the distribution it stands on and the directories of tests that run with it, the
#: quick ones first. What doesn't depend on the backend runs with the first: coodie_local's own tests, those
#: of documents and benchmarks, and those of packages, which bring the backends that they need.
_BACKENDS = {
    "scylla": ("scylla-driver", ("coodie_core/tests", "coodie_scylla/tests", "coodie_local/tests", "tests")),
    "cassandra": (
        "cassandra-driver",
        (
            "coodie_core/tests",
            "coodie_cassandra/tests",
            "tests/integration",
            "tests/kit",
            "tests/reliability",
        ),
    ),
}

_SOURCES = (
    "coodie_core/src",
    "coodie_scylla/src",
    "coodie_cassandra/src",
    "coodie_local/src",
    "coodie_accel/src",
)
_TESTS = (
    "coodie_core/tests",
    "coodie_scylla/tests",
    "coodie_cassandra/tests",
    "coodie_local/tests",
    "coodie_accel/tests",
    "tests",
)
_PROGRAMS = ("scripts", "examples/demo.py", "benchmarks", "conftest.py")

#: The example of a third party's backend, which has an environment and a configuration of its own.
_EXAMPLE = "examples/coodie_rust"

#: Where the documentation is built.
_SITE = ROOT / "docs" / "_build" / "html"

#: What `make clean` removes beside .venvs: caches, wherever they are.
_CACHES = (
    "__pycache__",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    "build",
    "dist",
    "_build",
)


def demo(steps: Steps) -> None:
    """Run the demo on a local Cassandra, or on the server that COODIE_HOSTS names."""
    steps.run("demo", [_python("demo", steps), "examples/demo.py"])


def test(steps: Steps) -> None:
    """Run all checks: lint, types, and all tests on a real Cassandra with each backend, docs."""
    lint(steps)
    _local_cassandra(steps)
    for backend in _BACKENDS:
        _types(steps, backend)
        _pytest(steps, backend)
    accel(steps)
    build_docs(steps)


def lint(steps: Steps) -> None:
    """Check style and formatting."""
    ruff: list[str | Path] = [_python("scylla", steps), "-m", "ruff"]
    steps.run("ruff check", [*ruff, "check", "."])
    steps.run("ruff format", [*ruff, "format", "--check", "."])


def types(steps: Steps) -> None:
    """Check types in each backend's environment."""
    for backend in _BACKENDS:
        _types(steps, backend)


def test_fast(steps: Steps) -> None:
    """Run the tests that need no server, with each backend."""
    for backend in _BACKENDS:
        _pytest(steps, backend, "-m", "not server")


def accel(steps: Steps, *options: str) -> None:
    """Build the accelerator and run its tests with each backend, where this machine can compile it."""
    if not accelerator.build(steps):
        return
    path = f"pythonpath=scripts benchmarks {accelerator.BUILT.relative_to(ROOT)}"
    for backend, (distribution, _) in _BACKENDS.items():
        what = f"the accelerator, with {distribution}"
        _counted(steps, backend, f"{backend}: accelerator", what, "-o", path, *options, "coodie_accel/tests")


def long(steps: Steps, mark: str, *options: str) -> None:
    """Run the long tests of one mark, with each backend."""
    for backend in _BACKENDS:
        _pytest(steps, backend, "-m", mark, *options)


def reliability(steps: Steps, *options: str) -> None:
    """Run what shows how things break, quick and long, with each backend; print the table and write it.

    A test that fails is in the table, too, and fails the run.
    """
    reports, failures = {}, []
    for backend in _BACKENDS:
        report = ENVIRONMENTS[backend].path / "tests.xml"
        report.unlink(missing_ok=True)
        try:
            _pytest(steps, backend, "-m", "reliability or faults", *options)
        except Failure as exc:
            if not report.is_file():  # no test ran
                raise
            failures.append(exc)
        reports[_title(backend, steps)] = report
    publish(reports)
    if failures:
        raise failures[0]


def example(steps: Steps, *options: str) -> None:
    """Check the example of a third party's backend: its types, its tests, the conformance kit."""
    python = _python("rust", steps)
    configuration = f"{_EXAMPLE}/pyproject.toml"
    sources = (f"{_EXAMPLE}/src", f"{_EXAMPLE}/tests")
    steps.run("example: mypy", [python, "-m", "mypy", "--config-file", configuration, *sources])
    arguments = ("-c", configuration, *options, sources[1])
    _counted(steps, "rust", "example: tests", "the example, on scylladb-rs-driver", *arguments)


def plugins(steps: Steps, *options: str) -> None:
    """Check what third parties make: the example, and packages that are built and installed."""
    example(steps)
    long(steps, "plugins", *options)


def recipes(steps: Steps, *options: str) -> None:
    """Run the recipes with the frameworks that they are for."""
    _counted(steps, "recipes", "recipes: tests", "the recipes", "-m", "recipes", *options, "tests/recipes")


def build_docs(steps: Steps) -> None:
    """Build the documentation; a warning is an error."""
    options = ("-W", "--keep-going", "-q", "-b", "html", "-d", "docs/_build/doctrees")
    steps.run(
        "docs", [_python("docs", steps), "-m", "sphinx", *options, "docs", str(_SITE.relative_to(ROOT))]
    )


def docs(steps: Steps) -> None:
    """Build the documentation, and serve it where somebody sits in front of it."""
    build_docs(steps)
    if sys.stdout.isatty():
        serve(_SITE)
    else:
        print(
            f"   the site is in {_SITE.relative_to(ROOT)}; on a terminal it would be served now", flush=True
        )


def bench(steps: Steps, *options: str) -> None:
    """Run the benchmarks; environments of contestants are made as they are needed."""
    steps.run("benchmarks", [_python("demo", steps), "benchmarks/bench.py", *options])


def release_check(steps: Steps) -> None:
    """Build all distributions, install them into clean environments, and run the demo from there."""
    check(steps, _python("scylla", steps))


def clean(_steps: Steps) -> None:
    """Remove environments, caches and what was built."""
    shutil.rmtree(VENVS, ignore_errors=True)
    for name in _CACHES:
        for directory in [path for path in ROOT.rglob(name) if path.is_dir()]:
            shutil.rmtree(directory, ignore_errors=True)


def lock(_steps: Steps) -> None:
    """Write requirements/*.txt anew."""
    from lock import lock as write

    write()


def main(arguments: list[str]) -> int:
    """Run a target.

    Args:
        arguments: Its name, and for tests what to hand to pytest.

    Returns:
        The exit status: 0, 1 after a failed step, 130 after an interrupt.
    """
    targets: dict[str, Callable[[Steps], object]] = {
        "demo": demo,
        "test": test,
        "test-scylla": lambda steps: _pytest(steps, "scylla", *options),
        "test-cassandra": lambda steps: _pytest(steps, "cassandra", *options),
        "test-fast": test_fast,
        "reliability": lambda steps: reliability(steps, *options),
        "plugins": lambda steps: plugins(steps, *options),
        "accel": lambda steps: accel(steps, *options),
        "example": lambda steps: example(steps, *options),
        "recipes": lambda steps: recipes(steps, *options),
        "bench": lambda steps: bench(steps, *options),
        "bench-quick": lambda steps: bench(steps, "--quick", *options),
        "lint": lint,
        "types": types,
        "docs": docs,
        "release-check": release_check,
        "lock": lock,
        "clean": clean,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=targets)
    parser.add_argument("--pytest", default="", help="arguments for pytest or the benchmarks, as in a shell")
    parsed = parser.parse_args(arguments)
    options = shlex.split(parsed.pytest)
    steps = Steps()
    interrupt_on_signals()
    try:
        targets[parsed.target](steps)
    except Failure as exc:
        steps.summarise()
        print(f"\nFAILED  {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was left running", file=sys.stderr)
        return 130
    if steps.durations:
        steps.summarise()
    return 0


def _python(name: str, steps: Steps) -> Path:
    """Give an environment's interpreter, making the environment first where it must be."""
    environment = ENVIRONMENTS[name]
    environment.ensure(steps)
    return environment.python


def _existing(paths: tuple[str, ...]) -> list[str]:
    """Keep the paths below the root that hold Python files."""
    return [path for path in paths if (ROOT / path).is_file() or any((ROOT / path).rglob("*.py"))]


def _local_cassandra(steps: Steps) -> None:
    """Start and stop a local Cassandra, unless the tests use a server of the user's."""
    if not os.environ.get("COODIE_HOSTS"):
        steps.run("local Cassandra", [_python("scylla", steps), "scripts/start_once.py"])


def _types(steps: Steps, backend: str) -> None:
    """Check the types of everything with one backend installed."""
    paths = _existing((*_SOURCES, *_TESTS, *_PROGRAMS))
    steps.run(f"{backend}: mypy", [_python(backend, steps), "-m", "mypy", *paths])


def _title(backend: str, steps: Steps) -> str:
    """Return the name and version of a backend's driver."""
    distribution, _ = _BACKENDS[backend]
    show = f"from importlib.metadata import version; print(version({distribution!r}))"
    python = _python(backend, steps)
    version = subprocess.run([python, "-c", show], check=True, capture_output=True, text=True).stdout.strip()
    return f"{distribution} {version}"


def _pytest(steps: Steps, backend: str, *options: str) -> None:
    """Run the tests with one backend and note their counts."""
    _, directories = _BACKENDS[backend]
    arguments = (*options, *_existing(directories))
    _counted(steps, backend, f"{backend}: tests", _title(backend, steps), *arguments)


def _counted(steps: Steps, name: str, title: str, what: str, *arguments: str) -> None:
    """Run an environment's pytest and note the counts."""
    report = ENVIRONMENTS[name].path / "tests.xml"
    report.unlink(missing_ok=True)
    # Not `python -m pytest`: with the root on sys.path, the directory coodie_scylla looks like a package.
    command: list[str | Path] = [
        _python(name, steps).with_name("pytest"),
        f"--junit-xml={report}",
        *arguments,
    ]
    try:
        steps.run(title, command)
    finally:
        if report.is_file():
            steps.count(what, report)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
