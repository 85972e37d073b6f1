"""Read a table in many processes: ``python scan_processes.py shop.orders``.

The parent only splits the table, which sends no requests. Each process opens
its own driver.
"""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import coodie
from coodie.scan import read_split

if TYPE_CHECKING:
    from coodie.scan import ScanSplit

_PROCESSES = 4


def start() -> None:
    """Open this process's own driver."""
    coodie.load_config()
    coodie.get_driver("shop").connect()


def total(split: ScanSplit) -> int:
    """Add up the prices of a part of the table."""
    with read_split(coodie.get_driver("shop"), split, rows="scalar") as prices:
        return sum(prices)


def main(table: str) -> None:
    """Add up the prices of all rows."""
    coodie.load_config()  # connects to nothing
    splits = coodie.get_driver("shop").scan_splits(
        table, 4 * _PROCESSES, columns=["price"]
    )
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(_PROCESSES, context, initializer=start) as pool:
        print(sum(pool.map(total, splits)))


if __name__ == "__main__":
    main(*sys.argv[1:])
