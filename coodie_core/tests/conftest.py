"""Fixtures around the fakes."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.distributions import Site
from coodie_core.tests.fakes import Backend, registry_of, wait_until

from coodie.registry import using_registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from coodie.registry import DriverRegistry


@pytest.fixture
def memory() -> Backend:
    """A backend made of memory."""
    return Backend()


@pytest.fixture
def registry(memory: Backend) -> Iterator[DriverRegistry]:
    """A registry of the test's own, which knows the driver_type ``memory``."""
    with using_registry(registry_of(memory=memory)) as fresh:
        yield fresh
        memory.gate.set()


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Fail the test when threads that coodie started outlive it."""
    before = set(threading.enumerate())  # other tests' drivers may be open
    yield
    wait_until(lambda: not [t for t in set(threading.enumerate()) - before if t.name.startswith("coodie-")])


@pytest.fixture
async def quiet_loop() -> AsyncIterator[list[dict[str, Any]]]:
    """Fail the test when the event loop's exception handler is told of anything, or a task is left."""
    loop = asyncio.get_running_loop()
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    yield told
    gc.collect()
    await asyncio.sleep(0)
    assert told == []
    here = asyncio.current_task()
    assert [task for task in asyncio.all_tasks() if task is not here] == []


@pytest.fixture(params=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    """Run the test once for the sync and once for the async methods."""
    return bool(request.param == "async")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site-packages directory without a backend."""
    return Site(tmp_path / "site")


@pytest.fixture
def on_path(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site-packages directory whose modules can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(site.path))
    before = set(sys.modules)
    yield site
    for name in set(sys.modules) - before:
        if str(site.path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file."""

    def write(text: str, name: str = "coodie.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write
