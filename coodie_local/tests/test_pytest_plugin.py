"""The pytest plug-in."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest

from coodie_local import LocalNode, _pytest_servers
from coodie_local._native import is_ready, run_statement
from coodie_local.errors import NodeStartError
from coodie_local.testserver import ServerSettings, merge_settings

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.extended

RUN = (
    "import sys, pytest\n"
    "sys.exit(pytest.main(['-sq', '-W', 'error', '-p', 'no:cacheprovider', '-p', 'no:asyncio',\n"
    "  '--rootdir', sys.argv[1], '--basetemp', sys.argv[1] + '/base', sys.argv[1], *sys.argv[2:]]))"
)
#: A test that records its fixtures' values.
NOTE = """
import json, os
import pytest
from pathlib import Path

def note(server, **more):
    with Path(__file__).with_name("notes").open("a") as notes:
        notes.write(json.dumps({"address": [server.host, server.port], "pid": os.getpid()} | more) + "\\n")
"""


class Suite:
    """A test suite, run in a separate process."""

    def __init__(self, directory: Path, python: Callable[..., Any]) -> None:
        self._directory = directory
        self._python = python

    def run(self, text: str, *options: str, **environment: str) -> tuple[int, str]:
        """Run pytest; return the exit code and the output."""
        (self._directory / "test_suite.py").write_text(NOTE + text, encoding="utf-8")
        process = self._python(RUN, self._directory, *options, **{"COODIE_HOSTS": ""} | environment)
        output, errors = process.communicate(timeout=110)
        return process.returncode, output + errors

    @property
    def notes(self) -> list[dict[str, Any]]:
        """The values that its tests recorded."""
        lines = (self._directory / "notes").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def suite(tmp_path: Path, python: Callable[..., Any]) -> Suite:
    """Return a suite."""
    return Suite(tmp_path, python)


@pytest.mark.server
def test_a_session_has_one_node_a_module_its_keyspace_and_its_driver(
    suite: Suite, tmp_path: Path, jvms: Callable[[Path], list[int]]
) -> None:
    """The plug-in needs no configuration; one driver serves sync and async tests; no process is left."""
    status, output = suite.run(
        """
import asyncio

@pytest.fixture(scope="module")
def table(cassandra_driver):
    cassandra_driver.execute("CREATE TABLE t (a int PRIMARY KEY)", [])

def test_sync(cassandra_node, cassandra_keyspace, cassandra_driver, table):
    cassandra_driver.execute("INSERT INTO t (a) VALUES (1)", [])
    assert cassandra_driver.execute_one(f"SELECT count(*) FROM {cassandra_keyspace}.t", []) == 1
    note(cassandra_node, keyspace=cassandra_keyspace)

def test_async(cassandra_node, cassandra_driver_async, table):
    assert asyncio.run(cassandra_driver_async.execute_async("SELECT a FROM t", [])) == [{"a": 1}]
    note(cassandra_node)
"""
    )
    assert status == 0, output
    first, second = suite.notes
    assert first["address"] == second["address"]
    assert first["keyspace"].startswith("test_suite_")
    assert jvms(tmp_path) == []


@pytest.mark.server
def test_a_mark_chooses_the_server(suite: Suite, tmp_path: Path, jvms: Callable[[Path], list[int]]) -> None:
    """Tests with the same mark share a server; others use the default node."""
    status, output = suite.run(
        """
@pytest.mark.cassandra(mtls=True, auth=True)
class TestMarked:
    def test_one(self, cassandra_node, cassandra_driver):
        assert cassandra_driver.execute_one("SELECT role FROM system_auth.roles", []) == "cassandra"
        note(cassandra_node)

    @pytest.mark.cassandra(tls=True)
    def test_two(self, cassandra_node, cassandra_driver):
        assert cassandra_driver.ping()
        note(cassandra_node)

def test_plain(cassandra_node):
    assert set(cassandra_node.connection_options()) == {"hosts", "port"}
    note(cassandra_node)
""",
        "-vv",
    )
    assert status == 0, output
    assert "test_one[tls,mtls,auth]" in output
    one, two, plain = (note["address"] for note in suite.notes)
    assert one == two != plain
    assert jvms(tmp_path) == []


@pytest.mark.server
def test_xdist_workers_share_one_node(
    suite: Suite, jvms: Callable[[Path], list[int]], tmp_path: Path
) -> None:
    """Each worker has a keyspace; the controller owns the node, so it survives its workers."""
    status, output = suite.run(
        """
