"""`coodie local …` with the real console script and a real Cassandra."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from coodie_local import LocalCluster
from coodie_local._native import run_statement

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.extended, pytest.mark.server]

KEYSPACE = "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"


def test_up_status_and_down(coodie: Any, jvms: Callable[[Path], list[int]]) -> None:
    """A node outlives the command, is listed and found by the next one, and rejects other options."""
    up = coodie("local", "up")
    assert up.returncode == 0, up.stderr
    (pid,) = jvms(coodie.home)
    assert up.stdout.startswith("default is up: Cassandra 5.0.9, ephemeral.")
    assert "Starting Cassandra 5.0.9" in up.stderr
    assert 'init_coodie(driver_type="local", node="default"' in up.stdout
    port = next(line.split()[1] for line in up.stdout.splitlines() if line.split()[:1] == ["port"])
    run_statement("127.0.0.1", int(port), "SELECT key FROM system.local")
    assert os.getsid(pid) == pid

    again = coodie("local", "up")
    assert (again.returncode, again.stdout.partition(":")[0]) == (0, "default is up already")
    refused = coodie("local", "up", "--nodes", "3")
    assert refused.returncode == 1
    assert "is already running with --nodes 1, not 3. Omit --nodes" in refused.stderr
    assert refused.stderr.splitlines()[-2] == "coodie local down default"
    assert "Omit --durable and --ephemeral" in coodie("local", "up", "--durable").stderr
    refused = coodie("local", "up", "--foreground")
    assert (refused.returncode, refused.stderr.splitlines()[-2]) == (1, "coodie local down default")

    table = coodie("local", "status").stdout.splitlines()
    assert table[0].split() == [
        "name",
        "state",
        "version",
        "profile",
        "address",
        "access",
        "pid",
        "memory",
        "uptime",
    ]
    assert table[1].split()[:7] == [
        "default",
        "running",
        "5.0.9",
        "ephemeral",
        f"127.0.0.1:{port}",
        "open",
        str(pid),
    ]
    named = coodie("local", "status", "default", "--json")
    assert named.returncode == 0
    (node,) = json.loads(named.stdout)["nodes"]
    (member,) = node["members"]
    assert (node["state"], node["port"], member["pid"], member["answers"]) == (
        "running",
        int(port),
        pid,
        True,
    )
    assert 100e6 < member["rss_bytes"] < 1e9
    assert 0 < member["uptime_seconds"] < 600

    assert "Startup complete" in coodie("local", "logs").stdout
    assert len(coodie("local", "logs", "-n", "2").stdout.splitlines()) == 2
    for what, place in (((), "nodes/default"), (("--log",), "nodes/default/cassandra.log")):
        assert coodie("local", "path", *what).stdout == f"{coodie.home / place}\n"
    assert coodie("local", "clean").returncode == 1

    down = coodie("local", "down")
    assert (down.returncode, down.stdout) == (0, "default is down.\n")
    assert jvms(coodie.home) == []
    assert coodie("local", "down").stdout == "default isn't up.\n"
    stopped = coodie("local", "status", "default")
    assert stopped.returncode == 3
    assert stopped.stdout.splitlines()[1].split()[:2] == ["default", "stopped"]
    assert coodie("local", "clean").stdout == "default is removed.\n"
    assert list((coodie.home / "nodes").iterdir()) == []


@pytest.mark.reliability
def test_named_nodes_side_by_side(
    coodie: Any, jvms: Callable[[Path], list[int]], python: Callable[..., Any]
) -> None:
    """Nodes have separate options; `down` keeps durable data, `up` uses it, `clean` asks for confirmation."""
    assert coodie("local", "up", "open").returncode == 0
    kept = coodie("local", "up", "kept", "--durable", "--mtls", "--auth")
    assert kept.returncode == 0, kept.stderr
    told = {line.split()[0]: line.split()[-1] for line in kept.stdout.splitlines()[2:]}
    assert told["user"] == "cassandra"
    assert told["CA"] == coodie("local", "path", "kept", "--ca").stdout.strip()
    cluster = LocalCluster("kept", directory=coodie.home / "nodes" / "kept")
    assert cluster.find()
    assert cluster.credentials is not None
    assert cluster.credentials.password == told["password"]
    report = coodie("local", "status", "--json").stdout
    assert told["password"] not in report
    assert [(n["name"], n["state"], n["mtls"], n["auth"]) for n in json.loads(report)["nodes"]] == [
        ("kept", "running", True, True),
        ("open", "running", False, False),
    ]
    cluster.create_keyspace("k")
    line = next(line for line in kept.stdout.splitlines() if line.split()[0:1] == ["Python"])
    code = f"from coodie import init_coodie\nwith {line.split(maxsplit=1)[1]} as driver: print(driver.ping())"
    program = python(code, COODIE_LOCAL_HOME=str(coodie.home))
    assert program.communicate(timeout=60) == ("True\n", "")
    assert len(jvms(coodie.home)) == 2

    down = coodie("local", "down", "--all").stdout
    assert down == "kept is down. Its durable data is kept.\nopen is down.\n"
    assert jvms(coodie.home) == []
    assert coodie("local", "down", "--all").stdout == "Nothing is up.\n"
    again = coodie("local", "up", "kept")
    assert again.stdout.replace(" is up:", "") == kept.stdout.replace(" is up:", "")
    with pytest.raises(Exception, match="Cannot add existing keyspace"):
        cluster.start()
        _execute(cluster, KEYSPACE)
    coodie("local", "down", "kept")

    refused = coodie("local", "clean", "--all")
    assert refused.returncode == 1
    assert "durable data: kept" in refused.stderr
    assert "--yes" in refused.stderr
    assert (coodie.home / "nodes" / "open").is_dir()
    assert coodie("local", "clean", "--all", "--yes").stdout == "kept is removed.\nopen is removed.\n"
    assert coodie("local", "status").stdout.startswith("There is no local node.")


def _execute(cluster: LocalCluster, statement: str) -> None:
    from coodie_local._security import load_access

    access = load_access(cluster.directory, cluster.security)
    run_statement(cluster.hosts[0], cluster.port, statement, access)


def test_a_crashed_node_says_why(
    coodie: Any, jvms: Callable[[Path], list[int]], eventually: Callable[..., bool]
) -> None:
    """The state of a killed node is "crashed", with the end of its log; without a driver."""
    assert coodie.without_driver("local", "up", "--nodes", "2").returncode == 0
    first, second = jvms(coodie.home)
    os.kill(second, signal.SIGSTOP)
    assert coodie("local", "status").stdout.splitlines()[1].split()[1] == "silent"
    os.kill(second, signal.SIGKILL)
    assert eventually(lambda: jvms(coodie.home) == [first])
    status = coodie("local", "status", "default")
    assert status.returncode == 3
    assert status.stdout.splitlines()[1].split()[1:3] == ["partly", "running"]
    assert "dead" in status.stdout

    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: jvms(coodie.home) == [])
    (log,) = coodie.home.glob("nodes/default/node1/cassandra.log")
    with log.open("a") as end:
        end.write("Terminating due to java.lang.OutOfMemoryError: Java heap space\n")
    status = coodie("local", "status", "default")
    assert status.returncode == 3
    assert "default: a node died. It ran out of memory (OutOfMemoryError: Java heap space): " in status.stdout
    assert "crashed" in status.stdout.splitlines()[1]
    assert "default: a node died. The log's last lines:\n    " in status.stdout
    assert "INFO" in status.stdout
    assert f"The whole log: {coodie.home}" in status.stdout
    assert coodie("local", "down").stdout == "default had crashed; its files were cleaned up.\n"


@pytest.mark.reliability
def test_what_a_killed_up_left_is_told_and_ended(
    coodie: Any, jvms: Callable[[Path], list[int]], eventually: Callable[..., bool]
) -> None:
    """A `kill -9` of `up` leaves a partly started node; `down` stops it."""
    process = coodie.begin("local", "up")
    assert eventually(lambda: jvms(coodie.home), 30)
    process.kill()
    process.communicate(timeout=20)
    assert len(jvms(coodie.home)) == 1
    status = coodie("local", "status", "default")
    assert (status.returncode, status.stdout.splitlines()[1].split()[1]) == (3, "starting")
    assert coodie("local", "down").stdout == "default is down.\n"
    assert jvms(coodie.home) == []


def test_a_port_of_somebody_elses_is_named(coodie: Any, jvms: Callable[[Path], list[int]]) -> None:
    """`up --port` with a port in use fails immediately, with the fix."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = coodie("local", "up", "--port", str(port))
    assert taken.returncode == 1
    assert f"The port {port} on 127.0.0.1 is in use by another process." in taken.stderr
    assert jvms(coodie.home) == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_start_leaves_nothing(
    coodie: Any, jvms: Callable[[Path], list[int]], eventually: Callable[..., bool], signum: signal.Signals
) -> None:
    """Ctrl-C, or a service manager's SIGTERM, stops `up` immediately: exit code 130, no process left."""
    process = coodie.begin("local", "up")
    assert eventually(lambda: jvms(coodie.home), 30)
    time.sleep(0.3)
    begun = time.monotonic()
    os.killpg(process.pid, signum)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - begun < 4
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Interrupted."
    assert jvms(coodie.home) == []
    (node,) = json.loads(coodie("local", "status", "--json").stdout)["nodes"]
    assert node["state"] == "stopped"


