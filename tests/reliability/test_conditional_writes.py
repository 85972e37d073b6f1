"""Conditional writes on three nodes, one of them down: what the error says, what a serial read shows."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api, open_driver

from coodie.exceptions import CoodieError, UnavailableError
from coodie.registry import DriverRegistry, using_registry
from coodie_local import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

pytestmark = [
    pytest.mark.server,
    pytest.mark.reliability,
    pytest.mark.timeout(400),
    pytest.mark.skipif(bool(os.environ.get("COODIE_HOSTS")), reason="it kills a node of its own"),
]

_KEYS = itertools.count()

#: Kind of write → what sets v of a row to 2, which is 1 or not there.
WRITES: dict[str, Callable[[Api, int], Awaitable[Any]]] = {
    "INSERT": lambda calls, k: calls.execute(
        "INSERT INTO ks.t (k, v) VALUES (?, 2) IF NOT EXISTS", [k], consistency="ALL"
    ),
    "UPDATE": lambda calls, k: calls.execute(
        "UPDATE ks.t SET v = 2 WHERE k = ? IF v = null", [k], consistency="ALL"
    ),
    "execute_one": lambda calls, k: calls.execute_one(
        "UPDATE ks.t SET v = 2 WHERE k = ? IF v = null", [k], consistency="ALL"
    ),
    "execute_batch": lambda calls, k: calls.execute_batch(
        [("INSERT INTO ks.t (k, v) VALUES (?, 2) IF NOT EXISTS", [k])], consistency="ALL"
    ),
    "batch as text": lambda calls, k: calls.execute(
        "BEGIN BATCH INSERT INTO ks.t (k, v) VALUES (?, 2) IF NOT EXISTS; APPLY BATCH", [k], consistency="ALL"
    ),
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Start three nodes, and kill one once there is a table."""
    with LocalCluster("lwt", nodes=3, directory=tmp_path_factory.mktemp("lwt"), timeout=300) as running:
        running.create_keyspace("ks")
        yield running


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "driver's way"])
def driver(cluster: LocalCluster, backend: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Connect, with the fast path and without; one node is down."""
    with using_registry(DriverRegistry()):
        opened = open_driver(
            backend, **cluster.connection_options() | {"request_timeout": 20, "fast_path": request.param}
        )
    with opened:
        opened.execute("CREATE TABLE IF NOT EXISTS ks.t (k int PRIMARY KEY, v int)", [])
        if request.param:
            cluster.nodes[2].kill()
        deadline = time.monotonic() + 60
        while _alive(opened) != 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield opened


def _alive(driver: Any) -> int:
    """Count the replicas that the coordinators take for alive."""
    found = set()
    for _ in range(4):
        try:
            driver.execute("SELECT v FROM ks.t WHERE k = -1", [], consistency="ALL")
        except UnavailableError as exc:
            found.add(exc.alive)
        except CoodieError:
            found.add(None)
        else:
            found.add(3)
    return min(found, key=lambda alive: -1 if alive is None else -alive) or 0


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("way", WRITES)
async def test_too_few_replicas_for_the_commit(way: str, is_async: bool, driver: Any) -> None:
    """The error says that it may have been applied, and it has been; it wasn't sent again."""
    calls, write = Api(driver, is_async=is_async), WRITES[way]
    for _ in range(6):
        key = next(_KEYS)
        with pytest.raises(UnavailableError, match="may have been applied") as caught:
            await write(calls, key)
        assert (caught.value.may_have_been_applied, caught.value.alive) == (True, 2)
        select = "SELECT v FROM ks.t WHERE k = ?"
        assert await calls.execute(select, [key], consistency="SERIAL") == [{"v": 2}]


async def test_what_has_no_condition(driver: Any) -> None:
    """Nothing was done there: the coordinator looks before it writes."""
    with pytest.raises(UnavailableError, match="nothing was done") as caught:
        await driver.execute_async("INSERT INTO ks.t (k, v) VALUES (-5, 1)", [], consistency="ALL")
    assert not caught.value.may_have_been_applied
    assert driver.execute("SELECT v FROM ks.t WHERE k = -5", [], consistency="QUORUM") == []
