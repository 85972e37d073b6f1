"""Import of the compiled accelerator, if the distribution coodie-accel is installed."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from typing import Any

from coodie._version import __version__

__all__ = ["accelerator"]

#: The documented logger: without the accelerator, the fast path is slower.
log = logging.getLogger("coodie.drivers.cassandra.fastpath")


@cache
def accelerator() -> Any:
    """Return the module coodie_accel; None if it isn't installed or has another version.

    A different version is logged, once.
    """
    try:
        module = import_module("coodie_accel")
    except ImportError:
        return None
    # A directory of that name on the path is an empty namespace package; a build of an older clone is
    # incomplete.
    if not hasattr(module, "RowStream"):
        return None
    if module.__version__ != __version__:
        log.warning(
            "coodie-accel %s isn't used, since coodie-core is %s: install the same version of both.",
            module.__version__,
            __version__,
        )
        return None
    return module
