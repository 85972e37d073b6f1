"""The lifecycle of a driver: open, closed or forked."""

from __future__ import annotations

import os
from concurrent.futures import Future

from coodie.exceptions import DriverClosedError

__all__ = ["CLOSED_IN_FLIGHT", "Lifecycle"]

#: The message of a request that is in flight when the driver is closed.
CLOSED_IN_FLIGHT = "The driver was closed while the request was in flight; a write may have been applied."


class Lifecycle:
    """The state that the parts of a driver share."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self.closed = False
        #: Whether new requests are rejected, while requests in flight may finish.
        self.draining = False

    @property
    def forked(self) -> bool:
        """Whether this process is a fork of the process that opened the driver."""
        return os.getpid() != self._process

    def check(self) -> None:
        """Raise if the driver can't be used.

        Raises:
            DriverClosedError: The driver has been closed, or this process is a fork.
        """
        if self.closed:
            raise self.error()
        if os.getpid() != self._process:  # not self.forked: this runs for each request
            message = (
                f"The driver was opened in process {self._process}; this is a fork of it, {os.getpid()}."
            )
            raise DriverClosedError(message, hint="Open a driver in each process, after the fork.")

    def admit(self) -> None:
        """Raise if the driver accepts no new requests.

        Raises:
            DriverClosedError: The driver has been closed or is being closed, or this process is a fork.
        """
        if self.draining and not self.closed:
            raise self.error("The driver is being closed, and accepts no new requests.")
        self.check()

    def forget(self) -> Future[None]:
        """Mark the driver as closed in a fork; return a completed future."""
        self.closed = True
        nothing: Future[None] = Future()
        nothing.set_result(None)
        return nothing

    @classmethod
    def cut_off(cls, *, writes: bool) -> DriverClosedError:
        """Return the error of a request that was in flight when the driver was closed.

        Args:
            writes: The request may have been applied.
        """
        error = cls.error(CLOSED_IN_FLIGHT)
        error.may_have_been_applied = writes
        return error

    @staticmethod
    def error(message: str = "The driver has been closed.") -> DriverClosedError:
        """Return the error of a closed driver."""
        return DriverClosedError(message, hint="Open a new one with init_coodie(…).")
