"""One contestant with one workload, in a process of its own; ``bench.py`` starts it.

On standard output comes one line of JSON: what was checked and how often a round does its work. Then each
line on standard input is a round, answered by a line with what it cost. The end of the input ends it.

    python benchmarks/contestant.py coodie-scylla read-64 --port 9042
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

from contestants import asynchronous, frames, synchronous
from contestants.listing import Contestant, contestant
from contestants.measuring import connections, forget_peak, measured, memory, peak
from contestants.pacing import paced, paced_with_callbacks, percentile
from contestants.roles import Target, Unavailable
from contestants.rows import ARROW_SIZE, READ_PART, digest
from contestants.work import Work

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: How long a round ought to take, in seconds of the CPU; by the clock it may take so many times as long.
_SECONDS = 0.5
_PATIENCE = 3
#: Seconds that a round at a fixed rate takes, for each of those.
_PACED = 4
#: Requests in flight before a burst.
_WARM_UP = 8


class Process:
    """What this process does; every step is a coroutine, which never waits where the client blocks.

    Args:
        entered: Who runs.
        work: What is to be done.
        target: Where.
        seconds: How long a round ought to take.
        out: Where answers go.
    """

    def __init__(self, entered: Contestant, work: Work, target: Target, seconds: float, out: TextIO) -> None:
        self.work = work
        self.target = target
        self.seconds = seconds
        self.out = out
        blocking = work.blocking or "sync" in entered.variants
        self.on_loop = entered.on_loop(blocking=blocking)
        client = entered.client(blocking=blocking)
        if client is None:
            raise Unavailable("it has no interface for this workload")
        self.client: Any = client
        self._arguments = entered.arguments
        self._module: Any = asynchronous if self.on_loop else synchronous

    async def run(self) -> None:
        """Connect, check, find out how often a round does its work, do rounds, disconnect."""
        if self.work.kind == "connect":
            # The first connection isn't measured: it imports what a client leaves until then.
            await self._call(self.client.open, self.target)
            await self._call(self.client.close)
        if self.work.kind in {"cold", "connect"}:
            await self._connect()
            return
        steps = {
            "memory": self._memory,
            "frame": self._frame,
            "burst": self._burst,
            "sessions": self._sessions,
            "rate": self._paced_rounds,
        }
        await self._call(self.client.open, self.target)
        await steps.get(self.work.kind, self._rounds)()
        await self._call(self.client.close)

    async def _connect(self) -> None:
        """Connect, read a row, disconnect."""
        with measured() as spent:
            await self._call(self.client.open, self.target)
            statement = await self._call(self.client.prepare, self.work.cql)
            rows = await self._call(self.client.read, statement, [READ_PART, 1])
        facts = self.client.facts
        with measured(spent):
            await self._call(self.client.close)
        if self._plain(rows) != [self.work.table.row(READ_PART, 1)]:
            raise AssertionError(f"not the row that was asked for: {rows}")
        self.answer(cpu=spent.cpu, wall=spent.wall, count=1, facts=facts)

    def answer(self, **content: Any) -> None:
        """Write one line."""
        print(json.dumps(content), file=self.out, flush=True)

    async def _rounds(self) -> None:
        checked = await self._check()
        count = await self._calibrated()
        self.answer(checked=checked, count=count, facts=self.client.facts)
        while await self._next():
            gc.collect()
            with measured() as spent:
                rows = await self._perform(count)
            self.answer(cpu=spent.cpu, wall=spent.wall, count=count, rows=rows, memory=memory())

    async def _memory(self) -> None:
        """Stream, and tell how far memory grew beyond what it was after one row had been read."""
        statement = await self._call(self.client.prepare, Work("rows").cql)
        await self._call(self.client.read, statement, [READ_PART])
        gc.collect()
        forget_peak()
        before = memory()
        with measured() as spent:
            await self._perform(1)
        self.answer(
            cpu=spent.cpu,
            wall=spent.wall,
            count=1,
            rows=self.work.rows,
            memory=before,
            grown=peak() - before,
            checked=await self._check(),  # only now: it leaves memory behind that streaming could use
            facts=self.client.facts,
        )

    async def _frame(self) -> None:
        """Make a data frame after one of few rows, and tell how far memory grew, beside the Arrow data."""
        frames.warm()
        statement = await self._call(self.client.prepare, self.work.compared_cql)
        await self._call(self.client.frame, statement, [READ_PART])
        statement = await self._call(self.client.prepare, self.work.cql)
        gc.collect()
        forget_peak()
        before = memory()
        with measured() as spent:
            frame = await self._call(self.client.frame, statement, [READ_PART])
        held = (peak() - before) / (ARROW_SIZE * self.work.rows)
        self.work.expect(len(frame), int(frame["id"].sum()))
        self.answer(
            cpu=spent.cpu,
            wall=spent.wall,
            count=1,
            rows=self.work.rows,
            held=held,
            memory=before,
            checked=self._compared(frames.rows_of(frame, self.work.compared)),
            facts=self.client.facts,
        )

    async def _burst(self) -> None:
        """Tell how far memory grows while many requests are in flight at once."""
        few = Work("read", _WARM_UP)
        await self._call(self._module.perform, self.client, few, few.keys)
        gc.collect()
        forget_peak()
        before = memory()
        with measured() as spent:
            await self._perform(self.work.number)
        self.answer(
            cpu=spent.cpu,
            wall=spent.wall,
            count=self.work.number,
            request=peak() - before,
            memory=before,
            checked=await self._check(),
            facts=self.client.facts,
        )

    async def _sessions(self) -> None:
        """Tell how far memory grows with each further client that is connected and has read a row."""
        clients = [type(self.client)(*self._arguments) for _ in range(self.work.number)]
        await self._read_one(self.client)
        gc.collect()
        before, connected = memory(), connections(self.target.port)
        with measured() as spent:
            for client in clients:
                await self._call(client.open, self.target)
                await self._read_one(client)
        gc.collect()
        grown, more = memory() - before, connections(self.target.port) - connected
        for client in clients:
            await self._call(client.close)
        self.answer(
            cpu=spent.cpu,
            wall=spent.wall,
            count=self.work.number,
            session=grown,
            connections=more,
            memory=before,
            checked=await self._check(),
            facts=self.client.facts,
        )

    async def _read_one(self, client: Any) -> None:
        statement = await self._call(client.prepare, self.work.cql)
        await self._call(client.read, statement, [READ_PART, 1])

    async def _paced_rounds(self) -> None:
        """Do rounds at a fixed rate."""
        checked = await self._check()
        count = max(int(self.work.rate * self.seconds * _PACED), 1)
        pace = paced if self.on_loop else paced_with_callbacks
        await self._call(pace, self.client, self.work, count)
        self.answer(checked=checked, count=count, facts=self.client.facts)
        while await self._next():
            gc.collect()
            with measured() as spent:
                latencies = await self._call(pace, self.client, self.work, count)
            p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
            self.answer(cpu=spent.cpu, p50=p50, p99=p99, count=count, rows=count, memory=memory())

    async def _check(self) -> str:
        """Compare values with what they must be; return their checksum."""
        return self._compared(await self._call(self._module.check, self.client, self.work))

    def _compared(self, found: list[dict[str, Any]]) -> str:
        rows = self._plain(found)
        expected = self.work.expected()
        if rows != expected:
            wrong = next((pair for pair in zip(rows, expected, strict=False) if pair[0] != pair[1]), None)
            raise AssertionError(f"{len(rows)} rows of {len(expected)}; the first that differ: {wrong}")
        return digest(rows)

    def _plain(self, rows: Any) -> list[dict[str, Any]]:
        return [self.client.plain(one, self.work.table) for one in rows]

    async def _calibrated(self) -> int:
        """Return how often a round does the work; this warms up, too."""
        count = self.work.width
        while True:
            with measured() as spent:
                await self._perform(count)
            # By the CPU: on a busy machine the clock would leave too little work to a round.
            took = max(spent.cpu, spent.wall / _PATIENCE)
            wanted = count * self.seconds / max(took, 1e-6)
            if took > self.seconds / 3:
                return max(int(wanted) // self.work.width, 1) * self.work.width
            count = max(int(min(wanted, count * 8)) // self.work.width, 1) * self.work.width

    async def _perform(self, count: int) -> int:
        rows: int = await self._call(self._module.perform, self.client, self.work, count)
        return rows

    async def _next(self) -> bool:
        """Wait for the next round; the loop goes on meanwhile, as that of a program would."""
        if self.on_loop:
            return bool(await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline))
        return bool(sys.stdin.readline())

    async def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        made: Any = function(*arguments)
        if self.on_loop:
            awaitable: Awaitable[Any] = made
            return await awaitable
        return made


def run(process: Process) -> None:
    """Run the steps: on a loop, or to their end in one go where nothing waits."""
    if not process.on_loop:
        try:
            process.run().send(None)
        except StopIteration:
            return
        raise AssertionError("a blocking client awaited something")
    if "uvloop" not in process.target.variants:
        asyncio.run(process.run())
        return
    import uvloop

    uvloop.run(process.run())


def main() -> int:
    """Run, and tell on standard output how it went."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name")
    parser.add_argument("workload")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9042)
    parser.add_argument("--ca", default="", help="file of the server's authority; without it, no TLS")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="how long a round ought to take")
    given = parser.parse_args()
    entered = contestant(given.name)
    target = Target(given.host, given.port, entered.variants, given.ca)
    # What clients print must not come between.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        try:
            run(Process(entered, Work.of(given.workload), target, given.seconds, out))
        except (Unavailable, ModuleNotFoundError) as exc:
            print(json.dumps({"unavailable": str(exc)}), file=out, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
