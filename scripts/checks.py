"""The checks of the project, each as a step: style, types, tests with one backend, documentation."""

from __future__ import annotations

import os
import shutil
import subprocess
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import accelerator
from environments import ENVIRONMENTS
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
    "chosen",
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
]

#: Backends, each with the distribution that it stands on.
BACKENDS = {"scylla": "scylla-driver", "cassandra": "cassandra-driver"}

#: Backends on native clients, each with its directory and an environment without the package `cassandra`.
NATIVE = {"rust": "coodie_rust", "acsylla": "coodie_acsylla"}

#: Where the documentation is built.
SITE = ROOT / "docs" / "_build" / "html"

#: What mypy and pyright check; editors have the list in pyproject.toml.
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

#: The examples of third parties' packages, which have an environment and a configuration of their own.
_EXAMPLES = {"sigv4": "examples/coodie_sigv4", "replay": "examples/coodie_replay"}

#: pyright would ask the package index for a newer version.
_PYRIGHT = {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}

#: Let pytest find the accelerator that was built.
_WITH_ACCELERATOR = ("-o", f"pythonpath=scripts benchmarks {accelerator.BUILT.relative_to(ROOT)}")

#: Its own tests, and those of what it takes the place of.
_ACCELERATED = (
    "coodie_accel/tests",
    "coodie_arrow/tests/test_filled.py",
    "coodie_core/tests/cassandra/values/test_vectors.py",
    "coodie_core/tests/protocol",
    "tests/fuzz",
    *(
        f"coodie_core/tests/cassandra/fastpath/test_{name}.py"
        for name in ("async_connection", "pipeline", "sync_connection")
    ),
)

#: The variable that names the address at which tests ask for the nodes that they share.
_NODES = "COODIE_TEST_NODES"


def interpreter(name: str, steps: Steps) -> Path:
    """Return an environment's interpreter; the environment is made first unless it is up to date.

    Args:
        name: The environment's.
        steps: Takes the step.
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
    """Check types with mypy, and those of all but the tests with pyright; the blocks of the docs with both.

    Neither driver has type hints, so that the result is the same with both backends: one is enough.
    """
    python = interpreter("scylla", steps)
    pyright = interpreter("types", steps).with_name("pyright")
    steps.run("mypy", [python, "-m", "mypy", *CHECKED])
    _pyright(steps, "pyright", [path for path in CHECKED if not _has_tests(path)])
    pages: list[str | Path] = [python, "scripts/doc_types.py", "--mypy", python, "--pyright", pyright]
    steps.run("types of the documentation", pages)


def types_of_tests(steps: Steps) -> None:
    """Check the types of the tests with pyright, which takes as long as all else that it checks."""
    _pyright(steps, "pyright: tests", [path for path in CHECKED if _has_tests(path)])


def _has_tests(path: str) -> bool:
    return path.endswith("tests")


def _pyright(steps: Steps, title: str, paths: list[str]) -> None:
    pyright = interpreter("types", steps).with_name("pyright")
    command: list[str | Path] = [pyright, "--pythonpath", interpreter("scylla", steps), *paths]
    steps.run(title, command, variables=_PYRIGHT)


def native_types(steps: Steps, backend: str) -> None:
    """Check the types of a backend on a native client, in the environment that has the client.

    Args:
        steps: Takes the steps.
        backend: Its `driver_type`.
    """
    python = interpreter(backend, steps)
    pyright = interpreter("types", steps).with_name("pyright")
    sources = (f"{NATIVE[backend]}/src", f"{NATIVE[backend]}/tests")
    steps.run(f"{backend}: mypy", [python, "-m", "mypy", *sources])
    steps.run(f"{backend}: pyright", [pyright, "--pythonpath", python, *sources], variables=_PYRIGHT)


def build_docs(steps: Steps) -> None:
    """Build the documentation, and check its links; a warning is an error."""
    options = ("-W", "--keep-going", "-q", "-b", "html", "-d", "docs/_build/doctrees")
    python = interpreter("docs", steps)
    site = str(SITE.relative_to(ROOT))
    shutil.rmtree(SITE, ignore_errors=True)  # pages that were removed or renamed
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
        steps: Takes the step.
        environment: Its name.
        title: The step's.
        arguments: For pytest.
        rerun: How one of them is run alone; by default by the environment's target.
        nodes: The address of the nodes that the tests share; None: they start their own.

    Returns:
        The JUnit report.
    """
    report = report_of(environment, title)
    # Not `python -m pytest`: with the root on sys.path, the directory coodie_scylla looks like a package.
    pytest = interpreter(environment, steps).with_name("pytest")
    # Each run's own: at its end, pytest removes old directories, and fails if another run does so, too.
    with TemporaryDirectory(prefix="coodie-tests-", ignore_cleanup_errors=True) as directory:
        variables = {"PYTEST_DEBUG_TEMPROOT": directory}
        if nodes is not None:
            variables[_NODES] = nodes
        steps.run(
            title,
            [pytest, f"--junit-xml={report}", *arguments],
            report=report,
            rerun=rerun or Rerun(f"test-{environment}"),
            variables=variables,
        )
    return report


