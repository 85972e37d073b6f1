"""A cluster that answers CQL, as this process knows it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from coodie_local._members import is_held
from coodie_local._state import is_process_of, read_state

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from coodie_local._jvm import Jvm
    from coodie_local._state import ClusterState

__all__ = ["RunningCluster"]


_POLL = 0.02


class RunningCluster:
    """The state of a cluster, and the JVMs of it that are children of this process.

    What changes it holds the tenancy's lock.

    Args:
        directory: The cluster's directory.
        state: Who it is.
        started_here: Whether this process started it, and didn't find it running.
    """

    def __init__(self, directory: Path, state: ClusterState, *, started_here: bool) -> None:
        self.directory = directory
        self.state = state
        self.started_here = started_here
        #: By the node's index; one that another process started isn't in it.
        self.jvms: dict[int, Jvm] = {}

    @property
    def count(self) -> int:
        """How many nodes it has, dead ones included."""
        return len(self.state.hosts)

    def member(self, index: int) -> Path:
        """Name the own directory of a node."""
        return self.state.directory_of(self.directory, index)

    def pid(self, index: int) -> int:
        """Return the process id of a node, which may have been started anew by another process."""
        jvm = self.jvms.get(index)
        if jvm is None or jvm.exit_code is not None:
            self.state = read_state(self.directory) or self.state
        return self.state.pids[index]

    def alive(self, index: int) -> bool:
        """Say whether a node lives."""
        jvm = self.jvms.get(index)
        if jvm is not None and jvm.exit_code is None:
            return True
        # not ours, or another process has started it anew
        return is_held(self.member(index))

    @property
    def living(self) -> tuple[int, ...]:
        """The nodes that live."""
        return tuple(index for index in range(self.count) if self.alive(index))

    def signal(self, index: int, number: signal.Signals) -> None:
        """Send a signal to the JVM of a node; one that has ended gets none."""
        pid = self.pid(index)
        if is_process_of(pid, self.member(index)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self, indices: Iterable[int], grace: float) -> None:
        """End nodes, all at once; those that have ended already are fine.

        Args:
            indices: Which nodes.
            grace: Seconds between SIGTERM and SIGKILL; 0 for SIGKILL at once.
        """
        deadline = time.monotonic() + grace
        indices = tuple(indices)
        if grace > 0:
            for index in indices:
                self.signal(index, signal.SIGTERM)
        for index in indices:
            jvm = self.jvms.get(index)
            if jvm is not None:
                jvm.terminate(max(0.0, deadline - time.monotonic()))
            # one that isn't our child: its lock tells when it has ended
            while is_held(self.member(index)) and is_process_of(self.pid(index), self.member(index)):
                if time.monotonic() >= deadline:
                    self.signal(index, signal.SIGKILL)
                time.sleep(_POLL)
