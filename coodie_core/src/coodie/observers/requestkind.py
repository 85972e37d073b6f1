"""The calls that requests belong to; apart from the events, which are slow to import."""

from __future__ import annotations

from enum import Enum

__all__ = ["RequestKind"]


class RequestKind(str, Enum):
    """Which call a request belongs to."""

    #: One statement; also each page of a ``stream``.
    SINGLE = "single"
    #: Several writes at once, through ``execute_batch`` or as the text ``BEGIN … APPLY BATCH``.
    BATCH = "batch"
    #: One of the executions of an ``execute_many``.
    MANY = "many"
