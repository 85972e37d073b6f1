"""Opening, closing, forking, exiting: nothing is left, and whoever waits gets an answer."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.faults import Silence
from tests.faults.proxy import FaultProxy

import coodie
from coodie.exceptions import ConnectionFailedError, CoodieError, DriverClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Connector

pytestmark = pytest.mark.server

#: Seconds beyond which something hangs.
HANG = 25


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("count", [pytest.param(10), pytest.param(200, marks=pytest.mark.reliability)])
def test_connecting_and_closing_leaves_nothing(
    count: int, is_async: bool, cassandra_node: Any, backend: str, registry: Any
) -> None:
    """Threads and file descriptors are as before, and memory doesn't grow with the number of rounds."""
    options = {
        "hosts": [cassandra_node.host], "port": cassandra_node.port, "driver_type": backend, "name": "again"
    }  # fmt: skip

    async def round_async() -> None:
        driver = await coodie.init_coodie_async(**options)
        await driver.execute_async("SELECT key FROM system.local", [])
        await driver.close_async()

    def round_trip() -> None:
        if is_async:
            asyncio.run(round_async())
            return
        driver = coodie.init_coodie(**options)
        driver.execute("SELECT key FROM system.local", [])
        driver.close()

    for _ in range(3):
        round_trip()
    gc.collect()
    before = (threading.active_count(), _descriptors())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(count):
        round_trip()
    gc.collect()
    deadline = time.monotonic() + 10
    while (threading.active_count(), _descriptors()) > before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert threading.active_count() <= before[0]
    assert _descriptors() <= before[1] + 2
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory  # KiB
    assert grown < 20 * 1024 + 100 * count


@pytest.mark.parametrize("is_async", [False, True])
async def test_closing_with_thousands_in_flight(
    is_async: bool, cassandra_node: Any, connect: Connector, table: Callable[[str], str]
) -> None:
    """Close ends by its deadline, and each request with an error or a result."""
    with FaultProxy(cassandra_node.host, cassandra_node.port) as proxy:
        driver = connect(hosts=[proxy.host], port=proxy.port)
        stmt = f"SELECT k FROM {table('k int PRIMARY KEY')}"
        await driver.execute_async(stmt, [])
        proxy.add(Silence(), contains=stmt, times=None, after=500)
        tasks = [asyncio.ensure_future(driver.execute_async(stmt, [], timeout=100)) for _ in range(3000)]
        await asyncio.sleep(0.5)
        started = time.monotonic()
        if is_async:
            await driver.close_async()
        else:
            await asyncio.get_running_loop().run_in_executor(None, driver.close)
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), HANG)
        assert time.monotonic() - started < HANG
        assert {type(outcome) for outcome in outcomes if isinstance(outcome, Exception)} <= {
            DriverClosedError,
            ConnectionFailedError,
        }
        assert sum(isinstance(outcome, list) for outcome in outcomes) >= 500


def test_loops_one_after_another(driver: Any) -> None:
    """One driver serves asyncio.run, again and again."""
    for _ in range(5):
        assert asyncio.run(driver.execute_one_async("SELECT key FROM system.local", [])) == "local"


def test_close_from_another_loop_and_thread(connect: Connector) -> None:
    """A driver that was used on one loop is closed on another, in another thread."""
    driver = connect()
    asyncio.run(driver.execute_async("SELECT key FROM system.local", []))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, driver.close_async()).result(HANG)
    with pytest.raises(DriverClosedError):
        asyncio.run(driver.execute_async("SELECT key FROM system.local", []))


def test_a_server_that_comes_up_after_the_client(cassandra_node: Any, backend: str, registry: Any) -> None:
    """A lazy driver fails while nobody listens, and connects at the first request after somebody does."""
    with FaultProxy(cassandra_node.host, cassandra_node.port) as before:
        port = before.port
    driver = coodie.init_coodie(["127.0.0.1"], port=port, driver_type=backend, lazy=True)
    with pytest.raises(ConnectionFailedError):
        driver.execute("SELECT key FROM system.local", [])
    with FaultProxy(cassandra_node.host, cassandra_node.port, listen_port=port):
        assert driver.execute_one("SELECT key FROM system.local", []) == "local"
        driver.close()


