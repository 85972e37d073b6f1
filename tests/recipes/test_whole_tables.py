"""Whole tables in several processes: a pool, and Dask's workers, one of which is killed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver
from tests.recipes.conftest import PATIENCE, RECIPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.recipes

_COUNT = 20_000


@pytest.fixture(scope="module")
def orders(cassandra_node: Any, backend: str) -> Iterator[str]:
    """Fill a table whose n-th row has the price n."""
    with open_driver(backend, hosts=[cassandra_node.host], port=cassandra_node.port) as driver:
        replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        driver.execute(f"CREATE KEYSPACE recipes_scan WITH replication = {replication}", [])
        driver.execute("CREATE TABLE recipes_scan.orders (id int PRIMARY KEY, price int)", [])
        insert = "INSERT INTO recipes_scan.orders (id, price) VALUES (?, ?)"
        driver.execute_many(insert, ([n, n] for n in range(_COUNT)))
        yield "recipes_scan.orders"
        driver.execute("DROP KEYSPACE recipes_scan", [])


def run(directory: Path, environ: dict[str, str], *arguments: str) -> str:
    """Run Python; return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pool_of_processes(environ: dict[str, str], tmp_path: Path, orders: str) -> None:
    """Each row is read once."""
    assert run(tmp_path, environ, str(RECIPES / "scan_processes.py"), orders) == f"{sum(range(_COUNT))}\n"


def test_dask(environ: dict[str, str], tmp_path: Path, orders: str) -> None:
    """Each row is read once, by workers that Dask starts."""
    assert run(tmp_path, environ, str(RECIPES / "scan_dask.py"), orders) == f"{sum(range(_COUNT))}\n"


_KILLED = """
import os, signal, sys
from distributed import Client, as_completed
from scan_dask import submit

with Client(n_workers=2, threads_per_worker=1) as client:
    before = client.run(os.getpid)
    futures = submit(client, sys.argv[1], 64)
    several = as_completed(futures)
    for _ in range(5):
        next(several)
    left = sum(not future.done() for future in futures)
    victim = min(before.values())
    os.kill(victim, signal.SIGKILL)
    print(sum(client.gather(futures)))
    client.wait_for_workers(2)
    after = client.run(os.getpid)
    print(left > 0, victim in after.values(), len(after))
"""


def test_a_worker_of_dask_is_killed(environ: dict[str, str], tmp_path: Path, orders: str) -> None:
    """The other workers read its parts; each row is counted once."""
    (tmp_path / "killing.py").write_text(f"if __name__ == '__main__':\n{_indented(_KILLED)}")
    found = run(tmp_path, environ, "killing.py", orders)
    assert found == f"{sum(range(_COUNT))}\nTrue False 2\n"


def _indented(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.splitlines())
