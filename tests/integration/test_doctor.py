"""The doctor, with a server to connect to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from coodie_doctor.findings import Finding, Report
from coodie_testing import FakeCluster


def examine(*arguments: str, **variables: str) -> tuple[int, Any]:
    """Run it; return its status and its report."""
    done = subprocess.run(
        [sys.executable, "-m", "coodie_doctor", "--json", "--timeout", "60", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_connection(cassandra_node: Any, backend: str) -> None:
    """Reactor, protocol and server of the one backend that connects by itself; a round trip."""
    options = ["--host", cassandra_node.host, "--option", f"port={cassandra_node.port}"]
    status, report = examine(*options, "--option", "compression=lz4")
    assert (status, report["findings"], report["credentials"]) == (0, [], [])
    connection = report["connection"]
    assert (connection["driver"], connection["answers"]) == (backend, True)
    facts = connection["facts"]
    assert facts["reactor"].endswith(("Connection", "Reactor"))
    assert facts["protocol"] in ("4", "5")
    assert facts["compression"] == "lz4"
    assert facts["hosts up"] == "1 of 1"
    assert facts["server"].count(".") >= 1
    assert connection["round_trip_seconds"] >= 0
    (ready,) = (one for one in report["backends"] if one["driver_type"] == backend)
    assert ready["facts"]["reactor"] == facts["reactor"]


def test_a_connection_that_fails(backend: str) -> None:
    """Why it failed is a problem, and a password that was given isn't shown, as JSON and as text."""
    with FakeCluster(username="u", password="other") as cluster:
        options = ["--host", "127.0.0.1", "--option", f"port={cluster.port}", "--option", "username=u"]
        options += ["--driver", backend, "--password-env", "SECRET"]
        status, report = examine(*options, SECRET="hush-hush")
    assert status == 1
    (finding,) = report["findings"]
    assert finding["subject"] == "connection"
    assert "rejected the credentials" in finding["message"]
    report["findings"] = [Finding(**finding)]
    assert report.pop("ok") is False
    text = Report(**report).as_text()
    assert "- connection: The server rejected the credentials" in text
    assert "hush-hush" not in json.dumps(report, default=vars) + text


def test_an_option_that_is_none(backend: str) -> None:
    """A mistyped option is told as init_coodie tells it."""
    status, report = examine("--driver", backend, "--option", "request_timout=5")
    assert status == 1
    assert "Did you mean 'request_timeout'?" in report["findings"][0]["message"]
