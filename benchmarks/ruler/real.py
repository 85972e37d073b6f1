"""A real Cassandra with the workloads' tables: started with coodie-local, or at a given address."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from contestants.rows import KEYSPACE, READ_PART

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contestants.work import Work

__all__ = ["Address", "address_of", "real_server", "workload_tables"]

_STARTED = "real"
#: Seconds to wait for a start, on a busy machine.
_START_TIMEOUT = 600.0


class Address(NamedTuple):
    """The address of a server."""

    host: str
    port: int
    #: The certificate file of its authority; None without TLS.
    ca: Path | None = None


def address_of(server: str) -> Address | None:
    """Parse HOST:PORT; None for "stub" and "real".

    Raises:
        ValueError: The server is neither "stub", "real" nor an address.
    """
    if server in {"stub", _STARTED}:
        return None
    host, colon, port = server.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise ValueError(f"no server {server!r}: write stub, real or HOST:PORT")
    return Address(host, int(port))


@contextmanager
def real_server(server: str, works: list[Work]) -> Iterator[Address]:
    """Run a Cassandra with the workloads' tables and rows in a context manager.

    Args:
        server: "real" or HOST:PORT; there, the keyspace is dropped afterwards.
        works: The workloads, with the same setting; TLS requires "real".

    Yields:
        The address.
    """
    address = address_of(server)
    if address is not None:
        with workload_tables(works, hosts=[address.host], port=address.port):
            yield address
        return
    from coodie_local import LocalNode

    with (
        tempfile.TemporaryDirectory() as directory,  # separate from the user's nodes
        LocalNode("bench", directory=directory, tls=works[0].setting.tls, timeout=_START_TIMEOUT) as node,
        workload_tables(works, **node.connection_options()),
    ):
        yield Address(node.host, node.port, node.certificates.ca if node.certificates else None)


@contextmanager
def workload_tables(works: list[Work], **options: Any) -> Iterator[None]:
    """Create the workloads' tables and rows in a context manager.

    Args:
        works: The workloads.
        options: Arguments of ``init_coodie`` for connecting.
    """
    import coodie

    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    tables = {work.table.name: work.table for work in works}
    stored = {name: max(work.stored for work in works if work.table.name == name) for name in tables}
    with coodie.init_coodie(**options, name="bench") as driver:
        driver.execute(f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {replication}", [])
        try:
            for name, table in tables.items():
                driver.execute(table.create, [])
                rows = (list(table.row(READ_PART, key).values()) for key in range(stored[name]))
                driver.execute_many(table.insert, rows)
            yield
        finally:
            driver.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}", [], timeout=60)
