"""The process of one contestant with one workload, started by ``bench.py``.

It first writes a line of JSON to standard output: the checksum, and the operations per round. For each line
on standard input, it runs a round and writes a line with the costs. It exits at the end of the input.

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
from contestants.measuring import connections, forget_peak, measure, memory, peak
from contestants.pacing import percentile, send_at_rate, send_at_rate_with_callbacks
from contestants.roles import Target, Unavailable
from contestants.rows import ARROW_SIZE, READ_PART, digest
from contestants.work import Work

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: The target duration of a round in CPU seconds; the maximum elapsed time, as a multiple of it.
_SECONDS = 0.5
_MAX_SLOWDOWN = 3
#: Seconds of a round at a fixed rate, per second of the target duration.
_RATE_FACTOR = 4
#: Requests in flight before a burst.
_WARM_UP = 8


class Process:
    """The steps of this process, as coroutines; with a blocking client, they never wait.

    Args:
        entered: The contestant.
        work: The workload.
        target: The server.
        seconds: The target duration of a round.
        out: The stream for responses.
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
        """Connect, check values, calibrate, run rounds, disconnect."""
        if self.work.kind == "connect":
            # The first connection isn't measured, because some clients import modules lazily.
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
        with measure() as spent:
            await self._call(self.client.open, self.target)
            statement = await self._call(self.client.prepare, self.work.cql)
            rows = await self._call(self.client.read, statement, [READ_PART, 1])
        facts = self.client.facts
        with measure(spent):
            await self._call(self.client.close)
        if self._plain(rows) != [self.work.table.row(READ_PART, 1)]:
            raise AssertionError(f"expected another row, got {rows}")
        self.answer(cpu=spent.cpu, wall=spent.wall, count=1, facts=facts)

    def answer(self, **content: Any) -> None:
        """Write a line of JSON."""
        print(json.dumps(content), file=self.out, flush=True)

    async def _rounds(self) -> None:
        checked = await self._check()
        count = await self._calibrated()
        self.answer(checked=checked, count=count, facts=self.client.facts)
        while await self._next():
            gc.collect()
            with measure() as spent:
                rows = await self._perform(count)
            self.answer(cpu=spent.cpu, wall=spent.wall, count=count, rows=rows, memory=memory())

    async def _memory(self) -> None:
        """Stream rows; report the memory growth since the first row was read."""
        statement = await self._call(self.client.prepare, Work("rows").cql)
        await self._call(self.client.read, statement, [READ_PART])
        gc.collect()
        forget_peak()
        before = memory()
        with measure() as spent:
            await self._perform(1)
        self.answer(
            cpu=spent.cpu,
            wall=spent.wall,
            count=1,
            rows=self.work.rows,
            memory=before,
            grown=peak() - before,
            checked=await self._check(),  # last, because streaming could reuse the memory that it frees
            facts=self.client.facts,
        )

    async def _frame(self) -> None:
        """Create a data frame, after a small one; report memory growth and the size of the Arrow data."""
        frames.warm()
        statement = await self._call(self.client.prepare, self.work.compared_cql)
        await self._call(self.client.frame, statement, [READ_PART])
        statement = await self._call(self.client.prepare, self.work.cql)
        gc.collect()
        forget_peak()
        before = memory()
        with measure() as spent:
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
        """Report the memory growth with many requests in flight."""
        few = Work("read", _WARM_UP)
        await self._call(self._module.perform, self.client, few, few.keys)
        gc.collect()
        forget_peak()
        before = memory()
        with measure() as spent:
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
        """Report the memory growth per client that is connected and has read a row."""
        clients = [type(self.client)(*self._arguments) for _ in range(self.work.number)]
        await self._read_one(self.client)
        gc.collect()
        before, connected = memory(), connections(self.target.port)
        with measure() as spent:
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
        """Run rounds at a fixed rate."""
        checked = await self._check()
        count = max(int(self.work.rate * self.seconds * _RATE_FACTOR), 1)
        pace = send_at_rate if self.on_loop else send_at_rate_with_callbacks
        await self._call(pace, self.client, self.work, count)
        self.answer(checked=checked, count=count, facts=self.client.facts)
        while await self._next():
            gc.collect()
            with measure() as spent:
                latencies = await self._call(pace, self.client, self.work, count)
            p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
            self.answer(cpu=spent.cpu, p50=p50, p99=p99, count=count, rows=count, memory=memory())

    async def _check(self) -> str:
        """Compare values with the expected ones; return their checksum."""
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
        """Return the number of operations per round; also a warm-up."""
        count = self.work.width
        while True:
            with measure() as spent:
                await self._perform(count)
            # By CPU time: on a busy machine, elapsed time would result in too few operations.
            took = max(spent.cpu, spent.wall / _MAX_SLOWDOWN)
            wanted = count * self.seconds / max(took, 1e-6)
            if took > self.seconds / 3:
                return max(int(wanted) // self.work.width, 1) * self.work.width
            count = max(int(min(wanted, count * 8)) // self.work.width, 1) * self.work.width

    async def _perform(self, count: int) -> int:
        rows: int = await self._call(self._module.perform, self.client, self.work, count)
        return rows

    async def _next(self) -> bool:
        """Wait for the next round without blocking the event loop, as in a program."""
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
    """Run the steps on an event loop, or synchronously with a blocking client."""
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
    """Run the process, and report errors on standard output."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name")
    parser.add_argument("workload")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9042)
    parser.add_argument("--ca", default="", help="the certificate file of the authority; empty: no TLS")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="the target duration of a round")
    given = parser.parse_args()
    entered = contestant(given.name)
    target = Target(given.host, given.port, entered.variants, given.ca)
    # Output of clients must not mix with the protocol.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        try:
            run(Process(entered, Work.of(given.workload), target, given.seconds, out))
        except (Unavailable, ModuleNotFoundError) as exc:
            print(json.dumps({"unavailable": str(exc)}), file=out, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
