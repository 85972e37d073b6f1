"""Where no event loop of the driver's can be loaded or would run, the error says what to do."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from coodie.drivers.cassandra._reactors import check_patching
from coodie.exceptions import ConfigurationError

#: The connections that cassandra-driver has for gevent, and usual ones.
GEVENT: Any = type("GeventConnection", (), {"__module__": "cassandra.io.geventreactor"})
LIBEV: Any = type("LibevConnection", (), {"__module__": "cassandra.io.libevreactor"})

CHILD = """
import sys
sys.modules["cassandra.io.libevwrapper"] = sys.modules["asyncore"] = None
import coodie
try:
    coodie.init_coodie(hosts=["127.0.0.1"], port=1, driver_type=sys.argv[1])
except coodie.CoodieError as exc:
    print(type(exc).__name__, getattr(exc, "missing", None), exc.command, sep="|")
"""


def test_without_an_event_loop(backend: str) -> None:
    """cassandra-driver without libev and asyncore lacks a dependency; scylla-driver takes asyncio's loop."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD, backend], capture_output=True, text=True, timeout=60, check=True
    )
    if backend == "cassandra":
        assert child.stdout == "DriverDependencyError|pyasyncore|pip install pyasyncore\n"
    else:
        assert child.stdout.startswith("ConnectionFailedError|")


@pytest.mark.parametrize(
    ("connections", "patched", "refused"),
    [
        (LIBEV, ("socket", "threading"), True),
        (LIBEV, ("threading",), True),
        (LIBEV, ("socket",), True),
        (LIBEV, ("subprocess",), False),
        (GEVENT, ("socket", "threading"), False),
        (GEVENT, ("socket",), True),
    ],
)
def test_a_patched_standard_library(
    connections: Any, patched: tuple[str, ...], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gevent's patches go with its own connections alone: all others would hang, and are refused."""
    gevent = SimpleNamespace(is_module_patched=lambda module: module in patched)
    check_patching(connections)
    monkeypatch.setitem(sys.modules, "gevent.monkey", gevent)
    if not refused:
        check_patching(connections)
        return
    with pytest.raises(ConfigurationError, match=f"gevent has patched {' and '.join(patched)}, ") as caught:
        check_patching(connections)
    assert caught.value.option == "driver_type"


def test_a_patched_standard_library_is_noticed_before_anything_is_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check is made with the configuration's own."""
    from coodie.config import build_config
    from coodie.drivers.cassandra.backend import check_cassandra_config

    eventlet = SimpleNamespace(is_monkey_patched=lambda _: True)
    monkeypatch.setitem(sys.modules, "eventlet.patcher", eventlet)
    with pytest.raises(ConfigurationError, match="eventlet has patched socket and thread"):
        check_cassandra_config(build_config(hosts=["a"]))
    own = type("EventletConnection", (), {"__module__": "cassandra.io.eventletreactor"})
    check_cassandra_config(build_config(hosts=["a"], connection_class=own))
