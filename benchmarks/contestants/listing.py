"""The contestants: names, environments and clients."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["CONTESTANTS", "VARIANTS", "Contestant", "contestant"]

#: The variants, appended to a name with a plus.
VARIANTS = {
    "uvloop": "with uvloop's event loop",
    "nofast": "coodie with fast_path=False",
    "accel": "coodie with its compiled accelerator",
    "v4": "protocol version 4 instead of the newest",
    "arrays": "coodie with a codec for vectors as arrays",
    "sync": "coodie's sync methods, for many-…, stream-…, connect and cold",
    "objects": "coodie's data frames with pandas' types instead of Arrow's",
    "numpy": "the driver's data frames from its NumpyProtocolHandler",
}


@dataclass(frozen=True)
class Contestant:
    """A client and its environment."""

    name: str
    #: The name of its environment (``scripts/environments.py``).
    environment: str
    #: "module:class" of the async client and of the sync one; "" for none.
    asynchronous: str
    blocking: str
    #: The module that a program imports.
    imports: str
    #: The arguments of the classes.
    arguments: tuple[Any, ...] = ()
    #: Its variants.
    takes: frozenset[str] = frozenset({"uvloop"})
    variants: frozenset[str] = frozenset()
    #: Whether it creates data frames.
    makes_frames: bool = False

    def client(self, *, blocking: bool) -> Any:
        """Create the client for a workload; None if there is none."""
        where = self.blocking if blocking else self.asynchronous or self.blocking
        if not where:
            return None
        module, _, name = where.partition(":")
        return getattr(importlib.import_module(f"contestants.{module}"), name)(*self.arguments)

    def on_loop(self, *, blocking: bool) -> bool:
        """Return whether that client is async."""
        return bool(self.asynchronous) and not blocking


def _coodie(driver: str) -> Contestant:
    return Contestant(
        f"coodie-{driver}",
        f"bench-{driver}",
        "coodie_clients:CoodieAsync",
        "coodie_clients:CoodieSync",
        "coodie.drivers",
        (driver,),
        frozenset(VARIANTS) - {"numpy"},
        makes_frames=True,
    )


def _raw(driver: str) -> Contestant:
    return Contestant(
        f"{driver}-driver",
        f"bench-{driver}",
        "",
        "raw_drivers:RawDriver",
        "cassandra.cluster",
        takes=frozenset({"v4", "numpy"}),
        makes_frames=True,
    )


CONTESTANTS = {
    one.name: one
    for one in (
        _coodie("scylla"),
        _coodie("cassandra"),
        _raw("scylla"),
        _raw("cassandra"),
        Contestant(
            "coodie-1.9",
            "bench-coodie19",
            "coodie19_client:Coodie19",
            "coodie19_client:Coodie19Sync",
            "coodie.drivers.cassandra",
            takes=frozenset({"uvloop", "v4"}),
        ),
        Contestant(
            "cassandra-asyncio-driver",
            "bench-cassandra-asyncio",
            "cassandra_asyncio_client:CassandraAsyncio",
            "",
            "cassandra_asyncio.cluster",
            takes=frozenset({"uvloop", "v4"}),
        ),
        Contestant("acsylla", "bench-acsylla", "acsylla_client:Acsylla", "", "acsylla", makes_frames=True),
        Contestant("scyllapy", "bench-scyllapy", "scyllapy_client:Scyllapy", "", "scyllapy"),
        Contestant(
            "scylladb-rs-driver",
            "bench-scylladb-rs",
            "scylladb_rs_client:ScylladbRs",
            "",
            "scylla",
            makes_frames=True,
        ),
        Contestant("rsylla", "bench-rsylla", "rsylla_client:Rsylla", "", "rsylla"),
        # For import times: any async program imports it.
        Contestant("asyncio", "bench-scylla", "", "", "asyncio", takes=frozenset()),
    )
}


def contestant(written: str) -> Contestant:
    """Parse a contestant's name: "acsylla", "coodie-scylla+uvloop".

    Raises:
        ValueError: The contestant or its variant is unknown.
    """
    name, *variants = written.split("+")
    known = CONTESTANTS.get(name)
    if known is None:
        raise ValueError(f"no contestant {written!r}: there are {', '.join(CONTESTANTS)}")
    if not known.takes >= set(variants):
        endings = ", ".join(f"+{one}" for one in sorted(known.takes)) or "none"
        raise ValueError(f"no contestant {written!r}: the variants of {name} are {endings}")
    environment = f"{known.environment}-accel" if "accel" in variants else known.environment
    return replace(known, name=written, environment=environment, variants=frozenset(variants))
