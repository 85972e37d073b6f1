"""Processes: made by fork or anew, before and after connecting; ended with requests in flight; gunicorn."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coodie_testing.faults import Silence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie_testing.faults import FaultProxy

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

RECIPES = Path(__file__).resolve().parents[2] / "examples" / "recipes"

WORKERS = """
import multiprocessing, sys
import coodie
from coodie.exceptions import DriverClosedError

URL = {url!r}
driver = None

def start():
    global driver
    if driver is not None:  # a fork has the parent's
        try:
            driver.execute("SELECT key FROM system.local", [])
        except DriverClosedError:
            pass
        else:
            raise AssertionError("the parent's driver served a fork")
    driver = coodie.connect(URL)

def work(number):
    return number, driver.execute_one("SELECT key FROM system.local", [])

def main(method, connected):
    global driver
    if connected:
        driver = coodie.connect(URL)
    context = multiprocessing.get_context(method)
    with context.Pool(3, initializer=start) as pool:
        print(sorted(pool.map(work, range(6), chunksize=1)))
    if connected:
        print(driver.execute_one("SELECT key FROM system.local", []))
        driver.close()

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "connected")
"""

EXITS = {
    # The main thread ends with threads that wait.
    "daemon threads": """
def ask():
    with contextlib.suppress(coodie.CoodieError):
        driver.execute(STMT, [])
for _ in range(16):
    threading.Thread(target=ask, daemon=True).start()
time.sleep(0.3)
print("end")
""",
    # asyncio.run cancels what is left, and the interpreter ends after it.
    "tasks left to asyncio.run": """
async def main():
    tasks = [asyncio.ensure_future(driver.execute_async(STMT, [])) for _ in range(500)]
    await asyncio.sleep(0.3)
    print("end", len(tasks))
asyncio.run(main())
""",
    # A loop that nobody closes, with tasks that nobody cancels.
    "a loop left open": """
loop = asyncio.new_event_loop()
tasks = [loop.create_task(driver.execute_async(STMT, [])) for _ in range(500)]
loop.run_until_complete(asyncio.sleep(0.3))
print("end")
for task in tasks:
    task._log_destroy_pending = False  # what asyncio says of such a program is asyncio's
""",
    "sys.exit in a coroutine": """
async def main():
    tasks = [asyncio.ensure_future(driver.execute_async(STMT, [])) for _ in range(500)]
    await asyncio.sleep(0.3)
    print("end", len(tasks), flush=True)
    sys.exit(0)
asyncio.run(main())
""",
}


@pytest.fixture
def url(cassandra_node: Any, backend: str) -> str:
    """Give the node's URL."""
    return f"{backend}://{cassandra_node.host}:{cassandra_node.port}"


@pytest.mark.parametrize(
    ("method", "connected"),
    [
        ("fork", "connected"),
        *(
            pytest.param(method, connected, marks=pytest.mark.reliability)
            for method in ("fork", "spawn", "forkserver")
            for connected in ("connected", "not connected")
            if (method, connected) != ("fork", "connected")
        ),
    ],
)
def test_multiprocessing(method: str, connected: str, url: str, tmp_path: Path) -> None:
    """With each start method, processes open separate drivers; the parent's driver keeps working."""
    script = tmp_path / "workers.py"
    script.write_text(WORKERS.format(url=url))
    done = subprocess.run(
        # From Python 3.12 on, a fork of a process with threads warns: that is what is tried here.
        [sys.executable, "-W", "ignore::DeprecationWarning", str(script), method, connected],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = str([(number, "local") for number in range(6)])
    assert done.stdout.splitlines() == [expected, *(["local"] if connected == "connected" else [])]


@pytest.mark.parametrize(
    "how", [next(iter(EXITS)), *[pytest.param(how, marks=pytest.mark.reliability) for how in list(EXITS)[1:]]]
)
def test_exit_with_requests_in_flight(how: str, proxy: FaultProxy, backend: str) -> None:
    """The interpreter exits at once and without errors, despite hundreds of requests without a response."""
    program = (
        "import asyncio, contextlib, sys, threading, time\n"
        "import coodie\n"
        "STMT = 'SELECT key FROM system.local'\n"
        f"driver = coodie.connect('{backend}://{proxy.host}:{proxy.port}?request_timeout=100')\n"
        "driver.execute(STMT, [])\n"
        "print('connected', flush=True)\n"
        "sys.stdin.readline()\n" + EXITS[how]
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        proxy.add(Silence(), contains="SELECT key", times=None)
        started = time.monotonic()
        try:
            out, errors = process.communicate("\n", timeout=60)
        finally:
            process.kill()
    assert time.monotonic() - started < 40  # far below the requests' timeout
    assert out.startswith("end")
    assert (process.returncode, errors) == (0, "")


@pytest.fixture
def gunicorn(url: str, tmp_path: Path) -> Iterator[str]:
    """Let gunicorn serve the recipe's application from two workers, forked after it was loaded."""
    (tmp_path / "coodie.toml").write_text(f'[connections.shop]\nurl = "{url}"\n')
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "wsgi:create_app()", "--preload", "--workers", "2"),
            *("--bind", "127.0.0.1:0", "--chdir", str(tmp_path), "--pythonpath", str(RECIPES)),
        ],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    told: list[str] = []
    for line in process.stderr:
        told.append(line)
        if "Listening at: " in line:
            break
    assert told
    assert "Listening at: " in told[-1], "".join(told)
    yield told[-1].partition("Listening at: ")[2].split()[0]
    process.send_signal(signal.SIGTERM)
    with process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_gunicorn(gunicorn: str) -> None:
    """Workers that gunicorn forks from a loaded application work, each with a separate driver."""
    for _ in range(20):
        with urllib.request.urlopen(gunicorn, timeout=60) as answer:  # noqa: S310 - http on loopback
            assert list(json.load(answer)) == ["release_version"]
