"""The recipes with the real frameworks, on a real server: `make recipes`."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from tests.recipes.conftest import PATIENCE, RECIPES, copy_tests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.recipes


def _python(environ: dict[str, str], directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=environ,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@contextmanager
def running(command: Sequence[str], environ: dict[str, str], directory: Path) -> Iterator[Path]:
    """Run a module while the block runs, then end it as an init system does; give its log."""
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=environ, cwd=directory, stdout=output, stderr=output
        )
        try:
            yield log
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            process.wait(PATIENCE)
    assert process.returncode in (0, -signal.SIGTERM), log.read_text()
    assert "Traceback" not in log.read_text()


def free_port() -> int:
    """Choose a port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, path: str = "/version") -> str:
    """Ask a server, as soon as it is there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
                return str(answer.read().decode())
        except URLError as exc:
            if not isinstance(exc.reason, ConnectionRefusedError) or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def assert_serves(port: int) -> None:
    """Ask a server many things at once."""
    get(port)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(get, [port] * 40))
    assert {tuple(json.loads(answer)) for answer in answers} == {("release_version",)}


def test_fastapi_on_uvicorn(environ: dict[str, str], tmp_path: Path) -> None:
    """The application serves, and its driver is closed where the server ends."""
    port = free_port()
    with running(["uvicorn", "fastapi_shop:app", "--port", str(port)], environ, tmp_path) as log:
        assert_serves(port)
    assert "Application shutdown complete." in log.read_text()


_TEST_CLIENT = """
from fastapi.testclient import TestClient
from fastapi_shop import app
import coodie
for _ in range(2):  # as two tests of an application would
    with TestClient(app) as client:
        assert set(client.get("/version").json()) == {"release_version"}
        assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
        kept = coodie.get_driver("shop")
    try:
        kept.execute("SELECT key FROM system.local", [])
    except coodie.CoodieError as error:
        assert type(error).__name__ == "DriverClosedError", error
    else:
        raise AssertionError("still open")
print("served twice")
"""


def test_fastapi_under_its_test_client(environ: dict[str, str], tmp_path: Path) -> None:
    """Tests of an application open and close it again and again, each on a loop of its own."""
    done = _python(environ, tmp_path, "-c", _TEST_CLIENT)
    assert done.stdout == "served twice\n", done.stderr


def test_fastapi_with_its_own_tests(
    environ: dict[str, str], cassandra_node: Any, backend: str, tmp_path: Path
) -> None:
    """Models, errors as responses, cursors, CSV and probes: the application's tests pass on the node."""
    copy_tests("test_fastapi_shop.py", cassandra_node, backend, tmp_path)
    done = _python(environ, tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path))
    assert "6 passed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    "application", ["wsgi:create_app()", "flask_shop:create_app()", "django_shop:application"]
)
@pytest.mark.parametrize(
    "options",
    [(), ("--preload",), ("--preload", "-c", str(RECIPES / "gunicorn_conf.py")), ("--threads", "4")],
    ids=["each worker loads", "preload", "connected after the fork", "threads"],
)
def test_gunicorn(
    application: str, options: tuple[str, ...], environ: dict[str, str], tmp_path: Path
) -> None:
    """Workers serve, wherever the application was loaded, and end when they are asked to."""
    port = free_port()
    command = ["gunicorn", application, "--workers", "3", "--bind", f"127.0.0.1:{port}", *options]
    with running(command, environ, tmp_path):
        assert_serves(port)


_CONNECTED_EARLY = """
import coodie
coodie.load_config()
kept = coodie.get_driver("shop")
kept.connect()  # before the fork: a mistake

def app(environ, start_response):
    try:
        kept.execute("SELECT key FROM system.local", [])
        said = "served by the parent's driver"
    except coodie.CoodieError as error:
        said = f"{type(error).__name__}: {error}"
    again = coodie.get_driver("shop").execute_one("SELECT key FROM system.local", [])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{said} {again}".encode()]
"""


def test_gunicorn_connected_before_the_fork(environ: dict[str, str], tmp_path: Path) -> None:
    """A driver that was connected in the parent says so in a worker, where the name has one that works."""
    (tmp_path / "early.py").write_text(_CONNECTED_EARLY)
    port = free_port()
    command = ["gunicorn", "early:app", "--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}"]
    with running(command, environ, tmp_path):
        for _ in range(4):
            said = get(port)
            assert said.startswith("DriverClosedError: The driver was opened in process ")
            assert said.endswith("Open a driver in each process, after the fork. local")


_CELERY = """
from pathlib import Path
_folder = Path(__file__).parent / "broker"
_folder.mkdir(exist_ok=True)
(_folder / "results").mkdir(exist_ok=True)
broker_url = "filesystem://"
broker_transport_options = {"data_folder_in": str(_folder), "data_folder_out": str(_folder)}
result_backend = f"file://{_folder}/results"
"""

_SUBMIT = """
from celery_shop import count
print([result.get(timeout=60) for result in [count.delay() for _ in range(20)]])
"""


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_celery(pool: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Tasks are done by a worker, whatever its pool is made of, and it ends when it is asked to."""
    (tmp_path / "celeryconfig.py").write_text(_CELERY)
    command = ["celery", "-A", "celery_shop", "worker", "--pool", pool, "--concurrency", "2"]
    with running(command, environ, tmp_path) as log:
        done = _python(environ, tmp_path, "-c", _SUBMIT)
        assert done.stdout == f"{[1] * 20}\n", done.stderr + log.read_text()
