"""The recipes in examples/recipes run as they stand, against a real server."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.recipes.conftest import RECIPES, copy_tests

import coodie
from coodie.exceptions import DriverClosedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie.registry import DriverRegistry


@pytest.fixture(autouse=True)
def url(cassandra_node: Any, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Work in a directory whose configuration has the connection ``shop``."""
    monkeypatch.chdir(tmp_path)
    found = f"{backend}://{cassandra_node.host}:{cassandra_node.port}"
    (tmp_path / "coodie.toml").write_text(
        f'[connections.shop]\nurl = "{found}"\n[connections.shop.options]\naware_timestamps = true\n'
    )
    return found


@pytest.fixture
def recipe(registry: DriverRegistry) -> Iterator[Callable[[str], Any]]:
    """Import a recipe."""

    def load(name: str) -> Any:
        spec = importlib.util.spec_from_file_location(f"recipe_{name}", RECIPES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in registry.names():
        registry.get(name).close()


def run(*arguments: str) -> str:
    """Run Python in the directory; return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_lifespan(recipe: Callable[[str], Any]) -> None:
    """The driver is connected while the application runs, and closed after; and again, as in tests."""
    module = recipe("asgi")
    for _ in range(2):
        async with module.lifespan(None):
            driver: Any = coodie.get_driver("shop")
            assert driver.driver is not None
            assert set(await module.server_version()) == {"release_version"}
            assert (await module.healthz(), await module.readyz()) == (200, 200)
        with pytest.raises(DriverClosedError):
            await driver.execute_async("SELECT key FROM system.local", [])


async def test_asgi(recipe: Callable[[str], Any]) -> None:
    """A server that speaks ASGI starts it, gets an answer, and ends it."""
    module = recipe("asgi")
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def request() -> dict[str, Any]:
        # Between startup and shutdown, the server serves.
        if sent and sent[-1]["type"] == "lifespan.startup.complete":
            for path in ("/version", "/healthz", "/readyz"):
                await module.app({"type": "http", "path": path}, request, send)
        return {"type": "lifespan"}

    await module.app({"type": "lifespan"}, request, send)
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        *["http.response.start", "http.response.body"] * 3,
        "lifespan.shutdown.complete",
    ]
    assert [message["status"] for message in sent if "status" in message] == [200, 200, 200]
    assert "release_version" in json.loads(sent[2]["body"])


PREFORK = """
import os, sys
sys.path.insert(0, {recipes!r})
import coodie, wsgi
app = wsgi.create_app()
if {connect}:
    kept = coodie.get_driver("shop")
    kept.connect()

def serve():
    status = []
    body = b"".join(app({{}}, lambda line, headers: status.append(line)))
    assert status == ["200 OK"] and b"release_version" in body
    if {connect}:
        try:
            kept.execute("SELECT key FROM system.local", [])
        except coodie.CoodieError as error:
            assert type(error).__name__ == "DriverClosedError" and "fork" in str(error), error
        else:
            raise AssertionError("the parent's driver served a fork")

for _ in range(2):
    child = os.fork()
    if not child:
        try:
            serve()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
if {connect}:
    assert kept.execute_one("SELECT key FROM system.local", []) == "local"
print("served")
"""


@pytest.mark.parametrize("connect", [False, True], ids=["factory alone", "connected before the fork"])
def test_prefork(connect: bool) -> None:
    """Workers that are forked after the factory serve; a driver opened before says that it's the parent's.

    The name stands for a driver of the worker's own, and the parent's goes on.
    """
    code = PREFORK.format(recipes=str(RECIPES), connect=connect)
    assert run("-W", "ignore::DeprecationWarning", "-c", code) == "served\n"


def test_wsgi(recipe: Callable[[str], Any]) -> None:
    """A server that speaks WSGI gets an answer."""
    app = recipe("wsgi").create_app()
    status: list[str] = []
    body = b"".join(app({}, lambda line, _headers: status.append(line)))
    assert (status, list(json.loads(body))) == (["200 OK"], ["release_version"])


def test_worker() -> None:
    """Each process of a pool opens its own driver, and does its work."""
    assert run(str(RECIPES / "worker.py")) == "[(0, 1), (1, 1), (2, 1), (3, 1)]\n"


def test_script() -> None:
    """One driver serves one event loop after the other, and none."""
    assert run(str(RECIPES / "script.py")) == "loop 1: done\nloop 2: done\nlocal\n"


def test_pytest(cassandra_node: Any, backend: str, tmp_path: Path) -> None:
    """The tests of an application run against the fixture's node; here, one that runs already."""
    copy_tests("test_shop.py", cassandra_node, backend, tmp_path)
    assert "2 passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path))


def test_every_recipe_is_tested() -> None:
    """Each file in examples/recipes has a test, here or in tests/recipes, and is in a guide."""
    root = RECIPES.parents[1]
    guides = "".join(path.read_text(encoding="utf-8") for path in (root / "docs" / "guides").glob("*.md"))
    files = [Path(__file__), *(root / "tests" / "recipes").glob("test_*.py")]
    tests = "".join(path.read_text(encoding="utf-8") for path in files)
    for path in RECIPES.glob("*.py"):
        assert f'"{path.stem}' in tests or f"import coodie, {path.stem}" in tests
        assert path.name in guides
