"""The registry on a busy loop, and among threads."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from coodie_core.tests.fakes import (
    AsyncBackend,
    Backend,
    MemoryDriver,
    open_once,
    registry_of,
    run_threads,
    wait_until,
    wait_until_async,
)

from coodie import AbstractDriver, get_driver, init_coodie, init_coodie_async, register_driver
from coodie.exceptions import (
    ConnectionFailedError,
)
from coodie.registry import DriverRegistry, current_registry, using_registry

pytestmark = pytest.mark.usefixtures("no_thread_left", "registry")


# --- not blocking the loop --------------------------------------------------------------------


@pytest.mark.parametrize("lazy", [False, True])
async def test_slow_connect_leaves_the_loop_alone(memory: Backend, lazy: bool) -> None:
    """While a backend connects and certificates are read, the loop's other tasks run."""
    memory.gate.clear()
    opening = asyncio.ensure_future(open_once(memory.begun, memory.gate))
    driver = await init_coodie_async(["a"], driver_type="memory", ssl_enabled=True, lazy=lazy)
    await driver.execute_async("SELECT 1", [])
    await opening
    assert all(name.startswith("coodie-") for name in memory.threads)


async def test_cancelled_connect(memory: Backend, quiet_loop: list[Any]) -> None:
    """A cancelled connect returns at once and registers nothing; the driver that comes late is closed."""
    memory.gate.clear()
    task = asyncio.ensure_future(init_coodie_async(["a"], driver_type="memory"))
    await wait_until_async(memory.begun.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 1)
    assert memory.opened == []
    memory.gate.set()
    await wait_until_async(lambda: memory.opened and memory.driver.closings == 1)
    assert current_registry().names() == ()


async def test_timed_out_connect(memory: Backend, quiet_loop: list[Any]) -> None:
    """So does one under asyncio.wait_for, and a connect that then fails is nobody's."""
    memory.gate.clear()
    memory.failures = [ConnectionFailedError("no host")]
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(init_coodie_async(["a"], driver_type="memory"), 0.05)
    memory.gate.set()
    assert current_registry().names() == ()


@pytest.mark.parametrize("kind", [Backend, AsyncBackend])
@pytest.mark.parametrize("steps", [0, 1, 2, 4, 8])
async def test_cancelled_at_any_time(kind: type[Backend], steps: int, quiet_loop: list[Any]) -> None:
    """Whenever the cancellation hits, the driver is registered and returned, or nothing is left."""
    backend = kind()
    with using_registry(registry_of(memory=backend)) as registry:
        task = asyncio.ensure_future(init_coodie_async(["a"], driver_type="memory"))
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        task.cancel()
        outcome: Any
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, asyncio.CancelledError):
            assert registry.names() == ()
            wait_until(lambda: not [t for t in threading.enumerate() if t.name.startswith("coodie-")])
            assert [driver.closings for driver in backend.opened] in ([], [1])
        else:
            assert outcome.closings == 0
            assert registry.get() is outcome


def test_closed_loop(memory: Backend) -> None:
    """A loop that ends while a connect is under way leaves nothing registered or open."""
    memory.gate.clear()
    left_to_its_fate: list[Any] = []

    async def give_up() -> None:
        left_to_its_fate.append(asyncio.ensure_future(init_coodie_async(["a"], driver_type="memory")))
        await wait_until_async(memory.begun.is_set)

    asyncio.run(give_up())
    memory.gate.set()
    wait_until(lambda: memory.opened and memory.driver.closings == 1)
    assert current_registry().names() == ()


def test_exit_while_connecting() -> None:
    """A process that ends while a connect was given up waits for that connect, and no longer."""
    code = """
import asyncio, time
from coodie import init_coodie_async
from coodie.registry import using_registry
from coodie_core.tests.fakes import Backend, MemoryDriver, registry_of, wait_until_async

class Slow(MemoryDriver):
    def close(self):
        print("closed late", flush=True)

backend = Backend(lambda: (time.sleep(0.5), Slow())[1])

async def main():
    task = asyncio.ensure_future(init_coodie_async(["a"], driver_type="memory"))
    await wait_until_async(backend.begun.is_set)
    try:
        await asyncio.wait_for(task, 0.01)
    except asyncio.TimeoutError:
        print("given up", flush=True)

with using_registry(registry_of(memory=backend)):
    asyncio.run(main())
print("end", flush=True)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n") == ["given up", "end", "closed late", ""]


# --- threads --------------------------------------------------------------------------------


def test_32_threads_register() -> None:
    """Registrations from 32 threads are all kept, and one of them is the default."""
    drivers: list[AbstractDriver] = [MemoryDriver() for _ in range(32)]
    run_threads(32, lambda number: register_driver(f"d{number}", drivers[number]))
    assert sorted(current_registry().names()) == sorted(f"d{number}" for number in range(32))
    assert all(get_driver(f"d{number}") is drivers[number] for number in range(32))
    assert get_driver() in drivers


def test_32_threads_open_one_name(memory: Backend) -> None:
    """Of 32 connections that are opened under one name at once, one stays, and all others are closed once."""
    outcomes = run_threads(32, lambda _: init_coodie(["a"], driver_type="memory"))
    assert set(map(id, outcomes)) == set(map(id, memory.opened))
    kept: Any = get_driver()
    assert sorted(driver.closings for driver in memory.opened) == [0] + [1] * 31
    assert kept in memory.opened
    assert kept.closings == 0


async def test_32_tasks_open_one_name(memory: Backend, quiet_loop: list[Any]) -> None:
    """So it is with tasks."""
    await asyncio.gather(*(init_coodie_async(["a"], driver_type="memory") for _ in range(32)))
    kept = get_driver()
    assert sorted(driver.closings for driver in memory.opened) == [0] + [1] * 31
    assert next(driver for driver in memory.opened if driver.closings == 0) is kept


def test_reading_while_others_register() -> None:
    """get_driver() always finds a default while its driver is replaced over and over."""
    register_driver("default", MemoryDriver())
    stop = threading.Event()
    logging.getLogger("coodie.registry").disabled = True

    def work(number: int) -> Any:
        if number == 0:
            for _ in range(300):
                register_driver("default", MemoryDriver())
            stop.set()
            return None
        while not stop.is_set():
            assert isinstance(get_driver(), MemoryDriver)
        return None

    try:
        assert run_threads(4, work) == [None] * 4
    finally:
        logging.getLogger("coodie.registry").disabled = False


def test_one_host_for_all() -> None:
    """However many threads ask first, a registry makes one host of plug-ins."""
    registry = DriverRegistry()
    assert len(set(map(id, run_threads(16, lambda _: registry.plugins)))) == 1
