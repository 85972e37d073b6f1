"""The compiled accelerator, where the distribution coodie-accel is installed: one place that imports it."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from typing import Any

from coodie._version import __version__

__all__ = ["accelerator"]

#: The name that the documentation gives: the fast path is what is slower then.
log = logging.getLogger("coodie.drivers.cassandra.fastpath")


@cache
def accelerator() -> Any:
    """Return the module coodie_accel; None where it isn't installed, or isn't of our version.

    The latter is logged, once.
    """
    try:
        module = import_module("coodie_accel")
    except ImportError:
        return None
    # A directory of that name on the path is a module, too, without anything in it; and one that was built
    # from an older clone has not all of it.
    if not hasattr(module, "cut_answers"):
        return None
    if module.__version__ != __version__:
        log.warning(
            "coodie-accel %s isn't used, since coodie-core is %s: install both at one version.",
            module.__version__,
            __version__,
        )
        return None
    return module
