"""The registry that this process uses: the one holder of process-wide state.

The registry puts itself here, and ``using_registry`` puts another one in its place. Layers below the registry
find here what belongs to it: its observers, and what its backends can do.
"""

from __future__ import annotations

from typing import Any

__all__ = ["in_use"]


class _InUse:
    __slots__ = ("registry",)

    #: A DriverRegistry, whose class this layer doesn't know.
    registry: Any


in_use = _InUse()
