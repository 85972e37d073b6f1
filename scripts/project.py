"""The targets of `make`: python3 scripts/project.py TARGET [arguments for pytest]."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from typing import TYPE_CHECKING

import checks
import tiers
from environments import VENVS
from fuzzing import fuzz
from outcomes import Rerun
from release import check
from reliability import publish
from servers import test_servers
from serving import serve
from steps import ROOT, Failure, Steps, interrupt_on_signals
from versions import test_versions

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main"]

#: Directories that `make clean` removes in addition to .venvs: caches.
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
    """Run the demo with a local Cassandra, or with the server in COODIE_HOSTS."""
    steps.run("demo", [checks.interpreter("demo", steps), "examples/demo.py"])


def test_backend(steps: Steps, backend: str, *options: str) -> None:
    """Run the first tier's tests with one backend, or the tests in the options."""
    arguments = checks.with_default_paths(options, *tiers.arguments_for(backend))
    checks.run_tests(steps, backend, f"{backend}: tests", arguments)


def test_native(steps: Steps, backend: str, *options: str) -> None:
    """Check the types of a backend with a native client, and run its tests or those in the options."""
    if not options:
        checks.native_types(steps, backend)
    test_backend(steps, backend, *options)


def test_fast(steps: Steps) -> None:
    """Run the tests without a server, with each backend."""
    for backend in checks.BACKENDS:
        test_backend(steps, backend, "-m", "not server")


def accel(steps: Steps, *options: str) -> None:
    """Build the accelerator and run its tests with each backend, if this machine can compile it."""
    for backend in checks.BACKENDS:
        checks.accelerator_tests(steps, backend, *options)


def compatibility(steps: Steps, *options: str) -> None:
    """Run the compatibility tests: packages for version 1 of the contract, the object mapper."""
    for backend in checks.BACKENDS:
        checks.compatibility(steps, backend, *options)


def differential(steps: Steps, *options: str) -> None:
    """Compare all ways to send requests on random tables, with each backend and the seeds in COODIE_SEEDS."""
    for backend in checks.BACKENDS:
        checks.differential(steps, backend, *options)


def reliability(steps: Steps, *options: str) -> None:
    """Run all fault tests with each backend; print the table and write it to the documentation.

    A failed test is also in the table, and fails the run.
    """
    reports, failures = {}, []
    for backend, distribution in checks.BACKENDS.items():
        report = checks.report_of(backend, title := f"{backend}: reliability")
        report.unlink(missing_ok=True)
        arguments = ("-m", "reliability or faults", *options, *tiers.arguments_for(backend))
        try:
            checks.run_tests(steps, backend, title, arguments)
        except Failure as exc:
            if not report.is_file():  # no test ran
                raise
            failures.append(exc)
        version = checks.version_of(distribution, checks.interpreter(backend, steps))
        reports[f"{distribution} {version}"] = report
    publish(reports)
    if failures:
        raise failures[0]


def recipes(steps: Steps, *options: str) -> None:
    """Run the recipes with their frameworks."""
    arguments = ("-m", "recipes", *checks.with_default_paths(options, "tests/recipes"))
    checks.run_tests(steps, "recipes", "recipes", arguments, rerun=Rerun("recipes"))


def docs(steps: Steps) -> None:
    """Build the documentation; on a terminal, serve it."""
    checks.build_docs(steps)
    if sys.stdout.isatty():
        serve(checks.SITE)
    else:
        print(f"   the site is in {checks.SITE.relative_to(ROOT)}; on a terminal, it is served")


def types(steps: Steps) -> None:
    """Check all types.

    Args:
        steps: Runs the steps.
    """
    checks.types(steps)
    checks.types_of_tests(steps)


def bench(steps: Steps, *options: str) -> None:
    """Run the benchmarks; create the contestants' environments as needed."""
    steps.run("benchmarks", [checks.interpreter("bench", steps), "benchmarks/bench.py", *options])


def release_check(steps: Steps) -> None:
    """Build all distributions, install them in clean environments, and run the demo there."""
    check(steps, checks.interpreter("scylla", steps))


def clean(_steps: Steps) -> None:
    """Remove environments, caches and build results."""
    shutil.rmtree(VENVS, ignore_errors=True)
    for name in _CACHES:
        for directory in [path for path in ROOT.rglob(name) if path.is_dir()]:
            shutil.rmtree(directory, ignore_errors=True)


def lock(_steps: Steps) -> None:
    """Rewrite requirements/*.txt."""
    from lock import lock as write

    write()


def main(arguments: list[str]) -> int:
    """Run a target.

    Args:
        arguments: The target, and arguments for pytest.

    Returns:
        The exit code: 0, 1 after a failed step, 130 after an interrupt.
    """
    targets: dict[str, Callable[[Steps], object]] = {
        "demo": demo,
        "test": tiers.test,
        "test-all": tiers.test_all,
        "test-scylla": lambda steps: test_backend(steps, "scylla", *options),
        "test-cassandra": lambda steps: test_backend(steps, "cassandra", *options),
        "test-rust": lambda steps: test_native(steps, "rust", *options),
        "test-acsylla": lambda steps: test_native(steps, "acsylla", *options),
        "test-together": lambda steps: test_backend(steps, "together", *options),
        "test-fast": test_fast,
        "test-versions": lambda steps: test_versions(steps, *options),
        "test-servers": lambda steps: test_servers(steps, *options),
        "reliability": lambda steps: reliability(steps, *options),
        "accel": lambda steps: accel(steps, *options),
        "simulate": lambda steps: checks.simulate(steps, "scylla", *options),
        "fuzz": lambda steps: fuzz(steps, *options),
        "differential": lambda steps: differential(steps, *options),
        "example": lambda steps: checks.example(steps, *options),
        "compatibility": lambda steps: compatibility(steps, *options),
        "recipes": lambda steps: recipes(steps, *options),
        "bench": lambda steps: bench(steps, *options),
        "bench-quick": lambda steps: bench(steps, "--quick", *options),
        "lint": checks.lint,
        "types": types,
        "docs": docs,
        "release-check": release_check,
        "lock": lock,
        "clean": clean,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=targets)
    parser.add_argument("--pytest", default="", help="arguments for pytest or the benchmarks, shell-quoted")
    parsed = parser.parse_args(arguments)
    options = shlex.split(parsed.pytest)
    # Without bytecode, each process would compile all modules and rewrite the asserts of all tests.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    steps = Steps()
    interrupt_on_signals()
    try:
        targets[parsed.target](steps)
    except Failure as exc:
        steps.summarise()
        if not any(outcome.failure in str(exc) for outcome in steps.outcomes if outcome.failure):
            print(f"\nFAILED  {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; all processes were stopped", file=sys.stderr)
        return 130
    if steps.outcomes:
        steps.summarise()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
