"""Whether the current thread or task executes a part of an ``execute_many`` or a scan."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["in_bulk"]

#: True in the threads and tasks of an ``execute_many`` or a scan, whose concurrency limits their requests; a
#: driver with ``max_in_flight`` always queues them.
in_bulk: ContextVar[bool] = ContextVar("coodie_in_bulk", default=False)
