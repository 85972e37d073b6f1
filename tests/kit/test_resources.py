"""What the kit counts as left behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from coodie_testing.resources import ResourceSnapshot


def _start(pool: ThreadPoolExecutor, threads: int) -> None:
    """Have an executor start threads."""
    barrier = Barrier(threads)
    for future in [pool.submit(barrier.wait, 10) for _ in range(threads)]:
        future.result()


def test_an_executor_that_stays_may_grow() -> None:
    """A driver that is open all the time starts threads when it wants; a new executor was left behind."""
    with ThreadPoolExecutor(3) as pool:
        _start(pool, 1)
        before = ResourceSnapshot()
        _start(pool, 3)
        assert "ThreadPoolExecutor" not in before.excess()
        with ThreadPoolExecutor(1, thread_name_prefix="another") as other:
            _start(other, 1)
            assert "another_0" in before.excess()
        assert "another" not in before.excess()
