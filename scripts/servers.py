"""`make test-servers`: run the tests with a server with each other version of Cassandra."""

from __future__ import annotations

from typing import TYPE_CHECKING

import checks
from outcomes import Rerun
from steps import Failure

if TYPE_CHECKING:
    from steps import Steps

__all__ = ["SERVERS", "test_servers"]

#: Versions of Cassandra, each with the environment with its Java.
SERVERS = {"4.1.10": "java-11", "6.0-alpha2": "scylla"}

#: The option of coodie-local's pytest plug-in.
_OPTION = "--cassandra-version"

_PATHS = ("tests/integration", "tests/kit")


def test_servers(steps: Steps, *options: str) -> None:
    """Run the integration tests and the conformance kit with scylla-driver and other versions of Cassandra.

    Args:
        steps: Runs the steps.
        options: Options for pytest; `--cassandra-version` selects one version.

    Raises:
        Failure: Tests failed, or the version is unknown. A failure doesn't stop other versions.
    """
    rest = [option for option in options if not option.startswith(f"{_OPTION}=")]
    versions = [option.partition("=")[2] for option in options if option not in rest] or list(SERVERS)
    failures = []
    for version in versions:
        if version not in SERVERS:
            raise Failure(f"{_OPTION}={version}: use one of {', '.join(SERVERS)}")
        chosen = f"{_OPTION}={version}"
        arguments = (chosen, *checks.with_default_paths(rest, *_PATHS))
        title, rerun = f"Cassandra {version}: tests", Rerun("test-servers", (chosen,))
        try:
            checks.run_tests(steps, SERVERS[version], title, arguments, rerun=rerun)
        except Failure as exc:
            failures.append(exc)
    if failures:
        raise failures[0]