def chosen(options: Sequence[str], *paths: str) -> list[str]:
    """Add the paths of tests to arguments for pytest that name no test by themselves.

    Args:
        options: The arguments, as users give them.
        paths: What is run unless they choose.
    """
    names_tests = any(
        not option.startswith("-") and (ROOT / option.partition("::")[0]).exists() for option in options
    )
    return [*options, *(() if names_tests else paths)]


def simulate(steps: Steps, backend: str, *options: str) -> None:
    """Run seeds of the simulation; those that fail are printed with the command that replays them.

    Args:
        steps: Takes the step.
        backend: The `driver_type`.
        options: The seeds, and other options of `tests.simulation`.
    """
    python = interpreter(backend, steps)
    command: list[str | Path] = [python, "-m", "tests.simulation", "--backend", backend, *options]
    steps.run(f"{backend}: simulation", command)


def report_of(environment: str, title: str) -> Path:
    """Return where a run of tests writes its JUnit report.

    Args:
        environment: The environment's name.
        title: The step's.
    """
    return ENVIRONMENTS[environment].path / f"{title.replace(': ', '-').replace(' ', '-')}.xml"


def version_of(distribution: str, python: Path) -> str:
    """Return the version of a distribution that is installed in an environment.

    Args:
        distribution: Its name.
        python: The environment's interpreter.
    """
    show = f"from importlib.metadata import version; print(version({distribution!r}))"
    return subprocess.run([python, "-c", show], check=True, capture_output=True, text=True).stdout.strip()


def accelerator_tests(steps: Steps, backend: str, *options: str, nodes: str | None = None) -> None:
    """Run the accelerator's tests with a backend, where this machine can compile it.

    Args:
        steps: Takes the steps.
        backend: Its `driver_type`.
        options: For pytest.
        nodes: As for `run_tests`.
    """
    if accelerator.build(steps):
        arguments = (*_WITH_ACCELERATOR, *chosen(options, *_ACCELERATED))
        run_tests(steps, backend, f"{backend}: accelerator", arguments, rerun=Rerun("accel"), nodes=nodes)
        if not options:
            title = f"{backend}: simulation with the accelerator"
            command: list[str | Path] = [interpreter(backend, steps), "-m", "tests.simulation", "0+50"]
            variables = {"PYTHONPATH": str(accelerator.BUILT)}
            steps.run(title, [*command, "--backend", backend, "--jobs=1"], variables=variables)


def compatibility(steps: Steps, backend: str, *options: str, nodes: str | None = None) -> None:
    """Run the tests of what others have made: with cassandra-driver, of the object mapper alone.

    Args:
        steps: Takes the step.
        backend: Its `driver_type`.
        options: For pytest.
        nodes: As for `run_tests`.
    """
    directory = "tests/compatibility"
    if backend == "scylla":
        environment, title, path = "compatibility", "scylla: compatibility", directory
    else:
        environment, title = "object-mapper", f"{backend}: object mapper"
        path = f"{directory}/test_object_mapper.py"
    arguments = chosen(options, path)
    run_tests(steps, environment, title, arguments, rerun=Rerun("compatibility"), nodes=nodes)


def differential(steps: Steps, backend: str, *options: str, nodes: str | None = None) -> None:
    """Compare all ways to send requests with each other, those with the accelerator where it compiles.

    Args:
        steps: Takes the steps.
        backend: Its `driver_type`.
        options: For pytest.
        nodes: As for `run_tests`.
    """
    found = _WITH_ACCELERATOR if accelerator.build(steps) else ()
    arguments = (*found, *chosen(options, "tests/differential"))
    title = f"{backend}: differential"
    run_tests(steps, backend, title, arguments, rerun=Rerun("differential"), nodes=nodes)


def example(steps: Steps, *options: str) -> None:
    """Check the examples of third parties' packages: types and tests."""
    for name, directory in _EXAMPLES.items():
        python = interpreter(name, steps)
        configuration = f"{directory}/pyproject.toml"
        sources = (f"{directory}/src", f"{directory}/tests")
        steps.run(f"example {name}: mypy", [python, "-m", "mypy", "--config-file", configuration, *sources])
        arguments = ("-c", configuration, *chosen(options, sources[1]))
        run_tests(steps, name, f"example {name}: tests", arguments, rerun=Rerun("example"))


def shared_nodes(steps: Steps) -> list[str | Path] | None:
    """Return the command that runs the nodes which test processes share.

    None where the tests use a server of the user's.
    """
    if os.environ.get("COODIE_HOSTS"):
        return None
    return [interpreter("scylla", steps), "scripts/shared_nodes.py"]
