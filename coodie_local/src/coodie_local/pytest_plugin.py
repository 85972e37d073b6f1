"""The pytest plug-in: a real Cassandra for a test session, gone when it ends in whatever way."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CassandraAddress", "cassandra_node"]

_DEFAULT_PORT = 9042


@dataclass(frozen=True, slots=True)
class CassandraAddress:
    """Where the session's Cassandra listens."""

    host: str
    port: int


@pytest.fixture(scope="session")
def cassandra_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraAddress]:
    """Give the address of a Cassandra that lives as long as the session.

    It is an ephemeral local node; where the variable COODIE_HOSTS names a host, it is the server
    there instead, at COODIE_PORT or 9042. Tests share it: let them use keyspaces and keys of
    their own, and not drop what they made, which takes Cassandra longer than anything else.
    """
    if host := os.environ.get("COODIE_HOSTS"):
        first = host.split(",")[0].strip()
        yield CassandraAddress(first, int(os.environ.get("COODIE_PORT", str(_DEFAULT_PORT))))
        return
    from coodie_local.node import LocalNode

    directory = tmp_path_factory.mktemp("cassandra")
    with LocalNode("pytest", profile="ephemeral", directory=directory) as node:
        yield CassandraAddress(node.host, node.port)
