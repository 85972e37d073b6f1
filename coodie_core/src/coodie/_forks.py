"""What a forked child forgets: locks that nobody will release, and what its parent goes on using.

A fork copies one thread. What the others held or were doing stays as it was, for ever; and sockets,
event loops and the kernel's poll objects are shared with the parent, which goes on using them. So what
has such things registers here, and is called in each child before anything else runs there. It may
exchange its own attributes, and nothing more: a child never shuts down, unregisters or wakes what it
inherited.

What can't be exchanged are Python's import locks. So a fork waits while another thread imports
something for coodie: half a second, where it connects for the first time.
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

#: Seconds that a fork waits for imports, at most, and between two looks.
_LONGEST, _LOOK_AGAIN = 5.0, 0.005

#: Where the code is that runs an import.
_IMPORTING = "<frozen importlib._bootstrap>"

_owners: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()


def forget_in_children(owner: T, forget: Callable[[T], None]) -> None:
    """Have a function called with its owner in each child that is forked while the owner lives.

    Args:
        owner: Referred to weakly.
        forget: Must not refer to the owner, wait, or take a lock.
    """
    _owners[owner] = forget


def _await_imports() -> None:
    here, until = threading.get_ident(), time.monotonic() + _LONGEST
    while time.monotonic() < until:
        frames = sys._current_frames()  # noqa: SLF001 - a documented function of sys
        if not any(_imports(frame) for thread, frame in frames.items() if thread != here):
            return
        time.sleep(_LOOK_AGAIN)


def _imports(innermost: FrameType) -> bool:
    """Tell whether a thread is in an import that code of ours has begun."""
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
