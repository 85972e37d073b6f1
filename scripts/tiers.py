"""The concurrent jobs of `make test` and `make test-all`.

A part is one run of pytest: directories of tests with one backend. All parts of a run share the local
Cassandra nodes of `shared_nodes`, so that none of them waits for a node to start.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import accelerator
import checks
import points
from jobs import Job, run_side_by_side
from outcomes import Rerun
from steps import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from steps import Steps

__all__ = [
    "EXTENDED",
    "TEST",
    "Part",
    "arguments_for",
    "jobs_of_test",
    "jobs_of_test_all",
    "test",
    "test_all",
]

#: The environment variable that limits the duration of the second tier.
_MINUTES = "COODIE_TEST_MINUTES"

#: The number of concurrent jobs: two more than cores, because tests wait for servers and child processes.
_WIDTH = (os.cpu_count() or 2) + 2


@dataclass(frozen=True)
class Part:
    """One run of pytest.

    Args:
        title: The name; begins with the backend's.
        paths: Directories of tests.
        options: Options for pytest.
        marks: The expression that selects tests by mark; empty: those of the first tier.
        after: The names of jobs that must finish first.
    """

    title: str
    paths: tuple[str, ...]
    options: tuple[str, ...] = ()
    marks: str = ""
    after: tuple[str, ...] = ()

    @property
    def backend(self) -> str:
        """The `driver_type`."""
        return self.title.partition(":")[0]


#: Unit tests that depend on the driver; in the first tier, the others only run with scylla-driver.
_DEPENDS_ON_DRIVER = ("coodie_core/tests/cassandra", "coodie_core/tests/protocol")

#: Combinations of two backends, sync and async (conftest.py): a test's first one; the others; the first one,
#: and the one that differs in both.
_FIRST, _OTHERS, _OPPOSITE = (
    ("--combinations=0",),
    ("--combinations=1,2,3",),
    ("--combinations=0,2",),
)
_ON_A_SERVER = ("tests/integration", "tests/kit")

#: The first tier, the longest parts first. Local nodes, packages, documents and benchmarks don't depend on
#: the backend: their tests only run with scylla-driver.
TEST = (
    Part("scylla: core", ("coodie_core/tests",)),
    Part("scylla: integration", ("tests/integration",), _FIRST),
    Part("cassandra: integration", ("tests/integration",), _FIRST),
    Part(
        "scylla: project",
        (
            "tests/docs",
            "tests/packaging",
            "tests/plugins",
            "tests/reliability",
            "tests/simulation",
            "tests/fuzz",
        ),
    ),
    Part("scylla: local node", ("coodie_local/tests",)),
    Part("scylla: arrow", ("coodie_arrow/tests",)),
    Part("scylla: conformance", ("tests/kit",), _FIRST),
    Part("cassandra: conformance", ("tests/kit",), _FIRST),
    Part("cassandra: core", _DEPENDS_ON_DRIVER),
)

_EXTENDED = "(extended or faults) and not reliability"

#: The additional parts of `make test-all`.
EXTENDED = (
    *(Part(f"{backend}: other combinations", _ON_A_SERVER, _OTHERS) for backend in checks.BACKENDS),
    *(
        Part(f"{backend}: without the fast path", _ON_A_SERVER, ("--fast-path=off", *_OPPOSITE))
        for backend in checks.BACKENDS
    ),
    Part(
        "cassandra: rest of core",
        ("coodie_core/tests",),
        tuple(f"--ignore={path}" for path in _DEPENDS_ON_DRIVER),
    ),
    Part("scylla: faults", ("tests/reliability",), marks=_EXTENDED),
    Part("cassandra: faults", ("tests/reliability",), marks=_EXTENDED),
    Part("scylla: kit", ("tests/kit",), marks=_EXTENDED),
    Part("cassandra: kit", ("tests/kit",), _OPPOSITE, marks=_EXTENDED),
    Part("scylla: benchmarks", ("tests/benchmarks",)),
    Part("scylla: simulations", ("tests/simulation",), marks=_EXTENDED),
    Part("scylla: models", ("coodie_core/tests",), marks=_EXTENDED),
    Part("scylla: random tables as columns", ("tests/integration",), marks=_EXTENDED),
    Part("scylla: packages", ("tests/packaging", "tests/plugins"), marks=_EXTENDED),
    Part("scylla: starts of a local node", ("coodie_local/tests",), marks=_EXTENDED),
    Part("scylla: documents", ("tests/docs",), marks="browser or extended", after=("documentation",)),
    *(Part(f"{backend}: tests", (f"{path}/tests",)) for backend, path in checks.NATIVE.items()),
    Part("together: all backends in one environment", ("tests/together",)),
)


#: Seeds of the simulation; in one process, because other jobs run concurrently.
_SEEDS = {"scylla": ("0+1000", "--jobs=1")}


def arguments_for(backend: str) -> list[str]:
    """Return the directories of all tests of both tiers with a backend, without duplicates.

    Args:
        backend: The `driver_type`.
    """
    paths = {path for part in (*TEST, *EXTENDED) if part.backend == backend for path in part.paths}
    return sorted(path for path in paths if not any(path.startswith(f"{other}/") for other in paths))


def test(steps: Steps) -> None:
    """Run the first tier: style, types, tests with a real Cassandra and both backends, documentation.

    Args:
        steps: Runs the steps.

    Raises:
        Failure: A step failed. The other steps ran.
    """
    _run(steps, jobs_of_test)


def test_all(steps: Steps) -> None:
    """Run the first tier, then the second.

    COODIE_TEST_MINUTES limits the time in which jobs of the second tier are started.

    Args:
        steps: Runs the steps.

    Raises:
        Failure: A step failed, while the other steps ran; or COODIE_TEST_MINUTES is invalid.
    """
    minutes = os.environ.get(_MINUTES)
    if minutes is not None and not minutes.isdecimal():
        raise Failure(f"{_MINUTES} must be a whole number of minutes, not {minutes!r}")
    begin_by = None if minutes is None else int(minutes) * 60.0
    points.clear()
    os.environ[points.VARIABLE] = str(points.COUNTS)
    _run(steps, partial(jobs_of_test_all, begin_by=begin_by))


def _run(steps: Steps, jobs: Callable[[Steps, str | None], Iterable[Job]]) -> None:
    """Make the environments of both backends, then run jobs with their shared nodes."""
    run_side_by_side(steps, [_environment(name, steps) for name in checks.BACKENDS], _WIDTH)
    command = checks.shared_nodes(steps)
    nodes: AbstractContextManager[str | None] = (
        nullcontext(None) if command is None else steps.background("local Cassandra", command, _address)
    )
    with nodes as address:
        run_side_by_side(steps, list(jobs(steps, address)), _WIDTH)


def _address(line: str) -> str | None:
    """Return the address in a line of `shared_nodes`, or None."""
    word, _, address = line.strip().partition(" at ")
    return address if word == "ready" else None


def jobs_of_test(steps: Steps, nodes: str | None) -> list[Job]:
    """Return the jobs of `make test`.

    Args:
        steps: Runs their steps.
        nodes: The address of the shared nodes; None: the tests use the user's server.
    """
    return [
        *(_part(part, steps, nodes) for part in TEST[:2]),
        Job("style", partial(checks.lint, steps)),
        Job("types", partial(checks.types, steps)),
        _part(TEST[2], steps, nodes),
        Job("documentation", partial(checks.build_docs, steps)),
        *(_part(part, steps, nodes) for part in TEST[3:]),
    ]


def jobs_of_test_all(steps: Steps, nodes: str | None, begin_by: float | None = None) -> list[Job]:
    """Return the jobs of `make test-all`; those of `make test` come first.

    Args:
        steps: Runs their steps.
        nodes: As for `jobs_of_test`.
        begin_by: Seconds after which no job of the second tier is started; None: no limit.
    """
    first = jobs_of_test(steps, nodes)
    second = [
        *(_environment(name, steps) for name in (*checks.NATIVE, "together")),
        *(_part(part, steps, nodes) for part in EXTENDED),
        *(
            Job(f"{name}: types", partial(checks.native_types, steps, name), (f"{name}: environment",))
            for name in checks.NATIVE
        ),
        Job("types of the tests", partial(checks.types_of_tests, steps)),
        Job("accelerator", partial(accelerator.build, steps)),
        *(
            Job(f"{backend}: {name}", partial(tests, steps, backend, nodes=nodes), ("accelerator",))
            for name, tests in (
                ("accelerator", checks.accelerator_tests),
                ("differential", checks.differential),
            )
            for backend in checks.BACKENDS
        ),
        *(
            Job(f"{backend}: simulation", partial(checks.simulate, steps, backend, *seeds))
            for backend, seeds in _SEEDS.items()
        ),
        Job("example", partial(checks.example, steps)),
        *(
            Job(f"{backend}: compatibility", partial(checks.compatibility, steps, backend, nodes=nodes))
            for backend in checks.BACKENDS
        ),
    ]
    second.append(Job("points", points.check, tuple(job.name for job in (*first, *second))))
    return [*first, *(replace(job, begin_by=begin_by) for job in second)]


def _environment(name: str, steps: Steps) -> Job:
    return Job(f"{name}: environment", partial(checks.interpreter, name, steps))


def _part(part: Part, steps: Steps, nodes: str | None) -> Job:
    arguments = [*part.options, *(("-m", part.marks) if part.marks else ()), *part.paths]
    rerun = Rerun(
        f"test-{part.backend}",
        tuple(option for option in part.options if option not in (*_FIRST, *_OTHERS, *_OPPOSITE)),
    )
    work = partial(checks.run_tests, steps, part.backend, part.title, arguments, rerun=rerun, nodes=nodes)
    environment = () if part.backend in checks.BACKENDS else (f"{part.backend}: environment",)
    return Job(part.title, work, (*environment, *part.after))
