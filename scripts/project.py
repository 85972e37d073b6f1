"""The project's commands behind `make`: python3 scripts/project.py TARGET [arguments for pytest]."""

from __future__ import annotations

import argparse
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
    steps.run("demo", [checks.interpreter("demo", steps), "examples/demo.py"])


def test_backend(steps: Steps, backend: str, *options: str) -> None:
    """Run the first tier's tests with one backend, or those that the options name."""
    arguments = checks.chosen(options, *tiers.arguments_for(backend))
    checks.run_tests(steps, backend, f"{backend}: tests", arguments)


def test_native(steps: Steps, backend: str, *options: str) -> None:
    """Check the types of a backend on a native client and run its tests, or those that the options name."""
    if not options:
        checks.native_types(steps, backend)
    test_backend(steps, backend, *options)


def test_fast(steps: Steps) -> None:
    """Run the tests that need no server, with each backend."""
    for backend in checks.BACKENDS:
        test_backend(steps, backend, "-m", "not server")


def accel(steps: Steps, *options: str) -> None:
    """Build the accelerator and run its tests with each backend, where this machine can compile it."""
    for backend in checks.BACKENDS:
        checks.accelerator_tests(steps, backend, *options)


def compatibility(steps: Steps, *options: str) -> None:
    """Run the tests of what others have made: packages for version 1 of the contract, the object mapper."""
    for backend in checks.BACKENDS:
        checks.compatibility(steps, backend, *options)


def differential(steps: Steps, *options: str) -> None:
    """Compare all ways to send requests on random tables, with each backend; COODIE_SEEDS names the seeds."""
    for backend in checks.BACKENDS:
        checks.differential(steps, backend, *options)


def reliability(steps: Steps, *options: str) -> None:
    """Run what shows how things break, quick and long, with each backend; print the table and write it.

    A test that fails is in the table, too, and fails the run.
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
    """Run the recipes with the frameworks that they are for."""
    arguments = ("-m", "recipes", *checks.chosen(options, "tests/recipes"))
    checks.run_tests(steps, "recipes", "recipes", arguments, rerun=Rerun("recipes"))


def docs(steps: Steps) -> None:
    """Build the documentation, and serve it where somebody sits in front of it."""
    checks.build_docs(steps)
    if sys.stdout.isatty():
        serve(checks.SITE)
    else:
        print(f"   the site is in {checks.SITE.relative_to(ROOT)}; on a terminal it would be served now")


def types(steps: Steps) -> None:
    """Check the types of all there is.

    Args:
        steps: Takes the steps.
    """
    checks.types(steps)
    checks.types_of_tests(steps)


def bench(steps: Steps, *options: str) -> None:
    """Run the benchmarks; environments of contestants are made as they are needed."""
    steps.run("benchmarks", [checks.interpreter("bench", steps), "benchmarks/bench.py", *options])


def release_check(steps: Steps) -> None:
    """Build all distributions, install them into clean environments, and run the demo from there."""
    check(steps, checks.interpreter("scylla", steps))


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
    parser.add_argument("--pytest", default="", help="arguments for pytest or the benchmarks, as in a shell")
    parsed = parser.parse_args(arguments)
    options = shlex.split(parsed.pytest)
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
        print("\ninterrupted; nothing was left running", file=sys.stderr)
        return 130
    if steps.outcomes:
        steps.summarise()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