def test_in_the_foreground(
    coodie: Any, jvms: Callable[[Path], list[int]], eventually: Callable[..., bool]
) -> None:
    """`up` runs until Ctrl-C, and stops the node; if the node dies, it fails with the reason."""
    process = coodie.begin("local", "up", "--foreground")
    assert process.stdout.readline().startswith("default is up")
    assert len(jvms(coodie.home)) == 1
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert jvms(coodie.home) == []

    process = coodie.begin("local", "up", "--foreground")
    assert process.stdout.readline().startswith("default is up")
    followed = coodie.begin("local", "logs", "-f")
    assert "YamlConfigurationLoader" in "".join(followed.stdout.readline() for _ in range(10))
    os.kill(jvms(coodie.home)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert (
        "Error: The node at 127.0.0.1 died. It was killed by SIGKILL. The log's last lines:\n    " in errors
    )
    os.killpg(followed.pid, signal.SIGINT)
    followed.communicate(timeout=20)
    assert followed.returncode == 130


def test_cqlsh_gets_in_by_itself(coodie: Any) -> None:
    """The command passes TLS, the client certificate and the password to cqlsh, and returns its exit code."""
    assert coodie("local", "up", "--mtls", "--auth").returncode == 0
    done = coodie("local", "cqlsh", "default", "--", "-e", "SELECT release_version FROM system.local")
    assert done.returncode == 0, done.stderr
    assert "5.0.9" in done.stdout
    failed = coodie("local", "cqlsh", "--", "-e", "SELECT nothing")
    assert failed.returncode == 2
    assert "SyntaxException" in failed.stderr
    coodie("local", "down")
    down = coodie("local", "cqlsh")
    assert (down.returncode, down.stderr.splitlines()[-2]) == (1, "coodie local up default")


@pytest.mark.reliability
def test_the_other_version(coodie: Any) -> None:
    """6.0-alpha2 starts with the same Java and other jars."""
    up = coodie("local", "up", "--version", "6.0-alpha2")
    assert up.returncode == 0, up.stderr
    assert "Cassandra 6.0-alpha2" in up.stdout
    cluster = LocalCluster("default", directory=coodie.home / "nodes" / "default")
    assert cluster.find()
    assert cluster.version == "6.0-alpha2"
    _execute(cluster, KEYSPACE)
    _execute(cluster, "CREATE TABLE k.t (a int PRIMARY KEY, v vector<float, 2>)")
