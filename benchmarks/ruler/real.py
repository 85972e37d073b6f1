"""A real Cassandra: started with coodie-local or named by its address, and filled."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from contestants.rows import KEYSPACE, READ_PART

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contestants.work import Work

__all__ = ["Address", "address_of", "filled", "real_server"]

_STARTED = "real"
#: Seconds that a start may take, on a busy machine.
_PATIENCE = 600.0


class Address(NamedTuple):
    """Where a server is."""

    host: str
    port: int
    #: The file of the authority whose certificate it shows; None without TLS.
    ca: Path | None = None


def address_of(server: str) -> Address | None:
    """Read HOST:PORT; None for a server that is started here.

    Raises:
        ValueError: It is neither "stub", "real" nor an address.
    """
    if server in {"stub", _STARTED}:
        return None
    host, colon, port = server.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise ValueError(f"no server {server!r}: write stub, real or HOST:PORT")
    return Address(host, int(port))


@contextmanager
def real_server(server: str, works: list[Work]) -> Iterator[Address]:
    """Have a Cassandra with the tables and the rows that workloads read, while the block runs.

    Args:
        server: "real" or HOST:PORT; there the keyspace is dropped afterwards.
        works: The workloads, which need the same setting; with TLS only on a node that is started here.

    Yields:
        Where it is.
    """
    address = address_of(server)
    if address is not None:
        with filled(works, hosts=[address.host], port=address.port):
            yield address
        return
    from coodie_local import LocalNode

    with (
        tempfile.TemporaryDirectory() as directory,  # apart from other nodes of this user
        LocalNode("bench", directory=directory, tls=works[0].setting.tls, timeout=_PATIENCE) as node,
        filled(works, **node.connection_options()),
    ):
        yield Address(node.host, node.port, node.certificates.ca if node.certificates else None)


@contextmanager
def filled(works: list[Work], **options: Any) -> Iterator[None]:
    """Have the tables and rows that workloads read, while the block runs.

    Args:
        works: The workloads.
        options: Where to connect, for ``init_coodie``.
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
