"""Checks of concurrent use: threads, tasks and event loops."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from coodie.capabilities import Capability
from coodie_testing.checking import check
from coodie_testing.messages import request_parameters
from coodie_testing.methods import executions_of

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["SharingChecks"]

_LOCAL = "SELECT key FROM system.local"

#: Requests of a loop at the same time, of which some have to wait if the driver limits their number.
_CROWD = 200


class SharingChecks:
    """One driver, used concurrently."""

    @check()
    async def test_many_at_once(self, api: Api, space: Workspace, key: str) -> None:
        """Two dozen threads or tasks write and read their own partitions."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, ?)"
        select = f"SELECT p, c, v FROM {space.items} WHERE p = ?"

        async def work(n: int) -> None:
            mine = f"{key}{n}"
            for c in range(8):
                await api.execute(insert, [mine, c, str(n)])
            rows = await api.execute(select, [mine])
            assert rows == [{"p": mine, "c": c, "v": str(n)} for c in range(8)]

        await api.together([partial(work, n) for n in range(24)])

    @check()
    async def test_other_statements_at_once(self, api: Api, space: Workspace) -> None:
        """Concurrent requests with different statements get their own columns and rows."""

        async def work(n: int) -> None:
            stmt = f"SELECT c AS c{n} FROM {space.items} WHERE p = 'many' AND c >= ? AND c < ?"
            for _ in range(4):
                rows = await api.execute(stmt, [n, n + 3])
                assert rows == [{f"c{n}": c} for c in range(n, n + 3)]

        await api.together([partial(work, n) for n in range(16)])

    @check()
    async def test_one_requests_arguments_are_its_own(self, api: Api, space: Workspace) -> None:
        """The arguments of a request don't affect concurrent and later requests."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < 50"

        async def paged(n: int) -> int:
            if n % 2 or not _pages(api):
                return len(await api.execute(stmt, [], timeout=30)) - 50
            return len(await api.execute(stmt, [], fetch_size=n + 1)) - (n + 1)

        assert await api.together([partial(paged, n) for n in range(20)]) == [0] * 20
        assert len(await api.execute(stmt, [])) == 50

    @check(Capability.CONSISTENCY)
    async def test_levels_of_concurrent_requests(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """Each of several requests in flight has its own level, or the connection's."""
        through = await api.open(hosts=[proxy.host], port=proxy.port, consistency="LOCAL_QUORUM")
        stmts = {
            level: f"SELECT c FROM {space.items} WHERE p = 'many' AND c = {n}"
            for n, level in enumerate(["ALL", "QUORUM", None, "ONE"])
        }
        for stmt in stmts.values():
            await through.execute(stmt, [])
        proxy.requests.clear()
        proxy.hold = True

        async def read(level: str | None, stmt: str, pause: float) -> None:
            await api.pause(pause)
            arguments = {} if level is None else {"consistency": level}
            await through.execute(stmt, [], **arguments)
            await through.execute_one(stmt, [], **arguments)

        async def release() -> None:
            await api.pause(0.3)
            proxy.hold = False

        calls: list[Any] = [partial(read, *pair, n * 0.03) for n, pair in enumerate([*stmts.items()] * 2)]
        await api.together([*calls, release])
        for level, stmt in stmts.items():
            sent = [request_parameters(one).consistency for one in executions_of(proxy, stmt)]
            assert sent == [level or "LOCAL_QUORUM"] * 4

    @check()
    async def test_sync_and_async_at_once(self, async_api: Api, space: Workspace) -> None:
        """Threads and tasks can use a driver at the same time."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = ?"
        driver, loop = async_api.driver, asyncio.get_running_loop()
        with ThreadPoolExecutor(4) as pool:
            threads = [loop.run_in_executor(pool, driver.execute, stmt, [n]) for n in range(30)]
            tasks = [driver.execute_async(stmt, [n]) for n in range(30, 60)]
            found = await asyncio.gather(*threads, *tasks)
        assert found == [[{"c": n}] for n in range(60)]

    @check()
    async def test_blocking_calls_on_the_loop(self, async_api: Api, space: Workspace) -> None:
        """A sync method called in a coroutine blocks its event loop, but works, including close."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = 3"
        assert async_api.driver.execute(stmt, []) == [{"c": 3}]
        assert async_api.driver.execute_one(stmt, []) == 3
        other = async_api.openers.open_driver()
        assert other.execute_one(_LOCAL, []) == "local"
        other.close()

    @check()
    async def test_loops_one_after_the_other(self, sync_api: Api, space: Workspace) -> None:
        """A driver works with several event loops in turn, such as one per asyncio.run."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        for n in range(4):
            rows = asyncio.run(_gathered(sync_api.driver, stmt, n, _CROWD))
            assert rows == [n] * _CROWD
            assert len(sync_api.driver.execute(stmt, [n])) == n

    @check()
    async def test_first_requests_of_several_loops(self, sync_api: Api, space: Workspace, key: str) -> None:
        """Concurrent first requests of new statements work in each event loop, one after the other or not."""
        driver = (await sync_api.open()).driver
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"

        async def first(name: str, *, is_shared: bool = False) -> list[int]:
            new = [f"{stmt} /* {key} {name} {n} */" for n in range(4)]
            new.append(f"{stmt} /* {key} shared */" if is_shared else new[0])
            found = await asyncio.gather(*(_gathered(driver, text, n, 3) for n, text in enumerate(new)))
            insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} {name} */"
            calls = [driver.execute_many_async(insert, [[f"{key}{n}"] for n in range(3)]) for _ in range(3)]
            if Capability.BATCHES in driver.capabilities:
                batch = [(insert.replace("INTO", "INTO "), [key])]
                calls += [driver.execute_batch_async(batch) for _ in range(3)]
            await asyncio.gather(*calls)
            return [count for counts in found for count in counts]

        expected = [n for n in range(5) for _ in range(3)]
        for n in range(3):
            assert asyncio.run(first(f"loop {n}")) == expected
        with ThreadPoolExecutor(3) as pool:
            loops = [pool.submit(asyncio.run, first(f"thread {n}", is_shared=True)) for n in range(3)]
            assert [one.result(60) for one in loops] == [expected] * 3

    @check()
    async def test_several_loops_at_once(self, async_api: Api, space: Workspace) -> None:
        """Event loops in several threads can use a driver at the same time."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        driver, loop = async_api.driver, asyncio.get_running_loop()
        with ThreadPoolExecutor(3) as pool:
            others = [
                loop.run_in_executor(pool, partial(asyncio.run, _gathered(driver, stmt, n)))
                for n in range(1, 4)
            ]
            mine = await _gathered(driver, stmt, 9)
            found = await asyncio.gather(*others)
        assert mine == [9] * 5
        assert found == [[n] * 5 for n in range(1, 4)]

    @check()
    async def test_a_loop_closed_under_requests(self, sync_api: Api, space: Workspace, caplog: Any) -> None:
        """Responses for a closed event loop are dropped, and the next loop works."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < ?"
        driver = sync_api.driver
        driver.execute(stmt, [1])
        caplog.clear()
        problems: list[Any] = []
        for _ in range(3):
            loop = asyncio.new_event_loop()
            loop.set_exception_handler(lambda _, context: problems.append(context))
            tasks = [loop.create_task(driver.execute_async(stmt, [5])) for _ in range(30)]
            loop.call_soon(loop.stop)
            loop.run_forever()
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.close()
        await sync_api.pause(0.3)
        assert asyncio.run(_gathered(driver, stmt, 2)) == [2] * 5
        assert problems == []
        assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []

    @check()
    async def test_threads_come_and_go(self, sync_api: Api, space: Workspace) -> None:
        """The end of a thread doesn't affect others."""
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = ?"
        found: list[Any] = []

        def work(n: int) -> None:
            found.append(sync_api.driver.execute_one(stmt, [n]))

        for n in range(12):
            thread = threading.Thread(target=work, args=(n,))
            thread.start()
            thread.join(30)
        assert found == list(range(12))
        assert await sync_api.execute_one(stmt, [12]) == 12

    @check()
    async def test_many_threads_first_statement(self, sync_api: Api, space: Workspace) -> None:
        """Threads that start at the same time with a new driver all get their rows."""
        other = await sync_api.open()
        stmt = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = ?"
        barrier = threading.Barrier(12)

        def work(n: int) -> Any:
            barrier.wait(30)
            return other.driver.execute_one(stmt, [n])

        with ThreadPoolExecutor(12) as pool:
            assert list(pool.map(work, range(12))) == list(range(12))


def _pages(api: Api) -> bool:
    return any(each.name == "PAGING" for each in api.driver.capabilities)


async def _gathered(driver: Any, stmt: str, n: int, count: int = 5) -> list[int]:
    rows = await asyncio.gather(*(driver.execute_async(stmt, [n], timeout=60) for _ in range(count)))
    return [len(each) for each in rows]
