"""Errors of the machine while metadata is read: they are ours, name their cause, and don't last."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.distributions import Site, announcing, config_for

from coodie.exceptions import DriverLoadError, DriverNotFoundError, ObserverLoadError
from coodie.observers import activate_observer
from coodie.plugins.discovery import DriverIndex
from coodie.plugins.host import PluginHost
from coodie_doctor.examination import examine

if TYPE_CHECKING:
    from collections.abc import Callable

PLUGIN = """
from coodie.plugins import DriverDescription, hookimpl

@hookimpl
def coodie_describe_driver():
    return DriverDescription(summary="x", needs=("acme-client",))

@hookimpl
def coodie_open_driver(config):
    raise NotImplementedError
"""

BUSY = OSError(errno.EMFILE, "Too many open files")


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Make the reading of metadata fail, until the list that is returned is cleared."""

    def start(part: str) -> list[str]:
        failing, read = ["yes"], Path.read_text

        def read_text(path: Path, *args: Any, **kwargs: Any) -> str:
            if failing and part in f"{path.parent.name}/{path.name}":
                raise BUSY
            return read(path, *args, **kwargs)

        monkeypatch.setattr(Path, "read_text", read_text)
        return failing

    return start


@pytest.mark.parametrize("name", ["acme", "acme@acme-db"])
@pytest.mark.parametrize(
    "file",
    ["acme_db-2.0.dist-info/entry_points.txt", "acme_db-2.0.dist-info/METADATA", "core", "RECORD", "client"],
)
def test_passing(on_path: Site, name: str, file: str, fail: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever file can't be read now, the error names the cause; the next call finds the backend."""
    monkeypatch.setattr("coodie.plugins.requirements.find_installed.__defaults__", (on_path.distributions,))
    on_path.install("acme-client")
    on_path.install(
        "acme-db", "2.0", entry_points=announcing("acme", "acme_plugin"), files={"acme_plugin.py": PLUGIN}
    )
    host = PluginHost(on_path.index())
    failing = fail(file)
    with pytest.raises(DriverLoadError, match=r"raised OSError: \[Errno \d+\] Too many open files") as caught:
        host.check(config_for(name))
    assert not isinstance(caught.value, DriverNotFoundError)
    assert caught.value.__cause__ is BUSY
    failing.clear()
    host.check(config_for(name))
    assert host.failures() == {}


def test_one_distribution_disturbs_no_other(site: Site, fail: Any) -> None:
    """A distribution whose files can't be read hides no other's backend, and is listed until they can."""
    site.install("bad-db", entry_points=announcing("bad", "bad"))
    site.install("good-db", entry_points=announcing("good", "good"))
    index = site.index()
    failing = fail("bad_db")
    assert [entry.driver_type for entry in index.entry_points()] == ["good"]
    assert index.unreadable() == ("bad-db",)
    failing.clear()
    assert [entry.driver_type for entry in index.entry_points()] == ["bad", "good"]
    assert index.unreadable() == ()


def test_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be listed isn't empty: who asks what is installed is told, and asks again with success."""
    with monkeypatch.context() as patched:
        patched.setattr("os.scandir", _busy)
        with pytest.raises(DriverLoadError, match="Too many open files"):
            PluginHost(DriverIndex(source=lambda **_: [])).entry_points()
    assert PluginHost(DriverIndex(source=lambda **_: [])).entry_points() == []


def test_observers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same holds for observers that are looked up by name."""
    monkeypatch.setattr("importlib_metadata.entry_points", _busy)
    with pytest.raises(ObserverLoadError, match="Too many open files") as caught:
        activate_observer("nobodys")
    assert caught.value.__cause__ is BUSY


def test_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor tells of it, and takes no file for altered that it can't read."""
    monkeypatch.setattr("importlib.metadata.distribution", _busy)
    (finding,) = examine().findings
    assert "can't be read now: OSError: [Errno" in finding.message


def _busy(*_args: Any, **_kwargs: Any) -> Any:
    raise BUSY


def test_without_a_free_file_descriptor() -> None:
    """A process without free file descriptors is told so, and finds everything once it has some."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=60, check=False
    )
    assert child.stderr == ""
    assert child.stdout.splitlines() == ["DriverLoadError", "True", "DriverNotFoundError"]


CHILD = """
import os, resource
import coodie, importlib_metadata, coodie.plugins.host, coodie.plugins.requirements, coodie.options.connection

def attempt():
    try:
        coodie.init_coodie(hosts=["a"], driver_type="nobodys")
    except coodie.CoodieError as exc:
        return exc

resource.setrlimit(resource.RLIMIT_NOFILE, (50, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    error = attempt()
print(type(error).__name__)
print("Too many open files" in str(error))
for descriptor in held:
    os.close(descriptor)
print(type(attempt()).__name__)
"""
