"""The workloads with async clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from contestants.rows import READ_PART

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from contestants.roles import AsyncClient
    from contestants.work import Work

__all__ = ["call_of", "check", "in_flight", "perform"]


async def in_flight(call: Callable[[int], Awaitable[Any]], count: int, width: int) -> None:
    """Call with 0 to ``count - 1``, ``width`` concurrently."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await call(number)

    await asyncio.gather(*(worker() for _ in range(min(width, count))))


async def check(client: AsyncClient, work: Work) -> list[dict[str, Any]]:
    """Return the rows that this workload reads, or a sample, as the client returns them."""
    statement = await client.prepare(work.compared_cql)
    if work.keyed:
        return [(await client.read(statement, [READ_PART, number]))[0] for number in work.sample]
    if work.writing:
        values = work.values()
        for number in work.sample:  # the stub rejects wrong rows
            await client.write(statement, values[number])
        return []
    return await client.read_all(statement, [READ_PART])


async def perform(client: AsyncClient, work: Work, count: int) -> int:
    """Do the work ``count`` times; return the number of rows read or written."""
    await in_flight(await call_of(client, work), count, work.width)
    return count * work.rows


async def call_of(client: AsyncClient, work: Work) -> Callable[[int], Awaitable[None]]:
    """Return the function that does the work once."""
    statement, identity, keys = await client.prepare(work.cql), client.identity, work.keys

    async def read(number: int) -> None:
        key = number % keys
        rows = await client.read(statement, [READ_PART, key])
        if len(rows) != 1 or rows[0][identity] != key:
            raise AssertionError(f"asked for row {key}, got {rows}")

    async def read_rows(_: int) -> None:
        rows = await client.read(statement, [READ_PART])
        work.expect(len(rows))

    async def read_all(_: int) -> None:
        rows = await client.read_all(statement, [READ_PART])
        work.expect(len(rows))

    async def total(_: int) -> None:
        work.expect(*await client.total(statement, [READ_PART]))

    async def many(_: int) -> None:
        await client.write_many(statement, work.many(), work.concurrency)

    values = work.values() if work.writing else []

    async def write(number: int) -> None:
        await client.write(statement, values[number % keys])

    calls: dict[str, Callable[[int], Awaitable[None]]] = {
        "insert": write,
        "rows": read_rows if work.one_page else read_all,
        "stream": total,
        "memory": total,
        "many": many,
    }
    return calls.get(work.kind, read)
