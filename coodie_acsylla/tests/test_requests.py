"""What a server gets: options of requests, as a fake server receives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from coodie.config import build_config
from coodie.exceptions import UnavailableError
from coodie.plugins import open_driver
from coodie.requests import RequestOptions
from coodie.types import UNSET

if TYPE_CHECKING:
    from coodie import Driver
    from coodie_testing import FakeCluster

INSERT = "INSERT INTO shop.orders (id, ref) VALUES (?, ?)"
SELECT = "SELECT id, ref FROM shop.orders WHERE id = ?"
REF = UUID(int=7)


@pytest.mark.parametrize("level", ["ONE", "two", "QUORUM", "ALL", "LOCAL_QUORUM", "EACH_QUORUM"])
def test_consistency(fake_cluster: FakeCluster, fake_driver: Driver, level: str) -> None:
    """Each level is sent, also of a batch."""
    fake_cluster.when(INSERT)
    fake_driver.execute(INSERT, [1, REF], level)
    fake_driver.execute_batch([(INSERT, [1, REF])], consistency=level)
    assert [request.consistency for request in fake_cluster.requests[-2:]] == [level.upper()] * 2


def test_consistency_of_the_connection(fake_cluster: FakeCluster) -> None:
    """The connection's level is the default of its requests; without one, it is LOCAL_ONE."""
    fake_cluster.table("shop.orders", {"id": "int", "ref": "uuid"})
    fake_cluster.when(INSERT)
    for given, sent in (({"consistency": "QUORUM"}, "QUORUM"), ({}, "LOCAL_ONE")):
        options: dict[str, Any] = given | fake_cluster.connection_options()
        with open_driver(build_config(driver_type="acsylla", **options)) as driver:
            driver.execute(INSERT, [1, REF])
        assert fake_cluster.requests[-1].consistency == sent


def test_options(fake_cluster: FakeCluster, fake_driver: Driver) -> None:
    """The serial consistency, the timestamp and the page size are sent, the first two also of a batch."""
    fake_cluster.when(INSERT)
    options = RequestOptions(serial_consistency="LOCAL_SERIAL", timestamp=123)
    fake_driver.execute(INSERT, [1, REF], fetch_size=7, options=options)
    fake_driver.execute_batch([(INSERT, [1, REF])], options=options)
    statement, batch = fake_cluster.requests[-2:]
    assert (statement.serial_consistency, statement.timestamp, statement.page_size) == (
        "LOCAL_SERIAL",
        123,
        7,
    )
    assert (batch.kind, batch.serial_consistency, batch.timestamp) == ("batch", "LOCAL_SERIAL", 123)


def test_unset(fake_cluster: FakeCluster, fake_driver: Driver) -> None:
    """UNSET is sent as no value, and None as null."""
    fake_cluster.when(INSERT)
    for value in (UNSET, None):
        fake_driver.execute(INSERT, [1, value])
        assert fake_cluster.requests[-1].params == [1, value]


def test_nothing_is_retried(fake_cluster: FakeCluster, fake_driver: Driver) -> None:
    """The client doesn't retry: a server's error is raised after one request, with its class."""
    fake_cluster.when(SELECT).error(UnavailableError, alive=0)
    fake_driver.execute("SELECT key FROM system.local")
    before = len(fake_cluster.requests)
    with pytest.raises(UnavailableError):
        fake_driver.execute(SELECT, [1])
    assert len(fake_cluster.requests) == before + 1
