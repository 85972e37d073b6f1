"""``make test-servers``: the versions of Cassandra, and the tests that run with each."""

from __future__ import annotations

from typing import Any

import pytest

import checks
import servers
from coodie_local._releases import DEFAULT_VERSION, RELEASES
from environments import ENVIRONMENTS
from steps import Failure


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """Record test runs, by environment and arguments, without running them; those of 4.1 fail."""
    found: list[tuple[str, tuple[str, ...]]] = []

    def run_tests(_steps: Any, environment: str, title: str, arguments: tuple[str, ...], **_: Any) -> None:
        found.append((environment, arguments))
        if "4.1" in title:
            raise Failure(title)

    monkeypatch.setattr(checks, "run_tests", run_tests)
    return found


def test_all_other_versions_are_known() -> None:
    """Each version of coodie-local, except the default one, has an environment with its Java."""
    others = {release.version: release.java for release in RELEASES if release.version != DEFAULT_VERSION}
    javas = {
        version: 11 if "java-11" in ENVIRONMENTS[name].instead else 17
        for version, name in servers.SERVERS.items()
    }
    assert javas == others


def test_a_failure_doesnt_stop_other_versions(runs: list[Any]) -> None:
    """The integration tests and the kit run with each version, and the run fails."""
    with pytest.raises(Failure, match=r"4\.1"):
        servers.test_servers(None)  # type: ignore[arg-type]  # only handed on
    paths = ("tests/integration", "tests/kit")
    assert runs == [
        ("java-11", ("--cassandra-version=4.1.10", *paths)),
        ("scylla", ("--cassandra-version=6.0-alpha2", *paths)),
    ]


def test_one_version_and_one_test(runs: list[Any]) -> None:
    """The option selects the version; other options are passed to pytest."""
    options = ("--cassandra-version=6.0-alpha2", "-x", "tests/kit/test_conformance.py")
    servers.test_servers(None, *options)  # type: ignore[arg-type]  # as above
    assert runs == [("scylla", options)]
    with pytest.raises(Failure, match=r"=5\.1: use one of 4\.1\.10, 6\.0-alpha2"):
        servers.test_servers(None, "--cassandra-version=5.1")  # type: ignore[arg-type]  # as above
