"""Large values on a small node: it rejects too large reads, and keeps running."""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from coodie.exceptions import InvalidQueryError, ReadFailureError
from coodie.options.connection import build_config
from coodie.registry.registry import open_driver
from coodie_local import LocalNode
from coodie_local._backends import choose_backend
from coodie_local._progress import SilentProgress

if TYPE_CHECKING:
    from pathlib import Path

    from coodie.contract.driver import AbstractDriver

KEYSPACE = "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
MIB = 1 << 20


@pytest.mark.reliability
@pytest.mark.server
def test_large_values_do_not_end_the_node(node_dir: Path) -> None:
    """Eight clients read pages of 60 MB from a heap of 384 MiB: each gets an error, and small pages work."""
    with LocalNode("small", directory=node_dir, heap=384).start(progress=SilentProgress()) as node:
        config = build_config(
            driver_type=choose_backend(None), request_timeout=60.0, **node.connection_options()
        )
        driver = open_driver(config)
        try:
            _use(driver)
        finally:
            driver.close()
        assert node.running


def _use(driver: AbstractDriver) -> None:
    driver.execute(KEYSPACE, [])
    driver.execute("CREATE TABLE k.t (p int, c int, b blob, PRIMARY KEY (p, c))", [])
    with pytest.raises(InvalidQueryError, match="exceeds allowed maximum of 4194304 bytes"):
        driver.execute("INSERT INTO k.t (p, c, b) VALUES (1, 1, ?)", [os.urandom(10 * MIB)])
    for number in range(20):
        driver.execute("INSERT INTO k.t (p, c, b) VALUES (1, ?, ?)", [number, os.urandom(3 * MIB)])
    outcomes: Counter[str] = Counter()

    def read() -> None:
        for _ in range(4):
            try:
                driver.execute("SELECT * FROM k.t", [])
            except ReadFailureError as exc:
                outcomes["refused" if "local_read_size_fail_threshold" in str(exc) else str(exc)] += 1
            else:
                outcomes["read"] += 1

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # On a busy machine, the server may return UNKNOWN as the reason.
    assert outcomes.total() == 32
    assert outcomes["read"] == 0
    assert outcomes["refused"] >= 16
    assert len(driver.execute("SELECT * FROM k.t", [], fetch_size=1)) == 1
