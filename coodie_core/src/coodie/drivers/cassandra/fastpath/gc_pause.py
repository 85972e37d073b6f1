"""Pauses of the garbage collector while a large page is decoded.

Rows are lists and dicts without cycles. Every few hundred of them start a collection that visits all rows
and frees nothing: with 200,000 rows, that takes more than half of the time.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from coodie._forks import forget_in_children

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["gc_paused"]


class _Pauses:
    """The number of threads that pause the collector, and whether to enable it after the last one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.was_enabled = False
        forget_in_children(self, _Pauses.forget)

    def forget(self) -> None:
        """Reset the state in a fork, which doesn't have the threads that paused the collector."""
        if self.count and self.was_enabled:
            gc.enable()
        self.lock = threading.Lock()
        self.count = 0


_pauses = _Pauses()


@contextmanager
def gc_paused() -> Generator[None]:
    """Pause the garbage collector of the process; can be nested, and used in several threads."""
    # The count covers the whole pause, so that a child forked in between sees it.
    with _pauses.lock:
        _pauses.count += 1
        if _pauses.count == 1:
            _pauses.was_enabled = gc.isenabled()
            gc.disable()
    try:
        yield
    finally:
        with _pauses.lock:
            if _pauses.count == 1 and _pauses.was_enabled:
                gc.enable()
            _pauses.count -= 1