import time

@pytest.mark.parametrize("number", range(4))
def test_one(cassandra_node, cassandra_keyspace, number):
    note(cassandra_node, keyspace=cassandra_keyspace)
    time.sleep(0.5)
    assert cassandra_node.cluster.running
    assert not cassandra_node.cluster.started_here
""",
        "-n2",
    )
    assert status == 0, output
    assert len({tuple(note["address"]) for note in suite.notes}) == 1
    assert len({note["pid"] for note in suite.notes}) == 2
    assert len({note["keyspace"] for note in suite.notes}) == 2


@pytest.mark.server
@pytest.mark.parametrize(("options", "whom"), [((), "os.getpid()"), (("-n1",), "os.getppid()")])
def test_a_killed_run_leaves_no_node(
    suite: Suite,
    tmp_path: Path,
    jvms: Callable[[Path], list[int]],
    eventually: Callable[..., bool],
    options: tuple[str, ...],
    whom: str,
) -> None:
    """SIGKILL of pytest, or of xdist's controller, ends the node immediately."""
    text = f"""
import signal
def test_one(cassandra_node):
    note(cassandra_node, directory=str(cassandra_node.cluster.directory))
    os.kill({whom}, signal.SIGKILL)
"""
    status, _ = suite.run(text, *options)
    assert status == -signal.SIGKILL
    (note,) = suite.notes
    assert eventually(lambda: jvms(Path(note["directory"])) == [], 5)
    shutil.rmtree(Path(note["directory"]).parent)


@pytest.mark.server
@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "with pytest-xdist"])
def test_a_node_that_died_is_started_again_for_the_tests_that_follow(
    suite: Suite, options: tuple[str, ...]
) -> None:
    """The node restarts at the same address; dropping the module's keyspace succeeds."""
    text = """
import os, signal, time

def test_one(cassandra_node, cassandra_keyspace):
    note(cassandra_node)
    node, = cassandra_node.cluster.nodes
    os.kill(node.pid, signal.SIGKILL)
    while node.alive: time.sleep(0.01)

def test_two(cassandra_node):
    note(cassandra_node)
    assert [node.alive for node in cassandra_node.cluster.nodes] == [True]
    cassandra_node.create_keyspace("new")
    cassandra_node.drop_keyspace("new")
    node, = cassandra_node.cluster.nodes
    os.kill(node.pid, signal.SIGKILL)
    while node.alive: time.sleep(0.01)
"""
    status, output = suite.run(text, *options)
    assert status == 0, output
    first, second = suite.notes
    assert first["address"] == second["address"]


def test_a_node_that_runs_is_used_by_name(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jvms: Callable[[Path], list[int]]
) -> None:
    """--coodie-local=NAME: the node keeps running, without the keyspaces; a stopped node is an error."""
    monkeypatch.setenv("COODIE_LOCAL_HOME", str(tmp_path / "home"))
    text = """
def test_one(cassandra_node, cassandra_keyspace):
    note(cassandra_node, keyspace=cassandra_keyspace)
"""
    with LocalNode("mine") as node:
        status, output = suite.run(text, "--coodie-local=mine")
        assert status == 0, output
        (note,) = suite.notes
        assert note["address"] == [node.host, node.port]
        assert node.running
        names = run_statement(node.host, node.port, "SELECT keyspace_name FROM system_schema.keyspaces")
        assert (note["keyspace"].encode(),) not in names
    status, output = suite.run(text, "--coodie-local=mine")
    assert status == 4
    assert "no local node of that name is running" in output
    assert jvms(tmp_path) == []


@pytest.mark.reliability  # downloads and starts the other version
@pytest.mark.parametrize("options", [(), ("-n1",)], ids=["alone", "with pytest-xdist"])
def test_an_option_is_the_version(
    suite: Suite, tmp_path: Path, jvms: Callable[[Path], list[int]], options: tuple[str, ...]
) -> None:
    """--cassandra-version is the default for marks without a version."""
    status, output = suite.run(
        """
def test_one(cassandra_node):
    note(cassandra_node, version=cassandra_node.cluster.version)
""",
        "--cassandra-version=6.0-alpha2",
        *options,
    )
    assert status == 0, output
    assert [note["version"] for note in suite.notes] == ["6.0-alpha2"]
    assert jvms(tmp_path) == []


