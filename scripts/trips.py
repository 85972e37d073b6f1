"""How far three calls travel through the modules of coodie: rooms, moves, calls.

A call is a function of ours that is entered or resumed; a room is a module that has one; a move is a call in
another room than the call before. Code that no file has (what dataclasses generate) isn't counted, and
neither is what other threads do. Counted are the opening of a driver with ``init_coodie`` (the first of a
registry, and the next one), a warm ``execute_async``, and ``sync_table`` of a table that is as wanted. What
they import was imported before. It needs the environment of a backend:

    .venvs/scylla/bin/python scripts/trips.py --driver scylla --host 127.0.0.1 --port 9042

Without a host it starts a node. To count another commit, put the directories of its sources into PYTHONPATH.
``--trail`` writes the rooms down in the order in which they are entered.
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

#: The packages of our distributions.
_OURS = re.compile(r"coodie(_\w+)?(\.|$)")

#: Requests before one is counted: connections are ready then, statements prepared.
_WARM = 50


class Trip:
    """What one call entered.

    Args:
        title: What was called.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        #: The rooms in order, each as often as it is moved to.
        self.trail: list[str] = []
        self.calls = 0

    @contextmanager
    def counted(self) -> Iterator[Trip]:
        """Count what this thread does in the block."""
        sys.setprofile(self._note)
        try:
            yield self
        finally:
            sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        room = frame.f_globals.get("__name__", "")
        if event != "call" or not _OURS.match(room) or frame.f_code.co_filename.startswith("<"):
            return
        self.calls += 1
        if not self.trail or self.trail[-1] != room:
            self.trail.append(room)

    def __str__(self) -> str:
        return f"{self.title:34} {len(set(self.trail)):6} {len(self.trail):6} {self.calls:6}"


def _columns() -> list[Any]:
    from coodie.schema import ColumnDefinition

    return [ColumnDefinition("k", "int", primary_key=True), ColumnDefinition("v", "text")]


def _opened(title: str, where: dict[str, Any]) -> tuple[Trip, AbstractDriver]:
    from coodie.drivers import init_coodie

    with Trip(title).counted() as trip:
        driver = init_coodie(**where)
    return trip, driver


async def _asked(driver: AbstractDriver) -> Trip:
    for number in range(_WARM):
        await driver.execute_async(_READ, [number])
        await asyncio.sleep(0.01)
    with Trip("warm execute_async").counted() as trip:
        await driver.execute_async(_READ, [1])
    return trip


def _trips(where: dict[str, Any]) -> Iterator[Trip]:
    """Yield the trips, one after the other."""
    from coodie.drivers import init_coodie
    from coodie.registry import DriverRegistry, using_registry

    with using_registry(DriverRegistry()):  # all that opening imports is imported afterwards
        init_coodie(**where).close()
    with using_registry(DriverRegistry()):
        trip, driver = _opened("init_coodie, a backend's first", where)
        yield trip
        replaced = driver
        trip, driver = _opened("init_coodie, the next", where)
        replaced.close()
        yield trip
        try:
            driver.execute(
                f"CREATE KEYSPACE IF NOT EXISTS {_KEYSPACE} WITH replication = "
                "{'class': 'SimpleStrategy', 'replication_factor': 1}",
                [],
            )
            driver.sync_table("kv", _KEYSPACE, _columns())
            yield asyncio.run(_asked(driver))
            driver.sync_table("kv", _KEYSPACE, _columns())
            columns = _columns()
            with Trip("sync_table, a table in order").counted() as trip:
                driver.sync_table("kv", _KEYSPACE, columns)
            yield trip
            driver.execute(f"DROP KEYSPACE {_KEYSPACE}", [])
        finally:
            driver.close()


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--driver", default="scylla", help="the backend's driver_type")
    parser.add_argument("--host", help="where a server listens; by default a node is started")
    parser.add_argument("--port", type=int, default=9042, help="its port")
    parser.add_argument("--trail", action="store_true", help="write the rooms down, too")
    given = parser.parse_args()
    with ExitStack() as stack:
        where = {"hosts": [given.host], "port": given.port}
        if given.host is None:
            from coodie_local import LocalNode

            where = stack.enter_context(LocalNode("trips")).connection_options()
        print(f"{'':34} {'rooms':>6} {'moves':>6} {'calls':>6}")
        for trip in _trips({**where, "driver_type": given.driver}):
            print(trip)
            if given.trail:
                print("".join(f"    {room}\n" for room in trip.trail))


if __name__ == "__main__":
    main()
