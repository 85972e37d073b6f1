"""Drivers and the registry that names them."""

from __future__ import annotations

from coodie.contract.typed_driver import Driver
from coodie.drivers.base import AbstractDriver
from coodie.registry.lazy import LazyDriver
from coodie.registry.opening import get_driver, init_coodie, init_coodie_async, register_driver

__all__ = [
    "AbstractDriver",
    "Driver",
    "LazyDriver",
    "get_driver",
    "init_coodie",
    "init_coodie_async",
    "register_driver",
]
