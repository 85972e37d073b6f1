"""The first request after connecting, with and without warm(), as a ratio to later requests.

Each turn opens a new driver and reads one row repeatedly, with a pause before each request. The result is the
ratio of the medians, over all turns, of the first request and of the later, warm ones. The first turn isn't
measured, because it imports modules. Both sync and async.

    python benchmarks/warm.py --driver scylla
    python benchmarks/warm.py --driver scylla --hosts db1 --port 9042
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from contextlib import ExitStack
from typing import Any

import coodie
from contestants.rows import READ_PART, SELECT_ROW
from ruler import stub

#: The statement and its parameters, for the stub server and for others.
_ON_STUB = (SELECT_ROW, [READ_PART, 1])
_ELSEWHERE = ("SELECT release_version FROM system.local WHERE key = ?", ["local"])

#: The number of requests between the first and the warm ones, and of warm ones.
_BETWEEN, _WARM = 3, 10

#: Seconds before each request, so that the first isn't compared with requests of a busy loop.
_PAUSE = 0.02


def _connect(options: argparse.Namespace, port: int) -> Any:
    return coodie.init_coodie(options.hosts.split(","), port=port, driver_type=options.driver, name="warm")


def blocking(options: argparse.Namespace, port: int, *, warm: bool) -> list[float]:
    """Return the durations of sync requests, in order."""
    times: list[float] = []
    stmt, params = _ELSEWHERE if options.port else _ON_STUB
    with _connect(options, port) as driver:
        if warm:
            driver.warm([stmt])
        for _ in range(1 + _BETWEEN + _WARM):
            time.sleep(_PAUSE)
            begun = time.perf_counter()
            driver.execute(stmt, params)
            times.append(time.perf_counter() - begun)
    return times


async def on_a_loop(options: argparse.Namespace, port: int, *, warm: bool) -> list[float]:
    """Return the durations of async requests, in order."""
    times: list[float] = []
    stmt, params = _ELSEWHERE if options.port else _ON_STUB
    async with await asyncio.to_thread(_connect, options, port) as driver:
        if warm:
            await driver.warm_async([stmt])
        for _ in range(1 + _BETWEEN + _WARM):
            await asyncio.sleep(_PAUSE)
            begun = time.perf_counter()
            await driver.execute_async(stmt, params)
            times.append(time.perf_counter() - begun)
    return times


def main() -> None:
    """Run all turns and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", default="127.0.0.1")
    parser.add_argument("--port", type=int, help="a running server's port; by default, a stub is started")
    parser.add_argument("--driver", default="scylla", choices=["scylla", "cassandra"])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    turns: dict[str, list[list[float]]] = {}
    with ExitStack() as servers:
        port = options.port or servers.enter_context(stub.running(stub.build()))
        for number in range(options.rounds + 1):
            for warm in (False, True):
                found = {
                    "blocking": blocking(options, port, warm=warm),
                    "event loop": asyncio.run(on_a_loop(options, port, warm=warm)),
                }
                # The first turn imports.
                for name, times in found.items() if number else ():
                    turns.setdefault(f"{name}, {'after warm()' if warm else 'without'}", []).append(times)
    report = {name: ratio(some) for name, some in turns.items()}
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print("the first request ÷ a warm one")
    for name, value in report.items():
        print(f"{name:26} {value:6.2f}")


def ratio(turns: list[list[float]]) -> float:
    """Return the median of the first requests, divided by the median of the warm ones."""
    warm = [seconds for times in turns for seconds in times[-_WARM:]]
    return statistics.median(times[0] for times in turns) / statistics.median(warm)


if __name__ == "__main__":
    main()
