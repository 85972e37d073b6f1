"""The main job, on real input: the Unicode Character Database into Cassandra and back.

Run it with ``make demo``. It starts a local Cassandra, or uses the server that COODIE_HOSTS
(comma-separated), COODIE_PORT and COODIE_DRIVER (scylla or cassandra) name. It writes to the keyspace
coodie_demo alone.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
import unicodedata
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import coodie
from coodie.plugins import installed_drivers
from coodie.schema import ColumnDefinition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.drivers import AbstractDriver

KEYSPACE = "coodie_demo"
TABLE = "characters"

COLUMNS = [
    ColumnDefinition("block", "int", primary_key=True),
    ColumnDefinition("code_point", "int", clustering_key=True),
    ColumnDefinition("name", "text"),
    ColumnDefinition("category", "ascii"),
    ColumnDefinition("bidirectional", "ascii"),
    ColumnDefinition("combining", "smallint"),
    ColumnDefinition("mirrored", "boolean"),
    ColumnDefinition("numeric", "double"),
    ColumnDefinition("decomposition", "list<text>"),
]

_NAMES = [column.name for column in COLUMNS]
INSERT = f"INSERT INTO {KEYSPACE}.{TABLE} ({', '.join(_NAMES)}) VALUES ({', '.join('?' for _ in _NAMES)})"

#: The block of Greek and Coptic, U+0300 to U+03FF.
GREEK = 0x03

#: Printed last; fits 80 columns.
NEXT = """\

The API calls in this demo:

  driver = coodie.init_coodie(driver_type="local")  # or hosts=["db1"]
  driver.sync_table("characters", "coodie_demo", columns)
  await driver.execute_many_async(insert, rows, concurrency=128)
  rows = driver.execute(select, [block])  # all of them; fetch_size=100: a page
  async for row in driver.stream_async(select_all, fetch_size=5000): ...
  driver.execute(insert_if_not_exists, values).applied  # True, then False

Read next:

  examples/demo.py   the whole program
  docs/tutorial.md   the same API step by step, in ten minutes
  docs/index.md      all pages by topic
"""

console = Console()


class Mismatch(Exception):  # noqa: N818 - reads better where it is raised
    """What came back isn't what was written."""


def source() -> Iterator[dict[str, Any]]:
    """Yield every named character as a row."""
    for code_point in range(sys.maxunicode + 1):
        character = chr(code_point)
        name = unicodedata.name(character, None)
        if name is not None:
            yield {
                "block": code_point >> 8,
                "code_point": code_point,
                "name": name,
                "category": unicodedata.category(character),
                "bidirectional": unicodedata.bidirectional(character) or None,
                "combining": unicodedata.combining(character),
                "mirrored": bool(unicodedata.mirrored(character)),
                "numeric": unicodedata.numeric(character, None),
                # An empty collection and none at all are the same to Cassandra.
                "decomposition": unicodedata.decomposition(character).split() or None,
            }


def check(got: object, wanted: object, what: str) -> None:
    """Fail the demo where the two differ."""
    if got != wanted:
        raise Mismatch(f"{what}: got {got!r}, wanted {wanted!r}")


def connect() -> AbstractDriver:
    """Connect to the server that the environment names, or start one."""
    hosts = os.environ.get("COODIE_HOSTS")
    if not hosts:
        return coodie.init_coodie(driver_type="local", request_timeout=30)
    return coodie.init_coodie(
        hosts.split(","),
        driver_type=os.environ.get("COODIE_DRIVER", "scylla"),
        port=int(os.environ.get("COODIE_PORT", "9042")),
        request_timeout=30,
    )


