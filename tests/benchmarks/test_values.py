"""The workloads of values: their tables, and a real Cassandra that stores and returns their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contestants import asynchronous, synchronous
from contestants.coodie_clients import CoodieAsync
from contestants.raw_drivers import RawDriver
from contestants.roles import Target
from contestants.rows import READ_PART, VALUE_KINDS, digest, table_of
from contestants.work import Work
from ruler.real import Address, real_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie_local import CassandraServer

WORKS = [Work.of(name) for name in ("list-4", "map-3", "decimal-2", "timestamp-2", "columns-17", "vector-9")]
NAMES = [work.name for work in WORKS]


@pytest.fixture(scope="module")
def address(cassandra_node: CassandraServer) -> Iterator[Address]:
    """A Cassandra with the tables and rows of these workloads."""
    with real_server(f"{cassandra_node.host}:{cassandra_node.port}", WORKS) as where:
        yield where


def test_all_kinds_of_values_are_tested() -> None:
    """No kind is without a test."""
    assert {work.kind for work in WORKS} == VALUE_KINDS


@pytest.mark.parametrize("work", WORKS, ids=NAMES)
def test_values_follow_from_the_key_and_the_column(work: Work) -> None:
    """The same ones for the same key, others for another key or another column."""
    assert work.expected() == Work.of(work.name).expected()
    first, second = work.table.row(READ_PART, 1), work.table.row(READ_PART, 2)
    for column in work.table.columns:
        if column.cql_type != "boolean":
            assert first[column.name] != second[column.name]
    texts = [str(first[column.name]) for column in work.table.columns if column.cql_type != "boolean"]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("name", "cql_types"),
    [
        ("list-10", ["list<int>"]),
        ("map-10", ["map<text, text>"]),
        ("vector-1536", ["vector<float, 1536>"]),
        ("decimal-3", ["decimal"] * 3),
        ("columns-9", ["int", "text", "double", "bigint", "boolean", "uuid", "float", "blob", "int"]),
    ],
)
def test_the_number_is_that_of_elements_or_of_columns(name: str, cql_types: list[str]) -> None:
    """One column of so many elements, or so many columns."""
    work = Work.of(name)
    assert [column.cql_type for column in work.table.columns] == cql_types
    value = work.table.row(READ_PART, 7)[work.table.columns[0].name]
    if len(cql_types) == 1:
        assert len(value) == work.number


def test_checksums_of_maps_heed_keys_and_types_but_not_order() -> None:
    """Clients give a map's entries in any order."""
    one = digest([{"v": {"a": 1, "b": 2}}])
    assert one == digest([{"v": {"b": 2, "a": 1}}])
    assert one != digest([{"v": {"a": 2, "b": 1}}])
    assert one != digest([{"v": {"a": 1, "b": 2.0}}])


def test_tables_have_names_of_their_own() -> None:
    """Workloads of the same kind with other numbers don't share a table."""
    assert len({table_of(kind, number).name for kind in VALUE_KINDS for number in (1, 2)}) == 2 * len(
        VALUE_KINDS
    )


@pytest.mark.parametrize("work", WORKS, ids=NAMES)
def test_the_driver_reads_the_right_values(address: Address, work: Work) -> None:
    """Rows that coodie has written, with the values and types that the keys make."""
    client = RawDriver()
    client.open(Target(address.host, address.port))
    try:
        rows = [client.plain(row, work.table) for row in synchronous.check(client, work)]
        assert digest(rows) == digest(work.expected())
        assert synchronous.perform(client, work, 2 * work.width) == 2 * work.width
    finally:
        client.close()


@pytest.mark.parametrize("variants", [(), ("arrays",), ("nofast",)], ids=["plain", "arrays", "nofast"])
@pytest.mark.parametrize("work", WORKS, ids=NAMES)
async def test_coodie_reads_the_right_values(
    address: Address, backend: str, work: Work, variants: tuple[str, ...]
) -> None:
    """On an event loop, with and without the codec that reads vectors as arrays."""
    client: Any = CoodieAsync(backend)
    await client.open(Target(address.host, address.port, frozenset(variants)))
    try:
        found = await asynchronous.check(client, work)
        if "arrays" in variants and work.kind == "vector":
            assert {type(row["v"]).__name__ for row in found} == {"array"}
        assert digest(client.plain(row, work.table) for row in found) == digest(work.expected())
        assert await asynchronous.perform(client, work, 2 * work.width) == 2 * work.width
    finally:
        await client.close()
