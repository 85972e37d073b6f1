"""What the contract costs over the backend's driver: client CPU, as ratios in one run.

The same prepared statement reads one row (of one and of five columns) and inserts one, through the raw
driver and through coodie, in turn, on one connection each. CPU is that of all threads of this process;
the server's isn't in it. Absolute times say little, and ratios under 15 % are noise.

    python benchmarks/overhead.py --hosts 127.0.0.1 --port 9042 --driver scylla
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import uuid
from typing import TYPE_CHECKING, Any

import coodie

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEYSPACE = "coodie_bench"
TABLE = f"{KEYSPACE}.overhead"
SELECT = f"SELECT a, b, c, d, e FROM {TABLE} WHERE a = ?"
INSERT = f"INSERT INTO {TABLE} (a, b, c, d, e) VALUES (?, ?, ?, ?, ?)"
ROW = [1, 2, "three", 4.0, uuid.UUID(int=5)]


def cpu() -> float:
    """Return the CPU seconds of all threads of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def in_flight(call: Callable[[], Awaitable[Any]], count: int, width: int) -> None:
    """Make ``count`` calls, ``width`` at once."""
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(worker() for _ in range(width)))


def raw_async(session: Any, prepared: Any, params: list[Any]) -> Callable[[], Awaitable[Any]]:
    """Return the usual way of bridging the driver to asyncio."""

    def call() -> Awaitable[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def deliver(setter: Callable[[Any], None], value: Any) -> None:
            if not future.done():
                setter(value)

        session.execute_async(prepared, params).add_callbacks(
            lambda rows: loop.call_soon_threadsafe(deliver, future.set_result, rows),
            lambda error: loop.call_soon_threadsafe(deliver, future.set_exception, error),
        )
        return future

    return call


def workloads(raw: Any, ours: Any, count: int) -> dict[str, tuple[Callable[[], None], Callable[[], None]]]:
    """Return name → (raw, ours), each making ``count`` requests."""
    select, insert = raw.prepare(SELECT), raw.prepare(INSERT)

    def sync(call: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(count):
                call()

        return run

    def at_once(call: Callable[[], Awaitable[Any]], width: int) -> Callable[[], None]:
        return lambda: asyncio.run(in_flight(call, count, width))

    return {
        "read one row, sync": (
            sync(lambda: list(raw.execute(select, [1]))),
            sync(lambda: ours.execute(SELECT, [1])),
        ),
        "read one row, async, 64 in flight": (
            at_once(raw_async(raw, select, [1]), 64),
            at_once(lambda: ours.execute_async(SELECT, [1]), 64),
        ),
        "insert, async, 64 in flight": (
            at_once(raw_async(raw, insert, ROW), 64),
            at_once(lambda: ours.execute_async(INSERT, ROW), 64),
        ),
    }


def main() -> None:
    """Run all workloads and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9042)
    parser.add_argument("--driver", default="scylla", choices=["scylla", "cassandra"])
    parser.add_argument("--count", type=int, default=4000, help="requests to a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.query import dict_factory

    ours: Any = coodie.init_coodie(options.hosts.split(","), port=options.port, driver_type=options.driver)
    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    ours.execute(f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {replication}", [])
    ours.execute(
        f"CREATE TABLE IF NOT EXISTS {TABLE} (a int PRIMARY KEY, b int, c text, d double, e uuid)", []
    )
    ours.execute(INSERT, ROW)
    profile = ExecutionProfile(row_factory=dict_factory)
    cluster = Cluster(
        options.hosts.split(","), port=options.port, execution_profiles={EXEC_PROFILE_DEFAULT: profile}
    )
    report = {}
    try:
        for name, contestants in workloads(cluster.connect(), ours, options.count).items():
            spent: list[list[float]] = [[], []]
            for turn in range(options.rounds + 1):
                for which, run in enumerate(contestants):
                    before = cpu()
                    run()
                    # The first turn warms up.
                    if turn:
                        spent[which].append((cpu() - before) / options.count * 1e6)
            ratios = sorted(mine / theirs for theirs, mine in zip(*spent, strict=True))
            report[name] = {
                "raw_us": statistics.median(spent[0]),
                "coodie_us": statistics.median(spent[1]),
                "ratio": statistics.median(ratios),
                "ratio_min": ratios[0],
                "ratio_max": ratios[-1],
            }
    finally:
        cluster.shutdown()
        ours.close()
    if options.json:
        print(json.dumps(report, indent=2))
        return
    for name, row in report.items():
        print(
            f"{name:36} raw {row['raw_us']:6.0f} µs  coodie {row['coodie_us']:6.0f} µs  "
            f"ratio {row['ratio']:.2f} ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})"
        )


if __name__ == "__main__":
    main()
