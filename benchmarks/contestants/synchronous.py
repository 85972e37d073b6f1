"""The workloads with sync clients, and with callbacks if the client has them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

from contestants.rows import READ_PART

if TYPE_CHECKING:
    from collections.abc import Callable

    from contestants.roles import CallbackClient, SyncClient
    from contestants.work import Work

__all__ = ["check", "expect_row", "in_flight", "perform"]


def in_flight(
    start: Callable[[int, Callable[[Any], None], Callable[[BaseException], None]], None],
    count: int,
    width: int,
) -> None:
    """Start 0 to ``count - 1``, ``width`` concurrently; a completion starts the next in a client's thread.

    Args:
        start: Starts one, given its number and two callbacks.
        count: The total number.
        width: The number in flight.

    Raises:
        BaseException: The first error.
    """
    numbers = iter(range(count))
    guard, ended = threading.Lock(), threading.Event()
    wrong: list[BaseException] = []
    left = count

    def going_on(_: Any) -> None:
        nonlocal left
        with guard:
            left -= 1
            number = next(numbers, None)
            if not left:
                ended.set()
        if number is not None and not wrong:
            begin(number)

    def failed(exc: BaseException) -> None:
        wrong.append(exc)
        ended.set()

    def begin(number: int) -> None:
        try:
            start(number, going_on, failed)
        except Exception as exc:  # noqa: BLE001 - raised below, in the waiting thread
            failed(exc)

    for number in [next(numbers) for _ in range(min(width, count))]:
        begin(number)
    ended.wait()
    if wrong:
        raise wrong[0]


def check(client: SyncClient, work: Work) -> list[dict[str, Any]]:
    """Return the rows that this workload reads, or a sample, as the client returns them."""
    statement = client.prepare(work.compared_cql)
    if work.keyed:
        return [client.read(statement, [READ_PART, number])[0] for number in work.sample]
    if work.writing:
        values = work.values()
        for number in work.sample:  # the stub rejects wrong rows
            client.write(statement, values[number])
        return []
    return client.read_all(statement, [READ_PART])


def perform(client: SyncClient, work: Work, count: int) -> int:
    """Do the work ``count`` times; return the number of rows read or written."""
    statement = client.prepare(work.cql)
    if work.kind == "sync":
        return _on_threads(client, work, statement, count)
    if work.width > 1 or work.keyed or work.kind == "insert":
        _call_back(cast("CallbackClient", client), work, statement, count)
        return count * work.rows
    for _ in range(count):
        if work.streaming:
            work.expect(*client.total(statement, [READ_PART]))
        elif work.kind == "many":
            client.write_many(statement, work.many(), work.concurrency)
        else:
            rows = (client.read if work.one_page else client.read_all)(statement, [READ_PART])
            work.expect(len(rows))
    return count * work.rows


def _on_threads(client: SyncClient, work: Work, statement: Any, count: int) -> int:
    """Read one row at a time, in ``work.width`` threads."""
    each = count // work.width

    def read() -> None:
        for number in range(each):
            key = number % work.keys
            expect_row(key, client.read(statement, [READ_PART, key]), client.identity)

    with ThreadPoolExecutor(work.width) as pool:
        for ended in [pool.submit(read) for _ in range(work.width)]:
            ended.result()
    return each * work.width


def expect_row(key: int, rows: Any, identity: str) -> None:
    """Check that the rows are the row of a key.

    Raises:
        AssertionError: They differ.
    """
    if rows is None or len(rows) != 1 or rows[0][identity] != key:
        raise AssertionError(f"asked for row {key}, got {rows}")


def _call_back(client: CallbackClient, work: Work, statement: Any, count: int) -> None:
    """Do the work with callbacks."""
    values = work.values() if work.writing else []
    keyed, keys, reads_rows = work.keyed, work.keys, work.kind == "rows"

    def start(number: int, done: Callable[[Any], None], failed: Callable[[BaseException], None]) -> None:
        key = number % keys

        def checked(rows: Any) -> None:
            try:
                if keyed:
                    expect_row(key, rows, client.identity)
                elif reads_rows:
                    work.expect(len(rows))
            except AssertionError as exc:
                failed(exc)
            else:
                done(rows)

        given = [READ_PART, key] if keyed else values[key] if values else [READ_PART]
        client.start(statement, given, checked, failed)

    in_flight(start, count, work.width)
