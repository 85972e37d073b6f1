"""Forked children of a process that is connected: they forget, and the parent notices nothing of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from cassandra.cluster import Cluster
from tests.conftest import PATIENT

import coodie
from coodie_testing.children import in_a_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.registry import DriverRegistry
    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

#: Requests in flight while the child does what it does.
_MANY = 12

#: Seconds that requests have, and seconds after which it counts as harmed that is still waiting.
_TIMEOUT, _PATIENCE = 90.0, 20.0

#: What takes its time in all its variations.
_LONG = partial(pytest.param, marks=pytest.mark.reliability)

#: The name of the parent's driver.
_NAME = "shared"


def _close(driver: Any, _: dict[str, Any]) -> str:
    driver.close()
    driver.close()
    return "closed"


def _close_async(driver: Any, _: dict[str, Any]) -> str:
    asyncio.run(driver.close_async())
    return "closed"


def _replace(_: Any, options: dict[str, Any]) -> str:
    with coodie.init_coodie(name=_NAME, **options) as own:
        own.execute_one("SELECT key FROM system.local", [])
    return "closed"


def _replace_async(_: Any, options: dict[str, Any]) -> str:
    async def work() -> None:
        async with await coodie.init_coodie_async(name=_NAME, **options) as own:
            await own.execute_one_async("SELECT key FROM system.local", [])

    asyncio.run(work())
    return "closed"


def _register(_: Any, options: dict[str, Any]) -> str:
    coodie.register_driver(_NAME, coodie.init_coodie(name="other", lazy=True, **options))
    return "closed"


def _lose_a_host(driver: Any, _: dict[str, Any]) -> str:
    cluster = driver.session.cluster
    for host in cluster.metadata.all_hosts():
        for listener in cluster.listeners:
            listener.on_down(host)
    return "closed"


#: What a child may do.
DEEDS: dict[str, Callable[[Any, dict[str, Any]], str]] = {
    "close": _close,
    "close_async": _close_async,
    "init_coodie": _replace,
    "init_coodie_async": _replace_async,
    "register_driver": _register,
    "host down": _lose_a_host,
}


class Parent:
    """A driver behind a proxy, with requests in flight whenever it's asked.

    Args:
        driver: The driver.
        beside: Another one, which isn't behind the proxy.
        proxy: The proxy.
        table: A table.
    """

    def __init__(self, driver: Any, beside: Any, proxy: FaultProxy, table: str) -> None:
        self.driver = driver
        self._beside = beside
        self._proxy = proxy
        self._insert = f"INSERT INTO {table} (k) VALUES (?)"
        self._count = f"SELECT count(*) FROM {table} WHERE k > ? ALLOW FILTERING"
        self._done = 0

    def insert(self, k: int) -> Any:
        """Insert a row; return a future of the driver's way of waiting."""
        return self.driver.execute(self._insert, [k], timeout=_TIMEOUT)

    def insert_async(self, k: int) -> Any:
        """Do so on the running loop."""
        return self.driver.execute_async(self._insert, [k], timeout=_TIMEOUT)

    def numbers(self) -> range:
        """Return the keys of the next rows."""
        self._done += _MANY
        return range(self._done - _MANY, self._done)

    def await_received(self) -> None:
        """Wait until the server has all rows so far: their answers are on the way, and held back."""
        self.await_state(lambda: self._beside.execute_one(self._count, [-1]) == self._done, "rows are there")

    def connections(self) -> set[int]:
        """Return its open connections; one that is being opened is none yet, and none that was lost."""
        return self._proxy.open_connections

    @staticmethod
    def await_state(holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + _PATIENCE
        while not holds():
            assert time.monotonic() < deadline, what
            time.sleep(0.01)

    def fork(self, deed: str, options: dict[str, Any]) -> None:
        """Have a child do something, while answers are held back; then let them go."""
        try:
            assert in_a_child(lambda: DEEDS[deed](self.driver, options)) == "closed"
        finally:
            self._proxy.hold = False


@pytest.fixture(params=["fast", _LONG("driver's"), _LONG("session")])
def parent(
    request: pytest.FixtureRequest,
    backend: str,
    driver: Any,
    proxy: FaultProxy,
    registry: DriverRegistry,
    table: Callable[[str], str],
) -> Any:
    """Connect through the proxy, with a session of coodie's own or of the caller's."""
    name = table("k int PRIMARY KEY")  # first: the event of it would have statements prepared again
    way: dict[str, Any] = {"hosts": [proxy.host], "port": proxy.port}
    if request.param == "session":
        way = {"session": Cluster([proxy.host], proxy.port, protocol_version=5, **PATIENT).connect()}
    opened = coodie.init_coodie(driver_type=backend, name=_NAME, fast_path=request.param != "driver's", **way)
    assert registry.get(_NAME) is opened
    yield Parent(opened, driver, proxy, name)
    opened.close()
    if "session" in way:
        way["session"].cluster.shutdown()


@pytest.fixture
def options(cassandra_node: Any, backend: str) -> dict[str, Any]:
    """Give a child's own way to the node."""
    return {"driver_type": backend, **cassandra_node.connection_options()}


@pytest.mark.parametrize("deed", DEEDS)
def test_threads(deed: str, parent: Parent, proxy: FaultProxy, options: dict[str, Any]) -> None:
    """Threads get the answers that were on the way while a child forgot the driver, and those after."""
    with ThreadPoolExecutor(_MANY) as pool:
        for _ in range(20):  # until each has a connection
            list(pool.map(parent.insert, parent.numbers()))
        connections = parent.connections()
        proxy.hold = True
        waiting = [pool.submit(parent.insert, k) for k in parent.numbers()]
        parent.await_received()
        parent.fork(deed, options)
        assert [future.result(_PATIENCE) for future in waiting] == [[]] * _MANY
        assert list(pool.map(parent.insert, parent.numbers(), timeout=_PATIENCE)) == [[]] * _MANY
        assert connections <= parent.connections(), "no connection was lost"


@pytest.mark.parametrize("within", [False, _LONG(True)], ids=["between two runs", "in a task"])
@pytest.mark.parametrize("deed", DEEDS)
def test_tasks(deed: str, within: bool, parent: Parent, proxy: FaultProxy, options: dict[str, Any]) -> None:
    """So do tasks, whose event loop shares its epoll with the child, whether it runs at the fork or not."""
    loop = asyncio.new_event_loop()
    connections: set[int] = set()

    async def send() -> list[asyncio.Task[Any]]:
        nonlocal connections
        for _ in range(20):
            await asyncio.gather(*map(parent.insert_async, parent.numbers()))
            await asyncio.sleep(0.01)
        connections = parent.connections()
        proxy.hold = True
        waiting = [asyncio.ensure_future(parent.insert_async(k)) for k in parent.numbers()]
        await asyncio.to_thread(parent.await_received)
        if within:
            parent.fork(deed, options)
        return waiting

    async def receive(waiting: list[asyncio.Task[Any]]) -> None:
        later = [asyncio.ensure_future(parent.insert_async(k)) for k in parent.numbers()]
        done, _ = await asyncio.wait(waiting + later, timeout=_PATIENCE)
        assert [task.result() for task in done] == [[]] * 2 * _MANY

    try:
        waiting = loop.run_until_complete(send())
        if not within:
            parent.fork(deed, options)
        loop.run_until_complete(receive(waiting))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    assert connections <= parent.connections(), "no connection was lost"


@pytest.mark.parametrize("carried_by", ["a thread", "an event loop"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_connecting(
    carried_by: str, is_async: bool, proxy: FaultProxy, options: dict[str, Any], registry: DriverRegistry
) -> None:
    """A child that is forked while another thread connects a LazyDriver connects by itself, and serves."""
    stmt = "SELECT key FROM system.local"
    arguments = options | {"hosts": [proxy.host], "port": proxy.port, "connect_timeout": 60}
    lazy = coodie.init_coodie(name=_NAME, lazy=True, **arguments)

    def ask() -> object:
        return asyncio.run(lazy.execute_one_async(stmt, [])) if is_async else lazy.execute_one(stmt, [])

    def answer() -> None:
        before = proxy.accepted
        started.set()
        Parent.await_state(lambda: proxy.accepted > before, "the child connects")
        proxy.hold = False

    started = threading.Event()
    proxy.hold = True
    with lazy, ThreadPoolExecutor(2) as pool:
        try:
            if carried_by == "a thread":
                connecting = pool.submit(lazy.execute_one, stmt, [])
            else:
                connecting = pool.submit(asyncio.run, lazy.execute_one_async(stmt, []))
            Parent.await_state(lambda: proxy.accepted > 0, "the parent connects")
            answering = pool.submit(answer)
            started.wait(_PATIENCE)
            assert in_a_child(ask) == "local"
            assert connecting.result(_PATIENCE) == "local"
            answering.result(_PATIENCE)
        finally:
            proxy.hold = False
    assert registry.get(_NAME) is lazy


PROGRAM = """
import gc, os, sys, threading, time, warnings
import coodie

warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, from Python 3.12 on
how, stmt, options, direct, fast = sys.argv[1], sys.argv[2], {options!r}, {direct!r}, sys.argv[3] == "fast"
driver = coodie.init_coodie(name="shared", fast_path=fast, **options)
done = []

def add(_=None):
    done.append(driver.execute(stmt, [], timeout=90, options=coodie.RequestOptions(idempotent=True)))

def together():
    threads = [threading.Thread(target=add, daemon=True) for _ in range({many})]
    for thread in threads:
        thread.start()
    return threads

def say(text):
    print(text, flush=True)
    assert sys.stdin.readline()

for _ in range(10):
    for thread in together():
        thread.join()
waiting = []
if how == "collects":
    say("sent")
else:
    say("warm")
    waiting = together()
    if "another" in how:
        late = threading.Thread(target=coodie.init_coodie, kwargs=options | dict(name="late"), daemon=True)
        late.start()
    say("sent")
child = os.fork()
if child == 0:
    if how == "collects":
        coodie.init_coodie(name="shared", lazy=True, **direct)
        del driver
        gc.collect()
    elif how == "connects":
        with coodie.init_coodie(name="own", **direct) as own:
            own.execute("SELECT key FROM system.local", [])
            time.sleep(0.5)  # for what it mustn't do
        os._exit(0)  # the drivers' own end takes seconds, and is none of an inherited driver
    sys.exit(0)
until = time.monotonic() + 30
while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < until:
    time.sleep(0.05)
if not ended[0]:
    os.kill(child, 9)
say("ended" if ended == (child, 0) else f"hung or failed: {{ended}}")
waiting += together()
for thread in waiting:
    thread.join(20)
print(len(done), flush=True)
if "another" in how:
    late.join(20)
    coodie.get_driver("late").close()
driver.close()
"""


@pytest.mark.parametrize("way", ["fast", _LONG("driver's")])
@pytest.mark.parametrize("how", ["exits", "exits while another thread connects", "collects", "connects"])
def test_the_end_of_a_child(
    how: str, way: str, proxy: FaultProxy, options: dict[str, Any], driver: Any, table: Callable[[str], str]
) -> None:
    """A child that ends, lets go of the driver or connects for itself sends and ends nothing of another's."""
    name = table("k int PRIMARY KEY, n counter")
    stmt = f"UPDATE {name} SET n = n + 1 WHERE k = 0"
    behind = options | {"hosts": [proxy.host], "port": proxy.port, "connect_timeout": 60}
    program = PROGRAM.format(options=behind, direct=options, many=_MANY)
    sent = 10 * _MANY

    def counted(wanted: int) -> bool:
        return bool(driver.execute_one(f"SELECT n FROM {name}", []) == wanted)

    with subprocess.Popen(
        [sys.executable, "-c", program, how, stmt, way],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            for said in ("warm", "sent", "ended"):
                if said == "warm" and how == "collects":
                    continue
                assert process.stdout.readline() == f"{said}\n", process.communicate(timeout=60)
                if said == "warm":
                    accepted, proxy.hold = proxy.accepted, True
                    sent += _MANY
                elif said == "sent":
                    Parent.await_state(partial(counted, sent), "sent")
                    if "another" in how:
                        Parent.await_state(lambda: proxy.accepted > accepted, "it connects")  # noqa: B023 - called here
                else:
                    proxy.hold = False
                process.stdin.write("\n")
                process.stdin.flush()
            out, errors = process.communicate(timeout=60)
        finally:
            proxy.hold = False
            process.kill()
    sent += _MANY
    assert (out, errors) == (f"{sent}\n", "")
    assert counted(sent)
