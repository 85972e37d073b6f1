"""Count the modules, transitions and calls that four operations need in coodie's packages.

A call is the start or resumption of one of coodie's functions. A transition is a call in another module than
the previous call. Generated code (of dataclasses) and other threads aren't counted. The operations are
``init_coodie`` (the first of a registry, and the next one), ``execute_async`` after a warm-up, and
``sync_table`` of an up-to-date table. All modules are already imported. The script requires the environment
of a backend:

    .venvs/scylla/bin/python scripts/trips.py --driver scylla --host 127.0.0.1 --port 9042

Without a host, it starts a node. To measure another commit, set PYTHONPATH to its source directories.
``--trail`` prints the modules in order.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from coodie.drivers import AbstractDriver

_KEYSPACE = "coodie_trips"
_READ = f"SELECT v FROM {_KEYSPACE}.kv WHERE k = ?"  # noqa: S608 - a constant

#: The packages of coodie's distributions.
_OURS = re.compile(r"coodie(_\w+)?(\.|$)")

#: The number of warm-up requests: then, connections are ready and statements are prepared.
_WARM = 50


class Trip:
    """The modules and calls of one operation.

    Args:
        title: The operation.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        #: The modules in order, once per transition.
        self.trail: list[str] = []
        self.calls = 0

    @contextmanager
    def counted(self) -> Iterator[Trip]:
        """Count the calls of this thread in a context manager."""
        sys.setprofile(self._note)
        try:
            yield self
        finally:
            sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event != "call" or not _OURS.match(module) or frame.f_code.co_filename.startswith("<"):
            return
        self.calls += 1
        if not self.trail or self.trail[-1] != module:
            self.trail.append(module)

    def __str__(self) -> str:
        return f"{self.title:34} {len(set(self.trail)):8} {len(self.trail):12} {self.calls:6}"


def _columns() -> list[Any]:
    from coodie.schema import ColumnDefinition

    return [ColumnDefinition("k", "int", primary_key=True), ColumnDefinition("v", "text")]


def _open(title: str, where: dict[str, Any]) -> tuple[Trip, AbstractDriver]:
    from coodie.drivers import init_coodie

    with Trip(title).counted() as trip:
        driver = init_coodie(**where)
    return trip, driver


async def _execute_warm(driver: AbstractDriver) -> Trip:
    for number in range(_WARM):
        await driver.execute_async(_READ, [number])
        await asyncio.sleep(0.01)
    with Trip("warm execute_async").counted() as trip:
        await driver.execute_async(_READ, [1])
    return trip


def _trips(where: dict[str, Any]) -> Iterator[Trip]:
    """Run the operations, and yield their counts."""
    from coodie.drivers import init_coodie
    from coodie.registry import DriverRegistry, using_registry

    with using_registry(DriverRegistry()):  # imports all modules
        init_coodie(**where).close()
    with using_registry(DriverRegistry()):
        trip, driver = _open("init_coodie, a backend's first", where)
        yield trip
        replaced = driver
        trip, driver = _open("init_coodie, the next", where)
        replaced.close()
        yield trip
        try:
            driver.execute(
                f"CREATE KEYSPACE IF NOT EXISTS {_KEYSPACE} WITH replication = "
                "{'class': 'SimpleStrategy', 'replication_factor': 1}",
                [],
            )
            driver.sync_table("kv", _KEYSPACE, _columns())
            yield asyncio.run(_execute_warm(driver))
            driver.sync_table("kv", _KEYSPACE, _columns())
            columns = _columns()
            with Trip("sync_table, a table in order").counted() as trip:
                driver.sync_table("kv", _KEYSPACE, columns)
            yield trip
            driver.execute(f"DROP KEYSPACE {_KEYSPACE}", [])
        finally:
            driver.close()


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--driver", default="scylla", help="the backend's driver_type")
    parser.add_argument("--host", help="the server; by default, a local node is started")
    parser.add_argument("--port", type=int, default=9042, help="the server's port")
    parser.add_argument("--trail", action="store_true", help="also print the modules in order")
    given = parser.parse_args()
    with ExitStack() as stack:
        where = {"hosts": [given.host], "port": given.port}
        if given.host is None:
            from coodie_local import LocalNode

            where = stack.enter_context(LocalNode("trips")).connection_options()
        print(f"{'':34} {'modules':>8} {'transitions':>12} {'calls':>6}")
        for trip in _trips({**where, "driver_type": given.driver}):
            print(trip)
            if given.trail:
                print("".join(f"    {module}\n" for module in trip.trail))


if __name__ == "__main__":
    main()
