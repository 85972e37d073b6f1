"""Pages under faults: none is lost, none comes twice, and a failed one can be asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api
from tests.reliability.conftest import heal_async

from coodie.exceptions import CoodieError
from coodie_testing.faults import Close, ErrorCode, ServerError, Silence, Trickle

if TYPE_CHECKING:
    from coodie_testing.faults import Fault, FaultProxy

pytestmark = pytest.mark.server

PAGE = 10
ROWS = 95

FAULTS: dict[str, Fault] = {
    "close": Close(),
    "invalid": ServerError(code=ErrorCode.INVALID),
    "read failure": ServerError(code=ErrorCode.READ_FAILURE),
    "silence": Silence(),
}


@pytest.fixture(params=["sync", "async"])
def calls(through: Any, request: pytest.FixtureRequest) -> Api:
    """Give the connection through the proxy, by its sync and by its async methods."""
    return Api(through, is_async=request.param == "async")


@pytest.fixture(scope="module")
def numbers(driver: Any, keyspace: str, protocol: int) -> str:
    """Make a table of numbers in order; return the statement that reads them."""
    name = f"{keyspace}.numbers_v{protocol}"
    driver.execute(f"CREATE TABLE {name} (p int, n int, PRIMARY KEY (p, n))", [])
    driver.execute_many(f"INSERT INTO {name} (p, n) VALUES (0, ?)", ([n] for n in range(ROWS)))
    return f"SELECT n FROM {name} WHERE p = ?"


@pytest.mark.parametrize("page", [0, 4, 9])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_page_that_failed_is_asked_for_again(
    fault: str, page: int, calls: Api, proxy: FaultProxy, numbers: str
) -> None:
    """After a failed page, its paging state returns the rest of the result, in order."""
    await calls.execute(numbers, [0], fetch_size=PAGE)
    rule = proxy.add(FAULTS[fault], contains="SELECT n", after=page)
    found: list[int] = []
    state: bytes | None = None
    failures = 0
    timeout = 0.5 if fault == "silence" else 20
    while True:
        try:
            rows = await calls.execute(numbers, [0], fetch_size=PAGE, paging_state=state, timeout=timeout)
        except CoodieError:
            failures += 1
            await heal_async(calls.driver)
            continue
        found += [row["n"] for row in rows]
        state = rows.paging_state
        if state is None:
            break
    assert found == list(range(ROWS))
    assert rule.hits == 1
    # On a busy machine, more than the silent page may take longer than its timeout.
    assert failures == 1 or (fault == "silence" and failures > 1)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_stream_that_breaks_has_yielded_a_beginning(
    fault: str, calls: Api, proxy: FaultProxy, numbers: str
) -> None:
    """A stream that fails has yielded the first rows, each once, and raises the error."""
    await calls.execute(numbers, [0], fetch_size=PAGE)
    rule = proxy.add(FAULTS[fault], contains="SELECT n", after=5, times=None)
    found: list[int] = []
    with pytest.raises(CoodieError):
        async for row in calls.stream(numbers, [0], fetch_size=PAGE, timeout=0.5):
            found.append(row["n"])  # noqa: PERF401 - kept also where the stream breaks
    assert found == list(range(len(found)))
    assert len(found) in (4 * PAGE, 5 * PAGE)  # the async form reads a page ahead
    rule.times = rule.hits
    await heal_async(calls.driver)
    assert [row["n"] async for row in calls.stream(numbers, [0], fetch_size=PAGE)] == list(range(ROWS))


async def test_all_rows_or_an_error(calls: Api, proxy: FaultProxy, numbers: str, through: Any) -> None:
    """Without fetch_size, a failure of a later page raises an error, and never returns a part of the rows."""
    name = numbers.split()[3]
    many = f"SELECT n FROM {name} WHERE p = ? ORDER BY n"
    await calls.execute_many(f"INSERT INTO {name} (p, n) VALUES (1, ?)", ([n] for n in range(5200)))
    assert len(await calls.execute(many, [1])) == 5200
    rule = proxy.add(ServerError(code=ErrorCode.INVALID), contains="ORDER BY", after=1, times=None)
    with pytest.raises(CoodieError):
        await calls.execute(many, [1])
    rule.times = rule.hits
    proxy.add(Trickle(chunk=4000, pause=0), contains="ORDER BY", times=None)
    assert [row["n"] for row in await calls.execute(many, [1])] == list(range(5200))
