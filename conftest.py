"""What holds for all tests: which need a server, which are long, where its nodes are, the fast path.

With ``--import-mode=importlib`` the file ``coodie_scylla/tests/test_x.py`` becomes the module
``coodie_scylla.tests.test_x``; without the package imported by then, pytest would put the directory there.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import re
import signal
import sys
import zlib
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from coodie_local._pytest_servers import ServerPool

for _name in (
    "coodie_scylla",
    "coodie_cassandra",
    "coodie_rust",
    "coodie_acsylla",
    "coodie_testing",
    "coodie_local",
    "coodie_accel",
    "coodie_arrow",
):
    _spec = importlib.util.find_spec(_name)
    if _spec is not None and _spec.origin is not None:  # without an origin it is the directory
        importlib.import_module(_name)

#: Tests of a distribution, run alone, import modules from tests/, too.
_tests = ModuleType("tests")
_tests.__path__ = [str(Path(__file__).parent / "tests")]
sys.modules.setdefault("tests", _tests)


#: Whether the backend is cassandra, and not scylla.
_IS_CASSANDRA = importlib.util.find_spec("coodie_scylla") is None
#: Marks of tests that run only where ``-m`` names one of a test's own.
_LONG = ("reliability", "faults", "extended", "recipes", "browser")
#: The address at which a run of `make` gives its nodes to all its test processes (scripts/shared_nodes.py).
_NODES = "COODIE_TEST_NODES"
#: Where it is set, nothing may be skipped because the machine lacks a package.
_COMPLETE = "COODIE_TEST_COMPLETE"


#: The directory for the counts of the points that were reached (scripts/points.py).
_POINTS = "COODIE_TEST_POINTS"
_points: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a whole run go the drivers' own way."""
    parser.addoption(
        "--fast-path",
        choices=("on", "off"),
        default="on",
        help="off: requests go the driver's way wherever a test doesn't say otherwise",
    )
    parser.addoption(
        "--combinations",
        type=_numbers,
        help="combinations of a test's backend, scylla or cassandra, and of sync and async: numbers from 0 "
        "to 3 with commas; 0 has each test once; 0,2 with both backends, once as sync and once as async; a "
        "test without these two forms has only 0 and 1",
    )


def _numbers(text: str) -> set[int]:
    """Read the numbers of combinations; pytest turns the error into one of usage."""
    numbers = {int(number) for number in text.split(",")}
    if not numbers <= set(range(4)):
        raise ValueError(text)
    return numbers


def pytest_configure(config: pytest.Config) -> None:
    """Exchange the default of CassandraDriver's argument: all that opens one takes it from there."""
    from coodie._points import hooks
    from coodie.drivers.cassandra.driver import CassandraDriver

    # A shell's background jobs ignore Ctrl-C, and so would the processes that tests start and interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Many tests call the sync form of a method in a coroutine, as they await the async form.
    logging.getLogger("coodie.event_loop").setLevel(logging.ERROR)
    defaults = CassandraDriver.__init__.__kwdefaults__ or {}
    defaults["fast_path"] = config.getoption("--fast-path") == "on"
    if os.environ.get(_POINTS):
        hooks.append(lambda name: _points.update((name,)))
    if importlib.util.find_spec("hypothesis"):
        from hypothesis import HealthCheck, settings

        # On a busy machine, any example may take longer than hypothesis's limits.
        settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
        settings.load_profile("busy")


def pytest_unconfigure() -> None:
    """Write the counts of this process; each worker has its own."""
    directory = os.environ.get(_POINTS)
    if directory and _points:
        Path(directory, f"{os.getpid()}-{id(_points)}.json").write_text(json.dumps(_points), encoding="utf-8")


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that use the session's Cassandra; leave the long ones out unless they're asked for."""
    named = any("::" in argument for argument in config.args)  # a test that is named runs
    left_out = set() if named else {mark for mark in _LONG if mark not in config.option.markexpr}
    long: list[pytest.Item] = []
    kept: list[pytest.Item] = []
    for item in items:
        if "cassandra_node" in getattr(item, "fixturenames", ()):
            item.add_marker("server")
        marks = {mark for mark in _LONG if item.get_closest_marker(mark)}
        (long if marks and marks <= left_out else kept).append(item)
    if (chosen := config.getoption("--combinations")) and not named:
        forms = Counter(_without_form(item.nodeid) for item in items)
        candidates, kept = kept, []
        for item in candidates:
            (kept if _combination(item.nodeid, forms) in chosen else long).append(item)
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = kept


def _without_form(nodeid: str) -> str:
    """Return what the sync and the async form of a test have in common."""
    return re.sub(r"\ba?sync\b", "", nodeid)


def _combination(nodeid: str, forms: Counter[str]) -> int:
    """Return the number of a test's combination of backend and form; the name decides which one is number 0.

    Args:
        nodeid: The test's.
        forms: The forms of each test: 2 where it has both.
    """
    test = _without_form(nodeid)
    first = zlib.crc32(test.encode())
    if forms[test] == 1:
        return (_IS_CASSANDRA - first) % 2
    is_async = re.search(r"\basync\b", nodeid) is not None
    # Opposite combinations differ in both.
    return (_IS_CASSANDRA * 3 - first if not is_async else 1 + _IS_CASSANDRA - first) % 4


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that is skipped for lack of a Debian package where those have to be installed: in CI."""
    report = yield
    if report.skipped and os.environ.get(_COMPLETE) and "apt install" in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{_COMPLETE} is set, and {item.nodeid} was skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def _cassandra_servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerPool]:
    """Give the nodes that all test processes of a run of `make` share, instead of starting others."""
    from coodie_local._pytest_servers import ServerPool

    names = request.config.getoption("coodie_local"), request.config.getoption("cassandra_version")
    with ServerPool(tmp_path_factory, *names, os.environ.get(_NODES)) as pool:
        yield pool


@pytest.fixture(scope="session")
def backend() -> str:
    """Name the backend that is installed in this virtual environment."""
    from coodie.plugins import installed_drivers

    (name,) = {entry.driver_type for entry in installed_drivers()} & {"scylla", "cassandra"}
    return name
