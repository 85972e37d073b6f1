"""A real Cassandra: started with coodie-local or named by its address, and filled."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from contestants.rows import INSERT, KEYSPACE, READ_PART, TABLE, row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contestants.work import Work

__all__ = ["address_of", "real_server"]

_STARTED = "real"


def address_of(server: str) -> tuple[str, int] | None:
    """Read HOST:PORT; None for a server that is started here.

    Raises:
        ValueError: It is neither "stub", "real" nor an address.
    """
    if server in {"stub", _STARTED}:
        return None
    host, colon, port = server.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise ValueError(f"no server {server!r}: write stub, real or HOST:PORT")
    return host, int(port)


@contextmanager
def real_server(server: str, works: list[Work]) -> Iterator[tuple[str, int]]:
    """Have a Cassandra with the table and the rows that workloads read, while the block runs.

    Args:
        server: "real" or HOST:PORT; there the keyspace is dropped afterwards.
        works: The workloads.

    Yields:
        Host and port.
    """
    address = address_of(server)
    if address is not None:
        with _filled(*address, works):
            yield address
        return
    from coodie_local import LocalNode

    with LocalNode() as node, _filled(node.host, node.port, works):
        yield node.host, node.port


@contextmanager
def _filled(host: str, port: int, works: list[Work]) -> Iterator[None]:
    import coodie

    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    columns = "part int, id int, name text, score double, ref uuid, PRIMARY KEY (part, id)"
    count = max([1000, *(work.number for work in works if work.cql != INSERT)])
    with coodie.init_coodie([host], port=port) as driver:
        driver.execute(f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {replication}", [])
        driver.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} ({columns})", [])
        driver.execute_many(INSERT, (list(row(READ_PART, number).values()) for number in range(count)))
        try:
            yield
        finally:
            driver.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}", [], timeout=60)
