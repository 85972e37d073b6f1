"""The garbage collector, which stands still while a large page is decoded.

Rows are lists and dicts without cycles, and each few hundred of them start a collection that finds
nothing and walks through all rows so far: at 200,000 rows that is more than half of the work.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["collector_paused"]

_lock = threading.Lock()
_pauses = 0
_was_enabled = False


@contextmanager
def collector_paused() -> Generator[None]:
    """Pause it, in this whole process; may be nested, and be in use in several threads."""
    global _pauses, _was_enabled  # noqa: PLW0603 - the collector is the process's, too
    with _lock:
        if _pauses == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _pauses += 1
    try:
        yield
    finally:
        with _lock:
            _pauses -= 1
            if _pauses == 0 and _was_enabled:
                gc.enable()
