"""The project's checks as steps: style, types, tests with one backend, documentation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import accelerator
from environments import ENVIRONMENTS, VARIABLE, make_with
from outcomes import Rerun
from steps import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from steps import Steps

__all__ = [
    "BACKENDS",
    "CHECKED",
    "NATIVE",
    "SITE",
    "accelerator_tests",
    "build_docs",
    "compatibility",
    "differential",
    "example",
    "interpreter",
    "lint",
    "native_types",
    "report_of",
    "run_tests",
    "shared_nodes",
    "types",
    "types_of_tests",
    "version_of",
    "with_default_paths",
]

#: Backends, each with the distribution of its driver.
BACKENDS = {"scylla": "scylla-driver", "cassandra": "cassandra-driver"}

#: Backends with native clients and their directories; their environments lack the package `cassandra`.
NATIVE = {"rust": "coodie_rust", "acsylla": "coodie_acsylla"}

#: The build directory of the documentation.
SITE = ROOT / "docs" / "_build" / "html"

#: The paths that mypy and pyright check; pyproject.toml has the list for editors.
CHECKED = (
    "coodie_core/src",
    "coodie_scylla/src",
    "coodie_cassandra/src",
    "coodie_testing/src",
    "coodie_local/src",
    "coodie_accel/src",
    "coodie_arrow/src",
    "coodie_core/tests",
    "coodie_local/tests",
    "coodie_accel/tests",
    "coodie_arrow/tests",
    "tests",
    "scripts",
    "examples/demo.py",
    "benchmarks",
    "conftest.py",
)

#: The examples of third-party packages, each with its own environment and configuration.
_EXAMPLES = {"sigv4": "examples/coodie_sigv4", "replay": "examples/coodie_replay"}

#: Stops pyright from looking for a newer version on the package index.
_PYRIGHT = {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}

#: Adds the built accelerator to pytest's path.
_WITH_ACCELERATOR = ("-o", f"pythonpath=scripts benchmarks {accelerator.BUILT.relative_to(ROOT)}")

#: The accelerator's tests, and those of the code that it replaces.
_ACCELERATED = (
    "coodie_accel/tests",
    "coodie_arrow/tests/test_filled.py",
    "coodie_core/tests/cassandra/values/test_vectors.py",
    "coodie_core/tests/protocol",
    "tests/fuzz",
    "tests/integration/test_row_shapes.py",
    "tests/integration/test_scan.py",
    *(
        f"coodie_core/tests/cassandra/fastpath/test_{name}.py"
        for name in ("async_connection", "pipeline", "sync_connection")
    ),
)

#: `make`, with the variables that select this interpreter where `make test-versions` does.
_MAKE = make_with(os.environ.get(VARIABLE, ""), sys.executable)

#: The environment variable with the address of the shared nodes.
_NODES = "COODIE_TEST_NODES"


def interpreter(name: str, steps: Steps) -> Path:
    """Return an environment's interpreter; create or update the environment if necessary.

    Args:
        name: The environment's name.
        steps: Runs the step.
    """
    environment = ENVIRONMENTS[name]
    environment.ensure(steps)
    return environment.python


def lint(steps: Steps) -> None:
    """Check style and formatting."""
    ruff: list[str | Path] = [interpreter("scylla", steps), "-m", "ruff"]
    steps.run("ruff check", [*ruff, "check", "."])
    steps.run("ruff format", [*ruff, "format", "--check", "."])


def types(steps: Steps) -> None:
    """Check types with mypy and, without the tests, with pyright; the docs' code blocks with both.

    One backend is enough: neither driver has type hints, so the result is the same with both.
    """
    python = interpreter("scylla", steps)
    pyright = interpreter("types", steps).with_name("pyright")
    steps.run("mypy", [python, "-m", "mypy", *CHECKED])
    _pyright(steps, "pyright", [path for path in CHECKED if not _has_tests(path)])
    pages: list[str | Path] = [python, "scripts/doc_types.py", "--mypy", python, "--pyright", pyright]
    steps.run("types of the documentation", pages)


def types_of_tests(steps: Steps) -> None:
    """Check the types of the tests with pyright, which takes as long as all other type checks with it."""
    _pyright(steps, "pyright: tests", [path for path in CHECKED if _has_tests(path)])


def _has_tests(path: str) -> bool:
    return path.endswith("tests")


def _pyright(steps: Steps, title: str, paths: Sequence[str], environment: str = "scylla") -> None:
    pyright = interpreter("types", steps).with_name("pyright")
    command: list[str | Path] = [pyright, "--pythonpath", interpreter(environment, steps), *paths]
    steps.run(title, command, variables=_PYRIGHT)


def native_types(steps: Steps, backend: str) -> None:
    """Check the types of a backend with a native client, in the client's environment.

    Args:
        steps: Runs the steps.
        backend: Its `driver_type`.
    """
    sources = (f"{NATIVE[backend]}/src", f"{NATIVE[backend]}/tests")
    steps.run(f"{backend}: mypy", [interpreter(backend, steps), "-m", "mypy", *sources])
    _pyright(steps, f"{backend}: pyright", sources, backend)


def build_docs(steps: Steps) -> None:
    """Build the documentation and check its links; warnings are errors."""
    options = ("-W", "--keep-going", "-q", "-b", "html", "-d", "docs/_build/doctrees")
    python = interpreter("docs", steps)
    site = str(SITE.relative_to(ROOT))
    shutil.rmtree(SITE, ignore_errors=True)  # removes deleted and renamed pages
    steps.run("documentation", [python, "-m", "sphinx", *options, "docs", site])
    steps.run("links of the documentation", [python, "scripts/site_links.py", site])


def run_tests(
    steps: Steps,
    environment: str,
    title: str,
    arguments: Sequence[str],
    *,
    rerun: Rerun | None = None,
    nodes: str | None = None,
) -> Path:
    """Run pytest in an environment.

    Args:
        steps: Runs the step.
        environment: The environment's name.
        title: The step's title.
        arguments: Arguments for pytest.
        rerun: The command for running a test alone; by default, the environment's target.
        nodes: The address of the shared nodes; None: the tests start their own.

    Returns:
        The JUnit report.
    """
    report = report_of(environment, title)
    # Not `python -m pytest`: with the root on sys.path, the directory coodie_scylla looks like a package.
    pytest = interpreter(environment, steps).with_name("pytest")
    # One directory per run: pytest removes old directories at the end, and fails if another run does so, too.
    with TemporaryDirectory(prefix="coodie-tests-", ignore_cleanup_errors=True) as directory:
        variables = {"PYTEST_DEBUG_TEMPROOT": directory}
        if nodes is not None:
            variables[_NODES] = nodes
        steps.run(
            title,
            [pytest, f"--junit-xml={report}", *arguments],
            report=report,
            rerun=rerun or Rerun(f"test-{environment}", make=_MAKE),
            variables=variables,
        )
    return report


def with_default_paths(options: Sequence[str], *paths: str) -> list[str]:
    """Add default paths to pytest arguments that contain no path.

    Args:
        options: The user's arguments.
        paths: The default paths.
    """
    names_tests = any(
        not option.startswith("-") and (ROOT / option.partition("::")[0]).exists() for option in options
    )
    return [*options, *(() if names_tests else paths)]


def simulate(steps: Steps, backend: str, *options: str) -> None:
    """Run seeds of the simulation; print the command that replays each failing seed.

    Args:
        steps: Runs the step.
        backend: The `driver_type`.
        options: Options of `tests.simulation`, such as seeds.
    """
    python = interpreter(backend, steps)
    command: list[str | Path] = [python, "-m", "tests.simulation", "--backend", backend, *options]
    steps.run(f"{backend}: simulation", command)


def report_of(environment: str, title: str) -> Path:
    """Return the path of a test run's JUnit report.

    Args:
        environment: The environment's name.
        title: The step's title.
    """
    return ENVIRONMENTS[environment].path / f"{title.replace(': ', '-').replace(' ', '-')}.xml"


def version_of(distribution: str, python: Path) -> str:
    """Return the version of an installed distribution.

    Args:
        distribution: The distribution's name.
        python: The environment's interpreter.
    """
    show = f"from importlib.metadata import version; print(version({distribution!r}))"
    return subprocess.run([python, "-c", show], check=True, capture_output=True, text=True).stdout.strip()


def accelerator_tests(steps: Steps, backend: str, *options: str, nodes: str | None = None) -> None:
    """Run the accelerator's tests with a backend, if this machine can compile it.

    Args:
        steps: Runs the steps.
        backend: Its `driver_type`.
        options: Options for pytest.
        nodes: As for `run_tests`.
    """
    if accelerator.build(steps):
        arguments = (*_WITH_ACCELERATOR, *with_default_paths(options, *_ACCELERATED))
        run_tests(steps, backend, f"{backend}: accelerator", arguments, rerun=Rerun("accel"), nodes=nodes)
        if not options:
            title = f"{backend}: simulation with the accelerator"
            command: list[str | Path] = [interpreter(backend, steps), "-m", "tests.simulation", "0+50"]
            variables = {"PYTHONPATH": str(accelerator.BUILT)}
            steps.run(title, [*command, "--backend", backend, "--jobs=1"], variables=variables)


def compatibility(steps: Steps, backend: str, *options: str, nodes: str | None = None) -> None:
    """Run the compatibility tests of third-party packages; with cassandra-driver, only of the object mapper.

    Args:
        steps: Runs the step.
        backend: Its `driver_type`.
        options: Options for pytest.
        nodes: As for `run_tests`.
    """
    directory = "tests/compatibility"
    if backend == "scylla":
        environment, title, path = "compatibility", "scylla: compatibility", directory
    else:
        environment, title = "object-mapper", f"{backend}: object mapper"
        path = f"{directory}/test_object_mapper.py"
    arguments = with_default_paths(options, path)
    run_tests(steps, environment, title, arguments, rerun=Rerun("compatibility"), nodes=nodes)


def differential(steps: Steps, backend: str, *options: str, nodes: str | None = None) -> None:
    """Compare all ways to send requests; includes the accelerator if this machine can compile it.

    Args:
        steps: Runs the steps.
        backend: Its `driver_type`.
        options: Options for pytest.
        nodes: As for `run_tests`.
    """
    found = _WITH_ACCELERATOR if accelerator.build(steps) else ()
    arguments = (*found, *with_default_paths(options, "tests/differential"))
    title = f"{backend}: differential"
    run_tests(steps, backend, title, arguments, rerun=Rerun("differential"), nodes=nodes)


def example(steps: Steps, *options: str) -> None:
    """Check types and run tests of the examples of third-party packages."""
    for name, directory in _EXAMPLES.items():
        python = interpreter(name, steps)
        configuration = f"{directory}/pyproject.toml"
        sources = (f"{directory}/src", f"{directory}/tests")
        steps.run(f"example {name}: mypy", [python, "-m", "mypy", "--config-file", configuration, *sources])
        arguments = ("-c", configuration, *with_default_paths(options, sources[1]))
        run_tests(steps, name, f"example {name}: tests", arguments, rerun=Rerun("example"))


def shared_nodes(steps: Steps) -> list[str | Path] | None:
    """Return the command that runs the shared nodes of the test processes.

    None if the tests use the user's server.
    """
    if os.environ.get("COODIE_HOSTS"):
        return None
    return [interpreter("scylla", steps), "scripts/shared_nodes.py"]
