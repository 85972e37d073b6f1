"""The garbage collector, which stands still while a large page is decoded.

Rows are lists and dicts without cycles, and each few hundred of them start a collection that finds
nothing and walks through all rows so far: at 200,000 rows that is more than half of the work.
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
    """How many threads want it to stand still, and whether it goes on after them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.was_enabled = False
        forget_in_children(self, _Pauses.forget)

    def forget(self) -> None:
        """In a fork the threads that paused it are missing, and would never let it go on."""
        if self.count and self.was_enabled:
            gc.enable()
        self.lock = threading.Lock()
        self.count = 0


_pauses = _Pauses()


@contextmanager
def gc_paused() -> Generator[None]:
    """Pause it, in this whole process; may be nested, and be in use in several threads."""
    # Counted before it stands still, and until it goes on: a child that is forked in between sees the count.
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