def test_the_version_of_a_mark_wins(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark's version takes precedence over the option."""
    made: list[ServerSettings] = []

    def make(settings: ServerSettings, _directory: Path) -> Any:
        made.append(settings)
        return MagicMock()

    monkeypatch.setattr(_pytest_servers, "_make_cluster", make)
    monkeypatch.delenv("COODIE_HOSTS", raising=False)
    with _pytest_servers.ServerPool(tmp_path_factory, None, "6.0-alpha2", None) as pool:
        pool.get(None)
        pool.get(ServerSettings(tls=True))
        pool.get(ServerSettings(version="5.0.9"))
    assert [settings.version for settings in made] == ["6.0-alpha2", "6.0-alpha2", "5.0.9"]


def test_a_node_that_did_not_start(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only tests that need this node fail; other nodes are still used and restarted."""

    def make(settings: ServerSettings, _directory: Path) -> Any:
        cluster = MagicMock()
        cluster.start.side_effect = NodeStartError("no") if settings.tls else [cluster]
        return cluster

    monkeypatch.setattr(_pytest_servers, "_make_cluster", make)
    monkeypatch.delenv("COODIE_HOSTS", raising=False)
    with _pytest_servers.ServerPool(tmp_path_factory, None, None, None) as pool:
        pool.get(None)
        with pytest.raises(NodeStartError):
            pool.get(ServerSettings(tls=True))
        pool.restart_dead()


@pytest.mark.parametrize(
    ("version", "hosts", "text"),
    [
        ("5.1", "", "--cassandra-version=5.1: .*Use one of: 5.0.9"),
        ("6.0-alpha2", "192.0.2.1", "can.t be used with COODIE_HOSTS"),
    ],
)
def test_a_version_that_cannot_be_started(suite: Suite, version: str, hosts: str, text: str) -> None:
    """The error is reported before any test runs."""
    status, output = suite.run("def test_one(): pass\n", f"--cassandra-version={version}", COODIE_HOSTS=hosts)
    assert status == 4, output
    assert re.search(text, output), output


def test_a_server_of_ones_own_is_used_instead(suite: Suite, tmp_path: Path) -> None:
    """With COODIE_HOSTS and COODIE_PORT, no node is started, and tests with other marks are skipped."""
    status, output = suite.run(
        """
def test_one(cassandra_node):
    note(cassandra_node)

@pytest.mark.cassandra(nodes=3)
def test_two(cassandra_node):
    raise AssertionError
""",
        COODIE_HOSTS="192.0.2.1",
        COODIE_PORT="19042",
    )
    assert status == 0, output
    assert "1 passed, 1 skipped" in output
    assert [note["address"] for note in suite.notes] == [["192.0.2.1", 19042]]
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize(
    ("mark", "argument", "text"),
    [
        ("nods=3", "cassandra_node", "takes nodes=, .*, not nods="),
        ("3", "cassandra_node", "not 3"),
        ("nodes=3", "tmp_path", "requires the fixture"),
    ],
)
def test_a_mark_that_cannot_be_honoured_is_an_error(
    suite: Suite, mark: str, argument: str, text: str
) -> None:
    """The error has the test and the reason, before any test runs."""
    status, output = suite.run(f"@pytest.mark.cassandra({mark})\ndef test_one({argument}): pass\n")
    assert status == 2, output
    assert "test_one" in output
    assert re.search(text, output), output


def test_nearer_marks_win() -> None:
    """A function's mark overrides its class's, argument by argument."""
    settings = merge_settings([((), {"nodes": 1}), ((), {"nodes": 3, "auth": True})])
    assert settings == ServerSettings(nodes=1, auth=True)
    assert str(settings) == "auth"
    assert str(ServerSettings()) == "plain"


def test_the_plug_in_is_light() -> None:
    """A pytest run without Cassandra only imports the plug-in module."""
    code = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import coodie_local.pytest_plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["coodie_local", "coodie_local.pytest_plugin"]


@pytest.mark.server
def test_this_suites_node_answers(cassandra_node: Any) -> None:
    """The server at the fixture's address responds to CQL."""
    assert is_ready(cassandra_node.host, cassandra_node.port)
