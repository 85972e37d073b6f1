"""What a forked child forgets: locks that nobody will release, and what its parent goes on using.

A fork copies one thread. What the others held or were doing stays as it was, for ever; and sockets,
event loops and the kernel's poll objects are shared with the parent, which goes on using them. So what
has such things registers here, and is called in each child before anything else runs there. It may
exchange its own attributes, and nothing more: a child never shuts down, unregisters or wakes what it
inherited.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["forget_in_children"]

T = TypeVar("T")

_owners: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()


def forget_in_children(owner: T, forget: Callable[[T], None]) -> None:
    """Have a function called with its owner in each child that is forked while the owner lives.

    Args:
        owner: Referred to weakly.
        forget: Must not refer to the owner, wait, or take a lock.
    """
    _owners[owner] = forget


def _forget() -> None:
    for owner, forget in list(_owners.items()):
        forget(owner)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_forget)
