"""Stopping a cluster, of this process or of another, and removing what it leaves."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from coodie_local._flock import try_acquire
from coodie_local._members import hold_all
from coodie_local._places import START_LOCK_NAME, remove_tree
from coodie_local._scratch import clear_scratch
from coodie_local._state import write_state

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from coodie_local._running import RunningCluster

__all__ = ["stop_cluster"]

#: Seconds between SIGTERM and SIGKILL; a durable node loses no acknowledged write by the latter.
_GRACE = 2.0
#: Seconds for which a start of the same cluster elsewhere is waited for; then it is ended, too.
_PATIENCE = 1.0
_POLL = 0.02


def stop_cluster(running: RunningCluster) -> None:
    """End all nodes of a cluster and remove its throw-away data; one that has ended already is fine.

    Args:
        running: The cluster.
    """
    directory = running.directory
    if not directory.is_dir():
        return
    deadline = time.monotonic() + _PATIENCE
    # alone with it, or a start in another process would mend what is being ended
    while (lock := try_acquire(directory / START_LOCK_NAME)) is None and time.monotonic() < deadline:
        time.sleep(_POLL)
    try:
        # what an ephemeral node still holds in memory is thrown away anyway
        running.end(range(running.count), grace=0.0 if running.state.profile == "ephemeral" else _GRACE)
        locks = _hold_all(directory)
        if locks is None:
            # started anew by somebody else: what is there now is theirs
            return
        with locks:
            # so that whoever looks knows that it was ended, and didn't die
            write_state(directory, replace(running.state, ready=False))
            clear_scratch(directory)
            for index in range(running.count):
                remove_tree(running.state.plan(directory, index).temporary)
    finally:
        if lock is not None:
            lock.close()


def _hold_all(directory: Path) -> ExitStack | None:
    """Take the locks of all nodes; a process that ends gives its own up a little after it can't be seen."""
    deadline = time.monotonic() + _PATIENCE
    while (locks := hold_all(directory)) is None and time.monotonic() < deadline:
        time.sleep(_POLL)
    return locks
