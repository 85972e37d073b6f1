"""What the kit counts as left behind."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from threading import Barrier

import pytest

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


def test_open_files_are_named() -> None:
    """A message says which files are open, so that their owner can be found."""
    before = ResourceSnapshot()
    if before.files is None:
        pytest.skip("this system doesn't list open files")
    with ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        for _ in range(2):
            opened.enter_context(socket.create_connection(server.getsockname()))
        opened.enter_context(closing(os.fdopen(os.open(os.devnull, os.O_RDONLY))))
        text, address = before.excess(), server.getsockname()
    assert text.startswith("4 open files (new: ")
    for part in (f"2 x socket to {address}", "1 x /dev/null", "1 x socket"):
        assert part in text
    assert before.excess() == ""
