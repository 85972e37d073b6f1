"""Read a whole table with Dask's workers: ``python scan_dask.py shop.orders``.

If a worker dies, the scheduler repeats its tasks on another one. A task
returns its result at its end, so no row is counted twice.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from distributed import Client, WorkerPlugin

import coodie
from coodie.scan import read_split

if TYPE_CHECKING:
    from distributed import Worker

    from coodie.scan import ScanSplit


class Connection(WorkerPlugin):
    """Opens a driver in each worker, and closes it at the end."""

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's signature
        """Connect; called when the worker starts."""
        coodie.load_config()
        coodie.get_driver("shop").connect()

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - the same
        """Disconnect; called when the worker ends."""
        coodie.get_driver("shop").close()


def total(split: ScanSplit) -> int:
    """Add up the prices of a part of the table."""
    with read_split(coodie.get_driver("shop"), split, rows="scalar") as prices:
        return sum(prices)


def submit(client: Client, table: str, count: int) -> list[object]:
    """Submit a task for each part of the table."""
    coodie.load_config()  # this process only splits the table
    client.register_plugin(Connection())
    splits = coodie.get_driver("shop").scan_splits(
        table, count, columns=["price"]
    )
    futures: list[object] = client.map(total, splits, retries=3)
    return futures


def main(table: str) -> None:
    """Add up the prices of all rows, with workers on this machine."""
    # or Client("scheduler:8786")
    with Client(n_workers=2, threads_per_worker=2) as client:
        print(sum(client.gather(submit(client, table, 16))))


if __name__ == "__main__":
    main(*sys.argv[1:])
