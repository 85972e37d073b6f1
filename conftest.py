"""What holds for all tests: which need a server, which are long, whose module a name is, the fast path.

With ``--import-mode=importlib`` the file ``coodie_scylla/tests/test_x.py`` becomes the module
``coodie_scylla.tests.test_x``; without the package imported by then, pytest would put the directory there.
"""

from __future__ import annotations

import importlib
import importlib.util

import pytest

for _name in ("coodie_scylla", "coodie_cassandra", "coodie_local", "coodie_accel"):
    _spec = importlib.util.find_spec(_name)
    if _spec is not None and _spec.origin is not None:  # without an origin it is the directory
        importlib.import_module(_name)


#: Marks of tests that run only where ``-m`` asks for them: the target of `make` with that name does.
_LONG = ("reliability", "plugins", "recipes")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a whole run go the drivers' own way."""
    parser.addoption(
        "--fast-path",
        choices=("on", "off"),
        default="on",
        help="off: requests go the driver's way wherever a test doesn't say otherwise",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Exchange the default of CassandraDriver's argument: all that opens one takes it from there."""
    from coodie.drivers.cassandra.driver import CassandraDriver

    defaults = CassandraDriver.__init__.__kwdefaults__ or {}
    defaults["fast_path"] = config.getoption("--fast-path") == "on"


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that use the session's Cassandra; leave the long ones out unless they're asked for."""
    wanted = config.option.markexpr
    left_out = [name for name in _LONG if name not in wanted]
    long: list[pytest.Item] = []
    kept: list[pytest.Item] = []
    for item in items:
        if "cassandra_node" in getattr(item, "fixturenames", ()):
            item.add_marker("server")
        (long if any(item.get_closest_marker(name) for name in left_out) else kept).append(item)
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = kept
