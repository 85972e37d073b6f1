"""A driver's life: whether it may still be used."""

from __future__ import annotations

import os
from concurrent.futures import Future

from coodie.exceptions import DriverClosedError

__all__ = ["CLOSED_IN_FLIGHT", "Lifecycle"]

#: What is said of a request that the driver's end has cut off.
CLOSED_IN_FLIGHT = "The driver was closed while the request was in flight; a write may have been applied."


class Lifecycle:
    """The state that all parts of one driver share."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self.closed = False

    @property
    def forked(self) -> bool:
        """Whether this process is a fork of the one that the driver was opened in."""
        return os.getpid() != self._process

    def check(self) -> None:
        """Refuse the use of a driver that can't serve.

        Raises:
            DriverClosedError: It has been closed, or its threads stayed behind in the parent process.
        """
        if self.closed:
            raise self.error()
        if os.getpid() != self._process:  # as forked; this is asked for each request
            message = (
                f"The driver was opened in process {self._process}; this is a fork of it, {os.getpid()}."
            )
            raise DriverClosedError(message, hint="Open a driver in each process, after the fork.")

    def forget(self) -> Future[None]:
        """Be closed in a fork, where there is nothing to close; return a future that is done."""
        self.closed = True
        nothing: Future[None] = Future()
        nothing.set_result(None)
        return nothing

    @classmethod
    def cut_off(cls, *, writes: bool) -> DriverClosedError:
        """Return the error of a request that the driver's end has cut off.

        Args:
            writes: Something of it may have been applied.
        """
        error = cls.error(CLOSED_IN_FLIGHT)
        error.may_have_been_applied = writes
        return error

    @staticmethod
    def error(message: str = "The driver has been closed.") -> DriverClosedError:
        """Return the error that a closed driver answers with."""
        return DriverClosedError(message, hint="Open a new one with init_coodie(…).")
