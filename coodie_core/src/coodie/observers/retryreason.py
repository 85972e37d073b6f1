"""The reasons of retries; separate from the events, which are slow to import."""

from __future__ import annotations

from enum import Enum

__all__ = ["RetryReason"]


class RetryReason(str, Enum):
    """The reason of a retry: how the previous attempt failed."""

    #: Too few replicas responded to the coordinator of a read in time.
    READ_TIMEOUT = "read timeout"
    #: Too few replicas responded to the coordinator of a write in time.
    WRITE_TIMEOUT = "write timeout"
    #: Too few replicas are up.
    UNAVAILABLE = "unavailable"
    #: The coordinator is overloaded.
    OVERLOADED = "overloaded"
    #: The coordinator is starting.
    BOOTSTRAPPING = "bootstrapping"
    #: Any other error response.
    SERVER_ERROR = "server error"
    #: The connection was lost before the response arrived.
    CONNECTION_LOST = "connection lost"
    #: The node no longer has the prepared statement, and didn't execute it.
    UNPREPARED = "unprepared"

    def __str__(self) -> str:
        return self.value
