"""Goodput under overload, with and without max_in_flight, as ratios to the node's capacity.

Goodput is the number of requests per second whose rows arrive within the timeout. The stub server processes
requests sequentially, each in a fixed time, which is its capacity; this includes requests that have timed
out. The program sends requests at a fixed rate, even if earlier ones are in flight, like users of a web
service. The driver with the limit rejects requests; each is counted once and isn't retried.

    python benchmarks/overload.py --driver scylla
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from typing import Any, NamedTuple

import coodie
from contestants.rows import READ_PART, SELECT_ROW
from coodie.exceptions import CoodieError, OverloadedError
from ruler import stub

#: The driver's limits: in total, less than the number of requests that the node serves within the timeout.
LIMITS = {"max_in_flight": 64, "max_queued": 64}

_NO_LIMIT, _LIMIT = "without a limit", "max_in_flight=64"

#: Seconds between batches of requests.
_TICK = 0.005


class Offered(NamedTuple):
    """The outcome of one turn's requests.

    Attributes:
        goodput: Requests per second whose rows arrived within the timeout.
        rejected: The fraction of requests that the driver rejected.
    """

    goodput: float
    rejected: float


async def capacity(driver: Any, seconds: float, width: int = 16) -> float:
    """Return the requests per second with *width* requests in flight, which keep the node busy."""
    done = 0
    end = time.perf_counter() + seconds

    async def worker() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await driver.execute_async(SELECT_ROW, [READ_PART, 1], timeout=30)
            done += 1

    await asyncio.gather(*(worker() for _ in range(width)))
    return done / seconds


async def offer(driver: Any, rate: float, seconds: float, timeout: float) -> Offered:
    """Send requests at a rate; count those whose rows arrive within the timeout.

    Args:
        driver: The driver.
        rate: Requests per second.
        seconds: The duration of the load.
        timeout: The timeout of each request, in seconds.
    """
    good = rejected = 0

    async def request() -> None:
        nonlocal good, rejected
        begun = time.perf_counter()
        try:
            await driver.execute_async(SELECT_ROW, [READ_PART, 1], timeout=timeout)
        except OverloadedError:
            rejected += 1
        except CoodieError:
            return
        else:
            good += time.perf_counter() - begun <= timeout

    begin = time.perf_counter()
    tasks: list[asyncio.Task[None]] = []
    while (elapsed := time.perf_counter() - begin) < seconds:
        tasks += [asyncio.create_task(request()) for _ in range(int(elapsed * rate) - len(tasks))]
        await asyncio.sleep(_TICK)
    await asyncio.gather(*tasks)
    return Offered(good / seconds, rejected / len(tasks))


def measure(options: argparse.Namespace, port: int, load: float) -> dict[str, Offered]:
    """Measure one turn of each driver; return ratios to the capacity."""
    found = {}
    for name, limits in ((_NO_LIMIT, {}), (_LIMIT, LIMITS)):
        arguments: dict[str, Any] = {"driver_type": options.driver, "name": "overload", **limits}
        with coodie.init_coodie(["127.0.0.1"], port=port, **arguments) as driver:

            async def turn(driver: Any) -> Offered:
                await driver.warm_async([SELECT_ROW])
                most = await capacity(driver, options.seconds / 4)
                done = await offer(driver, load * most, options.seconds, options.timeout)
                return Offered(done.goodput / most, done.rejected)

            found[name] = asyncio.run(turn(driver))
    return found


def main() -> None:
    """Run all turns and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", default="scylla", choices=["scylla", "cassandra"])
    parser.add_argument("--work", type=int, default=1000, help="the server's time for a request, in µs")
    parser.add_argument("--timeout", type=float, default=0.5, help="the timeout of a request, in seconds")
    parser.add_argument("--seconds", type=float, default=4, help="the duration of a turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loads", default="0.5,1,2", help="multiples of the capacity")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    report: dict[str, Any] = {}
    with stub.running(stub.build(), work=options.work) as port:
        for load in map(float, options.loads.split(",")):
            rounds = [measure(options, port, load) for _ in range(options.rounds)]
            report[f"{load:g}"] = {
                name: {
                    field: statistics.median(getattr(found[name], field) for found in rounds)
                    for field in Offered._fields
                }
                for name in rounds[0]
            }
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print("load ÷ capacity: goodput ÷ capacity (rejected)")
    for name, rows in report.items():
        parts = [f"{one} {row['goodput']:.2f} ({row['rejected']:.0%})" for one, row in rows.items()]
        print(f"{name:>4}: {', '.join(parts)}")


if __name__ == "__main__":
    main()
