"""A pool of processes of multiprocessing or concurrent.futures.

``start`` is the pool's ``initializer``: it runs once in each process, after
the fork. Don't connect before the fork.
"""

from __future__ import annotations

import multiprocessing

import coodie


def start() -> None:
    """Open this process's own driver."""
    coodie.load_config()
    coodie.get_driver("shop").connect()


def task(number: int) -> tuple[int, int]:
    """Do a piece of work."""
    statement = "SELECT count(*) FROM system.local"
    return number, coodie.get_driver("shop").execute_one(statement, [])


def main() -> None:
    """Do some pieces of work."""
    context = multiprocessing.get_context("fork")
    with context.Pool(2, initializer=start) as pool:
        print(sorted(pool.map(task, range(4))))


if __name__ == "__main__":
    main()
