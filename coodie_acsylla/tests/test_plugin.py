"""Opening: options and failures."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from coodie.config import build_config
from coodie.exceptions import AuthenticationError, ConfigurationError, ConnectionFailedError, UnsupportedError
from coodie.plugins import open_driver, open_driver_async
from coodie.requests import RequestOptions
from coodie_acsylla.descriptions import Address, Describe, DescriptionError
from coodie_acsylla.expansion import with_columns
from coodie_testing import FakeCluster

if TYPE_CHECKING:
    from coodie import Driver


@pytest.mark.parametrize(
    "options",
    [
        {"hosts": None},
        {"protocol_version": 4},
        {"compression": True},
        {"ssl_enabled": True},
        {"connect_timeout": 0},
        {"connect_timout": 1},
    ],
)
def test_options_that_are_rejected(options: dict[str, Any]) -> None:
    """An unsupported or invalid option is named before anything is connected."""
    given: dict[str, Any] = {"driver_type": "acsylla", "hosts": ["192.0.2.1"]}
    with pytest.raises(ConfigurationError) as caught:
        open_driver(build_config(**(given | options)))
    assert caught.value.option in {*options, "ssl_context"}


def test_alternatives_are_named(fake_driver: Driver) -> None:
    """A request that needs another capability lists the backends that have it."""
    with pytest.raises(UnsupportedError) as caught:
        fake_driver.execute("SELECT key FROM system.local", options=RequestOptions(trace=True))
    assert caught.value.alternatives == ("cassandra", "local", "scylla")


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_no_server(host: str, *, is_async: bool) -> None:
    """A closed port and an unknown name are a ConnectionFailedError with the host."""
    config = build_config(driver_type="acsylla", hosts=[host], port=1)
    with pytest.raises(ConnectionFailedError) as caught:
        asyncio.run(open_driver_async(config)) if is_async else open_driver(config)
    assert host in caught.value.hosts


@pytest.mark.parametrize("is_async", [False, True])
def test_a_silent_server(*, is_async: bool) -> None:
    """A server that never responds takes as long as the connect timeout."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = build_config(driver_type="acsylla", hosts=["127.0.0.1"], port=port, connect_timeout=0.5)
        started = time.monotonic()
        with pytest.raises(ConnectionFailedError, match="in time"):
            asyncio.run(open_driver_async(config)) if is_async else open_driver(config)
        assert time.monotonic() - started < 20


def test_credentials() -> None:
    """They are used for the session and for descriptions of statements; wrong ones have their error."""
    with FakeCluster(username="ann", password="secret") as cluster:
        given = {"driver_type": "acsylla", **cluster.connection_options()}
        cluster.table("shop.orders", {"id": "int"})
        cluster.when("SELECT id FROM shop.orders").rows([{"id": 1}], types={"id": "int"})
        with open_driver(build_config(**(given | {"username": "ann", "password": "secret"}))) as driver:
            assert driver.execute("SELECT id FROM shop.orders", []) == [{"id": 1}]
        with pytest.raises(AuthenticationError):
            open_driver(build_config(**(given | {"username": "ann", "password": "wrong"})))
        assert "secret" not in repr(Address(["h"], 1, None, "ann", "secret"))


def test_descriptions_fail_over(fake_cluster: FakeCluster) -> None:
    """A statement is described by the first host that responds; without one, all reasons are in the error."""
    fake_cluster.table("shop.orders", {"id": "int", "ref": "uuid"})
    fake_cluster.when("SELECT ref FROM shop.orders WHERE id = ?")
    port = fake_cluster.connection_options()["port"]
    described = Describe(
        Address(["127.0.0.9", "127.0.0.1"], port), "SELECT ref FROM shop.orders WHERE id = ?", 9
    )
    for found in (described.run(), asyncio.run(_awaited(described))):
        assert [(marker.name, marker.type.text) for marker in found.markers] == [("id", "int")]
        assert found.markers[0].table == '"shop"."orders"'
    with pytest.raises(DescriptionError, match=r"127\.0\.0\.9: .+; 127\.0\.0\.8: "):
        Describe(Address(["127.0.0.9", "127.0.0.8"], 1), "SELECT", 9).run()


async def _awaited(described: Describe) -> Any:
    return await described.run_async()


@pytest.mark.parametrize(
    ("cql", "expanded"),
    [
        ("SELECT * FROM t", 'SELECT "a", "B""" FROM t'),
        ("-- *\nselect/* * */*FROM t", '-- *\nselect/* * */"a", "B"""FROM t'),
        ("SELECT count(*) FROM t", "SELECT count(*) FROM t"),
        ("SELECT JSON * FROM t", "SELECT JSON * FROM t"),
        ("INSERT INTO t (a) VALUES (?)", "INSERT INTO t (a) VALUES (?)"),
    ],
)
def test_columns_of_all(cql: str, expanded: str) -> None:
    """The star of ``SELECT *`` is replaced by quoted names, and no other."""
    assert with_columns(cql, ["a", 'B"']) == expanded
