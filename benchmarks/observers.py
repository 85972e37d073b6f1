"""The cost of observers: client CPU time per request, as ratios to a program without observers.

The same prepared statement reads one row, with 64 requests in flight: without an observer, with one that does
nothing, with the counters, with the request log (below the logger's level), and with OpenTelemetry's API,
without and with an SDK that exports nothing. The variants take turns in one process, with one connection. CPU
time is that of all threads of this process. Ratios below 1.05 are noise.

    python benchmarks/observers.py --hosts 127.0.0.1 --port 9042 --driver scylla
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import timeit
from typing import TYPE_CHECKING, Any

import coodie
from coodie.observers import observe_request, observing
from coodie.observers.log import RequestLog
from coodie.observers.metrics import RequestCounters
from coodie.observers.otel import OpenTelemetryObserver
from coodie.plugins import hookimpl

if TYPE_CHECKING:
    from coodie.observers import RequestFinished, RequestStarted

SELECT = "SELECT key, release_version FROM system.local WHERE key = ?"


class Idle:
    """An observer that does nothing."""

    @hookimpl
    def coodie_request_started(self, event: RequestStarted) -> None:
        """Do nothing."""

    @hookimpl
    def coodie_request_finished(self, event: RequestFinished) -> None:
        """Do nothing."""


def with_sdk() -> OpenTelemetryObserver:
    """Return the observer with an SDK that samples every span and exports none."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    return OpenTelemetryObserver(TracerProvider(shutdown_on_exit=False), meters)


def cpu() -> float:
    """Return the CPU time of all threads of this process, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def in_flight(driver: Any, count: int, width: int = 64) -> None:
    """Send ``count`` requests, ``width`` concurrently."""
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await driver.execute_async(SELECT, ["local"])

    await asyncio.gather(*(worker() for _ in range(width)))


def unobserved() -> float:
    """Return the cost of the context manager around a request without observers, in nanoseconds."""
    params = [1]

    def request() -> None:
        with observe_request(None, SELECT, params):
            pass

    return min(timeit.repeat(request, number=200_000, repeat=5)) / 200_000 * 1e9


def main() -> None:
    """Run all turns and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9042)
    parser.add_argument("--driver", default="scylla", choices=["scylla", "cassandra"])
    parser.add_argument("--count", type=int, default=4000, help="requests per turn")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    driver: Any = coodie.init_coodie(options.hosts.split(","), port=options.port, driver_type=options.driver)
    contestants: dict[str, tuple[Any, ...]] = {
        "none": (),
        "one that does nothing": (Idle(),),
        "counters": (RequestCounters(),),
        "requestlog, below its level": (RequestLog(),),
        "otel, API alone": (OpenTelemetryObserver(),),
        "otel, with an SDK": (with_sdk(),),
    }
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    try:
        for turn in range(options.rounds + 1):
            for name, observers in contestants.items():
                with observing(*observers):
                    before = cpu()
                    asyncio.run(in_flight(driver, options.count))
                    # The first turn is a warm-up.
                    if turn:
                        spent[name].append((cpu() - before) / options.count * 1e6)
    finally:
        driver.close()
    report: dict[str, Any] = {"unobserved context manager, ns": unobserved()}
    for name, durations in spent.items():
        ratios = [own / none for own, none in zip(durations, spent["none"], strict=True)]
        report[name] = {"us": statistics.median(durations), "ratio": statistics.median(ratios)}
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print(f"around a request without observers: {report.pop('unobserved context manager, ns'):.0f} ns")
    for name, row in report.items():
        print(f"{name:28} {row['us']:6.0f} µs of CPU a request, ratio {row['ratio']:.2f}")


if __name__ == "__main__":
    main()
