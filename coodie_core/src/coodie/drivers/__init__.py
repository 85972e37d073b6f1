"""Drivers and the registry that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie._lazy_imports import lazy_attributes
from coodie.contract.typed_driver import Driver
from coodie.drivers.base import AbstractDriver
from coodie.registry.opening import get_driver, init_coodie, init_coodie_async, register_driver

if TYPE_CHECKING:
    from coodie.registry.lazy import LazyDriver

__all__ = [
    "AbstractDriver",
    "Driver",
    "LazyDriver",
    "get_driver",
    "init_coodie",
    "init_coodie_async",
    "register_driver",
]

if not TYPE_CHECKING:  # type checkers would accept any name
    __getattr__, __dir__ = lazy_attributes(globals(), {"LazyDriver": ".registry.lazy"}, ())
