"""``sync_table`` and ``ping`` under each fault: the right error in time, nothing twice, the next works."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api
from tests.reliability.conftest import heal_async
from tests.reliability.test_requests_under_faults import FAULTS, HANG

from coodie.contract.operations import PROBE
from coodie.exceptions import ConnectionFailedError, CoodieError, RequestTimeoutError, SchemaError
from coodie.protocol.frames import Opcode
from coodie.schema import ColumnDefinition, SyncOptions
from coodie_testing.faults import Delay

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from coodie_testing.faults import Fault, FaultProxy

pytestmark = [pytest.mark.server, pytest.mark.reliability]

#: Seconds for each request, where they have to run out: a sync reads before it comes to what fails.
PATIENCE = 1.0
TIMED_OUT = Delay(seconds=2.5)

COLUMNS = [ColumnDefinition("k", "int", primary_key=True), ColumnDefinition("v", "text")]

_numbers = count()


@pytest.fixture(params=["sync", "async"])
def calls(through: Any, request: pytest.FixtureRequest) -> Api:
    """Give the connection through the proxy, by its sync and by its async methods."""
    return Api(through, is_async=request.param == "async")


@pytest.fixture
def fresh() -> str:
    """Name a table that isn't there."""
    return f"synced_{next(_numbers)}"


def _fault(name: str) -> tuple[Fault, type[CoodieError], float]:
    """Return a fault, its error, and the seconds that each request gets."""
    fault, error = FAULTS[name]
    if error is not RequestTimeoutError:
        return fault, error, HANG
    return (TIMED_OUT if isinstance(fault, Delay) else fault), error, PATIENCE


async def _fails(work: Awaitable[Any]) -> CoodieError:
    """Run what has to end with an error of the tree, in time."""
    started = time.monotonic()
    with pytest.raises(CoodieError) as caught:
        await work
    assert time.monotonic() - started < HANG
    return caught.value


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_sync_whose_statement_fails(
    fault: str, calls: Api, proxy: FaultProxy, keyspace: str, fresh: str
) -> None:
    """A failed sync names the statement, which isn't repeated; the next sync completes the changes."""
    broken, error, seconds = _fault(fault)
    rule = proxy.add(broken, contains="CREATE TABLE", opcodes=(Opcode.QUERY, Opcode.EXECUTE), times=None)
    found = await _fails(calls.sync_table(fresh, keyspace, COLUMNS, options=SyncOptions(timeout=seconds)))
    assert isinstance(found, SchemaError), repr(found)
    assert found.failed is not None
    assert found.failed.startswith("CREATE TABLE")
    assert found.executed == ()
    assert isinstance(found.__cause__, error), repr(found.__cause__)
    assert rule.hits == 1
    rule.times = rule.hits
    await heal_async(calls.driver)
    expected = [] if broken.reaches_node else [found.failed]
    assert await calls.sync_table(fresh, keyspace, COLUMNS) == expected
    assert await calls.sync_table(fresh, keyspace, COLUMNS) == []


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_sync_that_cannot_read(
    fault: str, calls: Api, proxy: FaultProxy, keyspace: str, fresh: str
) -> None:
    """If sync_table can't read the schema, it changes nothing; the next sync creates the table."""
    broken, error, seconds = _fault(fault)
    rule = proxy.add(broken, contains=f"table_name = '{fresh}'", times=None)
    proxy.requests.clear()
    found = await _fails(calls.sync_table(fresh, keyspace, COLUMNS, options=SyncOptions(timeout=seconds)))
    assert isinstance(found, error), repr(found)
    assert rule.hits
    assert proxy.count("CREATE TABLE") == 0
    rule.times = rule.hits
    await heal_async(calls.driver)
    assert len(await calls.sync_table(fresh, keyspace, COLUMNS)) == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_ping(fault: str, calls: Api, proxy: FaultProxy) -> None:
    """Without a response or connection, ping is False; it raises other errors, and then is True again."""
    broken, error, seconds = _fault(fault)
    assert await calls.ping()
    rule = proxy.add(broken, contains=PROBE, opcodes=(Opcode.EXECUTE,), times=None)
    started = time.monotonic()
    try:
        assert await calls.ping(timeout=seconds) is False
        assert error is CoodieError or issubclass(error, (ConnectionFailedError, RequestTimeoutError))
    except CoodieError as exc:
        assert isinstance(exc, error), repr(exc)  # noqa: PT017 - which of both it is depends on the fault
        assert not isinstance(exc, (ConnectionFailedError, RequestTimeoutError))  # noqa: PT017 - as above
    assert time.monotonic() - started < HANG
    assert rule.hits
    rule.times = rule.hits
    await heal_async(calls.driver)
    assert await calls.ping()
