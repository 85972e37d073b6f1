"""The API for authors of backends: the hook marker, and the arguments and results of hooks.

A backend is a distribution with an entry point in the group ``coodie.drivers``. Its name is the driver_type;
its object, usually a module, implements the hooks of ``coodie.plugins.hooks`` with ``@hookimpl``. The same
entry point in the group ``coodie.driver_api.1`` declares the version of this contract, which is read before
anything is imported.
"""

from __future__ import annotations

from coodie.capabilities import Capability
from coodie.hooks import DriverDescription, OptionDescription, hookimpl
from coodie.options.connection import ConnectionConfig
from coodie.plugins.discovery import DRIVER_API_VERSION, DriverEntryPoint
from coodie.plugins.integrity import check_module_owner
from coodie.registry.registry import (
    allow_only,
    block,
    installed_drivers,
    open_driver,
    open_driver_async,
    register_plugin,
)

__all__ = [
    "DRIVER_API_VERSION",
    "Capability",
    "ConnectionConfig",
    "DriverDescription",
    "DriverEntryPoint",
    "OptionDescription",
    "allow_only",
    "block",
    "check_module_owner",
    "hookimpl",
    "installed_drivers",
    "open_driver",
    "open_driver_async",
    "register_plugin",
]