def test_a_name_with_several_addresses(cassandra_node: Any, backend: str, registry: Any) -> None:
    """A contact point that nobody answers at doesn't keep the next from being used."""
    host = cassandra_node.host
    driver = coodie.init_coodie(["127.0.0.77", host], port=cassandra_node.port, driver_type=backend)
    assert driver.execute_one("SELECT key FROM system.local", []) == "local"
    driver.close()
    with pytest.raises(ConnectionFailedError):
        coodie.init_coodie(["no-such-host.invalid"], port=cassandra_node.port, driver_type=backend)


PROGRAM = """
import asyncio, sys, threading
import coodie

driver = coodie.init_coodie([{host!r}], port={port}, driver_type={backend!r})
stmt = "SELECT key FROM system.local"
{body}
"""

EXITS = {
    "threads at work": """
def work():
    try:
        for _ in range(1000):
            driver.execute(stmt, [])
    except coodie.CoodieError:
        pass

for _ in range(8):
    threading.Thread(target=work, daemon=True).start()
""",
    "a loop at work": """
async def main():
    for _ in range(200):
        asyncio.ensure_future(driver.execute_async(stmt, []))
    await asyncio.sleep(0)

asyncio.run(main())
""",
    "an error": "raise SystemExit(3)",
}


@pytest.mark.parametrize("case", EXITS)
def test_the_interpreter_exits(case: str, cassandra_node: Any, backend: str) -> None:
    """With requests in flight, it ends promptly, without a crash and without a traceback."""
    program = PROGRAM.format(
        host=cassandra_node.host, port=cassandra_node.port, backend=backend, body=EXITS[case]
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == (3 if case == "an error" else 0), done.stderr
    assert "Traceback" not in done.stderr


def _in_child(work: Callable[[], str]) -> str:
    """Run in a forked child, and return what it says."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = work()
        except BaseException as exc:  # noqa: BLE001 - told to the parent
            said = f"{type(exc).__name__}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_fork_before_connecting(cassandra_node: Any, backend: str, registry: Any) -> None:
    """A lazy driver that was made before the fork connects in each process by itself."""
    driver = coodie.init_coodie(
        [cassandra_node.host], port=cassandra_node.port, driver_type=backend, lazy=True
    )

    def ask() -> str:
        said = str(driver.execute_one("SELECT key FROM system.local", []))
        driver.close()
        return said

    assert [_in_child(ask) for _ in range(2)] == ["local", "local"]
    assert ask() == "local"


def test_fork_after_connecting(connect: Connector, cassandra_node: Any, backend: str) -> None:
    """The child is told so, can open a driver of its own, and its end does the parent's no harm."""
    driver = connect()

    def use() -> str:
        return str(driver.execute_one("SELECT key FROM system.local", []))

    def reopen() -> str:
        mine = coodie.init_coodie(
            [cassandra_node.host], port=cassandra_node.port, driver_type=backend, name="child"
        )
        return str(mine.execute_one("SELECT key FROM system.local", []))

    assert _in_child(use) == "DriverClosedError"
    assert _in_child(reopen) == "local"
    for _ in range(20):
        assert use() == "local"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, cassandra_node: Any, backend: str, tmp_path: Path) -> None:
    """Workers that open a driver of their own work, however they were started."""
    program = (
        "import multiprocessing, coodie\n"
        "def ask(_):\n"
        f"    with coodie.init_coodie([{cassandra_node.host!r}], port={cassandra_node.port}, "
        f"driver_type={backend!r}) as driver:\n"
        "        return driver.execute_one('SELECT key FROM system.local', [])\n"
        "if __name__ == '__main__':\n"
        f"    with multiprocessing.get_context({method!r}).Pool(2) as pool:\n"
        "        print(*pool.map(ask, range(4)))\n"
    )
    script = tmp_path / "work.py"
    script.write_text(program)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout.split() == ["local"] * 4, done.stderr


def test_each_error_is_ours(connect: Connector) -> None:
    """Every use after close is one and the same error."""
    driver = connect()
    driver.close()
    with pytest.raises(CoodieError) as caught:
        driver.execute("SELECT key FROM system.local", [])
    assert type(caught.value) is DriverClosedError
