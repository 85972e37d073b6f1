"""Whether the current thread or task executes a part of an ``execute_many``."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["in_bulk"]

#: True in the threads and tasks of an ``execute_many``; a limited driver always queues their requests.
in_bulk: ContextVar[bool] = ContextVar("coodie_in_bulk", default=False)
