"""What a forked child does with drivers of any kind: it leaves its parent's alone, and waits for nobody."""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import PATIENCE, Backend, DuckDriver

from coodie import LazyDriver, get_driver, init_coodie, init_coodie_async, register_driver
from coodie.drivers.client import ClientDriver
from coodie.plugins import hookimpl, register_plugin
from coodie_testing.children import in_a_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coodie.registry import DriverRegistry

pytestmark = pytest.mark.usefixtures("no_thread_left", "registry")


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    "replace",
    [
        lambda: init_coodie(["b"], driver_type="memory"),
        lambda: asyncio.run(init_coodie_async(["b"], driver_type="memory")),
        lambda: register_driver("default", DuckDriver()),
        lambda: register_driver("default", LazyDriver(["b"], None, None, {"driver_type": "memory"})),
    ],
    ids=["init_coodie", "init_coodie_async", "register_driver", "by a lazy one"],
)
def test_replacing_closes_nothing(memory: Backend, lazy: bool, replace: Callable[[], Any]) -> None:
    """A name that gets another driver in the child: the one before, whoever made it, isn't closed there."""
    init_coodie(["a"], driver_type="memory", lazy=lazy).execute("SELECT", [])

    def work() -> object:
        replace()
        return memory.opened[0].closings

    assert in_a_child(work) == "0"
    replace()
    assert memory.opened[0].closings == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_closing_a_lazy_one(memory: Backend, is_async: bool) -> None:
    """It closes no driver that it connected before the fork, but one that it connected after it."""

    def work() -> list[int]:
        for driver in (connected, later):
            driver.execute("SELECT", [])
            if is_async:
                asyncio.run(driver.close_async())
            else:
                driver.close()
        return [driver.closings for driver in memory.opened]

    connected, later = (LazyDriver(["a"], None, None, {"driver_type": "memory"}) for _ in range(2))
    connected.execute("SELECT", [])
    assert in_a_child(work) == "[0, 1]"


@pytest.mark.parametrize("is_async", [False, True])
def test_connecting_elsewhere(memory: Backend, is_async: bool) -> None:
    """What another thread was connecting when the child was forked, the child connects by itself."""

    def work() -> int:
        memory.gate.set()
        if is_async:
            asyncio.run(lazy.execute_async("SELECT", []))
        else:
            lazy.execute("SELECT", [])
        return len(memory.attempts)

    lazy = LazyDriver(["a"], None, None, {"driver_type": "memory"})
    memory.gate.clear()
    thread = threading.Thread(target=lazy.connect)
    thread.start()
    assert memory.begun.wait(PATIENCE)
    said = in_a_child(work)
    memory.gate.set()
    thread.join(PATIENCE)
    assert said == "2"


def test_making_elsewhere(registry: DriverRegistry) -> None:
    """So it is with a configuration's driver that another thread was making."""
    making, go_on = threading.Event(), threading.Event()
    parent = threading.get_ident()

    def make() -> Any:
        if threading.get_ident() != parent:
            making.set()
            go_on.wait(PATIENCE)
        return DuckDriver()

    registry.declare({"shop": make}, "shop")
    thread = threading.Thread(target=get_driver)
    thread.start()
    assert making.wait(PATIENCE)
    said = in_a_child(lambda: type(get_driver("shop")).__name__)
    go_on.set()
    thread.join(PATIENCE)
    assert said == "DuckDriver"


@pytest.mark.parametrize("is_async", [False, True])
def test_closing_elsewhere(is_async: bool) -> None:
    """A ClientDriver that another thread was closing is closed in the child at once."""
    closing, go_on = threading.Event(), threading.Event()

    class Client:
        def close(self) -> None:
            closing.set()
            go_on.wait(PATIENCE)

    client: Any = Client()
    driver = ClientDriver(client)
    thread = threading.Thread(target=driver.close)
    thread.start()
    assert closing.wait(PATIENCE)
    said = in_a_child(lambda: asyncio.run(driver.close_async()) if is_async else driver.close())
    go_on.set()
    thread.join(PATIENCE)
    assert said == "None"


def test_importing_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What another thread was importing for a backend, the child can import, and needn't wait for in vain."""
    began = threading.Event()
    (tmp_path / "imported_slowly.py").write_text("import time, told\ntold.began.set()\ntime.sleep(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "told", SimpleNamespace(began=began))
    monkeypatch.delitem(sys.modules, "imported_slowly", raising=False)

    class Plugin:
        @hookimpl
        def coodie_open_driver(self, config: Any) -> Any:
            importlib.import_module("imported_slowly")
            return DuckDriver()

    register_plugin("slow", Plugin())
    thread = threading.Thread(target=init_coodie, kwargs={"driver_type": "slow"})
    thread.start()
    assert began.wait(PATIENCE)
    said = in_a_child(lambda: importlib.import_module("imported_slowly").__name__)
    thread.join(PATIENCE)
    assert said == "imported_slowly"
