"""The stub CQL server, asked by the database driver and by coodie."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from contestants import asynchronous, synchronous
from contestants.coodie_clients import CoodieAsync, CoodieSync
from contestants.raw_drivers import RawDriver
from contestants.roles import Target
from contestants.rows import INSERT, READ_PART, WRITE_PART, row, select_rows
from contestants.work import Work
from ruler import stub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Workloads whose values are compared; one reads in pages.
COMPARED = ("read-1", "rows-100", "rows-12000")


@contextmanager
def opened(client: Any, target: Target) -> Iterator[Any]:
    """Connect a blocking client while the block runs."""
    client.open(target)
    try:
        yield client
    finally:
        client.close()


def test_the_driver_reads_the_schema(target: Target, protocol: int) -> None:
    """The newest protocol that both speak is spoken, and the table is what rows say."""
    with opened(RawDriver(), target) as client:
        cluster = client.session.cluster
        assert cluster.protocol_version == protocol
        table = cluster.metadata.keyspaces["coodie_bench"].tables["readings"]
        assert [column.name for column in table.primary_key] == ["part", "id"]
        types = {name: column.cql_type for name, column in table.columns.items()}
        assert types == {"part": "int", "id": "int", "name": "text", "score": "double", "ref": "uuid"}


def test_it_speaks_for_three_nodes(stub_program: Path, backend: str, protocol: int) -> None:
    """Each of them knows the others, and which tokens they have; requests go to all of them."""
    with stub.running(stub_program, protocol=protocol, nodes=3) as port:
        target = Target("127.0.0.1", port)
        with opened(RawDriver(), target) as client:
            hosts = client.session.cluster.metadata.all_hosts()
            assert {host.address for host in hosts} == {"127.0.0.1", "127.0.0.2", "127.0.0.3"}
            ring = client.session.cluster.metadata.token_map.token_to_host_owner
            assert {sum(owner == host for owner in ring.values()) for host in hosts} == {8}
            assert synchronous.check(client, Work.of("three-64")) == Work.of("three-64").expected()
        with opened(CoodieSync(backend), target) as client:
            assert synchronous.check(client, Work.of("three-64")) == Work.of("three-64").expected()


@pytest.mark.parametrize("name", COMPARED)
def test_the_driver_reads_the_right_rows(target: Target, name: str) -> None:
    """Values and types are those that the keys make, on one page and on several."""
    work = Work.of(name)
    with opened(RawDriver(), target) as client:
        assert synchronous.check(client, work) == work.expected()


@pytest.mark.parametrize(
    "name", ["read-64", "insert-64", "rows-100", "rows-12000", "stream-12000", "many-500", "sync-8"]
)
def test_the_driver_does_each_kind_of_work(target: Target, name: str) -> None:
    """Blocking, with threads, with callbacks, with many at once: all of it ends and counts right."""
    work = Work.of(name)
    with opened(RawDriver(), target) as client:
        times = 2 * work.width
        assert synchronous.perform(client, work, times) == times * work.rows


@pytest.mark.parametrize("name", [*COMPARED, "insert-64", "stream-12000", "many-500"])
async def test_coodie_does_each_kind_of_work(target: Target, backend: str, name: str) -> None:
    """On an event loop: the rows are right, and there are as many as there should be."""
    work, client = Work.of(name), CoodieAsync(backend)
    await client.open(target)
    try:
        assert await asynchronous.check(client, work) == work.expected()
        times = 2 * work.width
        assert await asynchronous.perform(client, work, times) == times * work.rows
    finally:
        await client.close()


@pytest.mark.parametrize("count", [0, 1, 10_007])
def test_a_table_of_any_size_is_scanned(target: Target, backend: str, count: int) -> None:
    """Ranges of tokens have all rows of a condition, each once."""
    with opened(CoodieSync(backend), target) as client:
        scan = client.driver.scan("coodie_bench.readings", where=f"id < {count}")
        assert sorted(row["id"] for row in scan) == list(range(count))


def test_a_wrong_row_is_refused(target: Target, backend: str) -> None:
    """An insert is checked by its values: alone, and in a batch."""
    right, wrong = list(row(WRITE_PART, 7).values()), [WRITE_PART, 7, "name-00000000008", 3.5, UUID(int=7)]
    with opened(CoodieSync(backend), target) as client:
        client.write(INSERT, right)
        with pytest.raises(Exception, match="isn't the one that its part and id make"):
            client.write(INSERT, wrong)
        client.driver.execute_batch([(INSERT, right), (INSERT, right)])
        with pytest.raises(Exception, match="but not those that their part and id make"):
            client.driver.execute_batch([(INSERT, right), (INSERT, wrong)])


def test_a_batch_of_many_segments_arrives(target: Target) -> None:
    """A request larger than a segment of version 5 is put together."""
    from cassandra.query import BatchStatement

    with opened(RawDriver(), target) as client:
        statement, batch = client.prepare(INSERT), BatchStatement()
        for number in range(5000):
            batch.add(statement, list(row(WRITE_PART, number).values()))
        client.session.execute(batch)


def test_an_answer_larger_than_a_segment_arrives(target: Target) -> None:
    """Without pages all rows come in one answer, as one frame."""
    with opened(RawDriver(), target) as client:
        client.session.default_fetch_size = None
        statement = client.prepare(select_rows(30_000))
        assert client.read(statement, [READ_PART]) == [row(READ_PART, number) for number in range(30_000)]


def test_what_it_does_not_know_is_an_error(target: Target, backend: str) -> None:
    """No statement gets an answer that it wasn't made for."""
    with (
        opened(CoodieSync(backend), target) as client,
        pytest.raises(Exception, match="the stub knows no such statement"),
    ):
        client.read("SELECT name FROM coodie_bench.readings WHERE id = ?", [1])


def test_without_a_compiler_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler is named, and so is the other server."""
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(stub.NoCompilerError, match=r"'no-such-compiler'.*--server real"):
        stub.build()
