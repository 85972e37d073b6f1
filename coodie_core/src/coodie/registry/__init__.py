"""The registry of drivers by name, and the functions that open them."""

from __future__ import annotations

from coodie.registry.registry import (
    DriverRegistry,
    allow_only,
    block,
    current_registry,
    installed_drivers,
    open_driver,
    open_driver_async,
    register_plugin,
    using_registry,
)

__all__ = [
    "DriverRegistry",
    "allow_only",
    "block",
    "current_registry",
    "installed_drivers",
    "open_driver",
    "open_driver_async",
    "register_plugin",
    "using_registry",
]
