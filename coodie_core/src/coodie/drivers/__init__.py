"""Drivers and the registry that names them."""

from __future__ import annotations

from coodie.drivers._connecting import get_driver, init_coodie, init_coodie_async, register_driver
from coodie.drivers.base import AbstractDriver
from coodie.drivers.lazy import LazyDriver

__all__ = [
    "AbstractDriver",
    "LazyDriver",
    "get_driver",
    "init_coodie",
    "init_coodie_async",
    "register_driver",
]
