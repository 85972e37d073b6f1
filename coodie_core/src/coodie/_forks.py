"""Reset state in forked child processes: locks that are never released, and the parent's resources.

A fork only copies the calling thread. Locks of other threads stay locked in the child, and sockets, event
loops and the kernel's poll objects are shared with the parent, which still uses them. Objects with such state
register a function here, which is called in each child before other code runs. It may only replace attributes
of the object: a child must not shut down, unregister or wake inherited resources.

Python's import locks can't be replaced. So a fork waits while another thread imports a module for coodie; the
first connection takes half a second.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["forget_in_children"]

T = TypeVar("T")

#: The maximum number of seconds that a fork waits for imports, and the interval between checks.
_TIMEOUT, _POLL_INTERVAL = 5.0, 0.005

#: The file name of Python's import machinery.
_IMPORTING = "<frozen importlib._bootstrap>"

_owners: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()


def forget_in_children(owner: T, forget: Callable[[T], None]) -> None:
    """Register a function that is called with its owner in each forked child, while the owner exists.

    Args:
        owner: The object; only a weak reference is kept.
        forget: The function; it must not refer to the owner, wait, or acquire a lock.
    """
    _owners[owner] = forget


def _await_imports() -> None:
    here, until = threading.get_ident(), time.monotonic() + _TIMEOUT
    while time.monotonic() < until:
        frames = sys._current_frames()  # noqa: SLF001 - a documented function of sys
        if not any(_imports(frame) for thread, frame in frames.items() if thread != here):
            return
        time.sleep(_POLL_INTERVAL)


def _imports(innermost: FrameType) -> bool:
    """Return whether a thread is in an import that coodie has started."""
    frame: FrameType | None = innermost
    importing = False
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            importing = True
        elif importing and str(frame.f_globals.get("__name__")).startswith("coodie"):
            return True
        frame = frame.f_back
    return False


def _forget() -> None:
    for owner, forget in list(_owners.items()):
        forget(owner)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(before=_await_imports, after_in_child=_forget)
