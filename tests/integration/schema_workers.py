"""Many processes that sync one table at the same time."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

from tests.conftest import PATIENT

from coodie.schema import ColumnDefinition as Col

__all__ = ["BASE", "GROWN", "Workers"]

BASE = [Col("id", "int", primary_key=True), Col("x", "int")]
#: A new column and a new index at once.
GROWN = [*BASE, Col("y", "text"), Col("z", "int", index=True)]

#: A process of its own: it connects, says so, and syncs when it is told to.
_WORKER = """
import json, sys
import coodie
from coodie.schema import ColumnDefinition as Col

hosts, options, keyspace, table, cols = json.loads(sys.argv[1])
driver = coodie.init_coodie(hosts, **options)
print("ready", flush=True)
sys.stdin.readline()
executed = driver.sync_table(table, keyspace, [Col(**col) for col in cols])
driver.execute(f"INSERT INTO {keyspace}.{table} (id, y, z) VALUES (?, ?, ?)", [1, "a", 2])
print(json.dumps(executed), flush=True)
driver.close()
"""


class Workers:
    """Processes that bring one table from BASE to GROWN when they are told to, and write a row at once.

    Args:
        contact_points: The host that each of them connects to.
        port: The hosts' port.
        backend: The driver_type.
        keyspace: The table's keyspace.
        table: The table.
    """

    def __init__(self, contact_points: list[str], port: int, backend: str, keyspace: str, table: str) -> None:
        cols = [asdict(column) for column in GROWN]
        options = PATIENT | {"port": port, "driver_type": backend, "request_timeout": 30}
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", _WORKER, json.dumps([[host], options, keyspace, table, cols])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for host in contact_points
        ]

    def __enter__(self) -> Workers:  # noqa: PYI034 - nothing derives from it
        try:
            for process in self._processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    def go(self) -> None:
        """Let all of them sync."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

    def executed(self) -> list[list[str]]:
        """Return what each of them has executed."""
        answers = [process.communicate(timeout=90)[0] for process in self._processes]
        assert [process.returncode for process in self._processes] == [0] * len(answers)
        return [json.loads(answer) for answer in answers]