async def write(driver: AbstractDriver, rows: list[dict[str, Any]]) -> float:
    """Write all rows; return the seconds it took."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    started = time.perf_counter()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("writing", total=len(rows))
        await driver.execute_many_async(
            INSERT,
            (list(row.values()) for row in rows),
            concurrency=128,
            on_progress=lambda count: progress.update(task, completed=count),
        )
    return time.perf_counter() - started


async def compare(driver: AbstractDriver, rows: list[dict[str, Any]]) -> float:
    """Stream the whole table and compare every row with the source; return the seconds it took."""
    wanted = {row["code_point"]: row for row in rows}
    started = time.perf_counter()
    async for row in driver.stream_async(f"SELECT * FROM {KEYSPACE}.{TABLE}", fetch_size=5000):
        check(row, wanted.pop(row["code_point"], None), f"code point {row['code_point']}")
    check(len(wanted), 0, "rows that never came back")
    return time.perf_counter() - started


def read_partition(driver: AbstractDriver, rows: list[dict[str, Any]]) -> int:
    """Read one partition in one go and page by page; show a paging state."""
    greek = [row for row in rows if row["block"] == GREEK]
    stmt = f"SELECT * FROM {KEYSPACE}.{TABLE} WHERE block = ?"
    check(driver.execute(stmt, [GREEK]), greek, "the Greek block")
    page: Any = driver.execute(stmt, [GREEK], fetch_size=100)
    console.print(f"  a page of {len(page)} rows; the next one starts at {page.paging_state[:16].hex()}…")
    rest: Any = driver.execute(stmt, [GREEK], paging_state=page.paging_state)
    check([*page, *rest], greek, "the Greek block by pages")
    return len(greek)


def transact(driver: AbstractDriver) -> tuple[bool, bool]:
    """Claim a code point that has no name, twice; only the first claim is applied."""
    stmt = f"INSERT INTO {KEYSPACE}.{TABLE} (block, code_point, name) VALUES (?, ?, ?) IF NOT EXISTS"
    claim = [0xE0, 0xE000, "COODIE"]
    driver.execute(f"DELETE FROM {KEYSPACE}.{TABLE} WHERE block = ? AND code_point = ?", claim[:2])
    first: Any = driver.execute(stmt, claim)
    second: Any = driver.execute(stmt, claim)
    check((first.applied, second.applied), (True, False), "lightweight transactions")
    driver.execute(f"DELETE FROM {KEYSPACE}.{TABLE} WHERE block = ? AND code_point = ?", claim[:2])
    return first.applied, second.applied


def run(driver: AbstractDriver) -> None:
    """Do the main job and print what came of it."""
    version = driver.execute_one("SELECT release_version FROM system.local", [])
    console.print(f"connected to Cassandra {version}")
    rows = list(source())
    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    driver.execute(f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {replication}", [])
    executed = driver.sync_table(TABLE, KEYSPACE, COLUMNS, {"comment": "the demo of coodie"})
    check(
        driver.sync_table(TABLE, KEYSPACE, COLUMNS, {"comment": "the demo of coodie"}),
        [],
        "a second sync_table",
    )
    driver.execute(f"TRUNCATE {KEYSPACE}.{TABLE}", [])
    written = asyncio.run(write(driver, rows))
    greek = read_partition(driver, rows)
    streamed = asyncio.run(compare(driver, rows))
    first, second = transact(driver)

    summary = Table(title=f"Unicode {unicodedata.unidata_version} in {KEYSPACE}.{TABLE}", show_header=False)
    summary.add_row("sync_table", f"{len(executed)} executed, then none")
    summary.add_row("written, async", f"{len(rows):,} rows, {len(rows) / written:,.0f} a second")
    summary.add_row("read back, sync", f"{greek} rows of one partition, equal")
    summary.add_row(
        "streamed, async", f"{len(rows):,} rows, {len(rows) / streamed:,.0f} a second, every one equal"
    )
    summary.add_row("lightweight transactions", f"applied {first}, then {second}")
    for found in installed_drivers():
        summary.add_row("installed backend", f"{found.driver_type} ({found.distribution} {found.version})")
    console.print(summary)


def complain(what: str, error: Exception) -> None:
    """Print an error as it stands: what looks like markup in it is none."""
    console.print(what, style="bold red", end=" ")
    console.print(str(error), markup=False, highlight=False)


def main() -> int:
    """Return the exit status: 0 when everything came back as it was written."""
    try:
        with connect() as driver:
            run(driver)
        console.print(NEXT, markup=False, highlight=False, end="")
    except Mismatch as exc:
        complain("MISMATCH", exc)
        return 1
    except coodie.CoodieError as exc:
        complain(type(exc).__name__, exc)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
