"""Log a warning if a blocking method is called on a running event loop, which it blocks.

The check costs a tenth of a microsecond, and isn't on the way of a request that uses a template.
"""

from __future__ import annotations

import logging
import sys
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_OPTIMIZED
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["warn_if_blocking"]

_log = logging.getLogger("coodie.event_loop")

#: The drivers and functions that a warning was logged for.
_known: WeakSet[Any] = WeakSet()


def warn_if_blocking() -> None:
    """Log a warning, once per driver, if the calling thread runs an event loop.

    Blocking is no mistake at a prompt that supports ``await`` and in a notebook: both run what is typed on
    their event loop.
    """
    # Sync programs don't pay for the import.
    events = sys.modules.get("asyncio.events")
    if events is None or events._get_running_loop() is None:  # noqa: SLF001 - public, in spite of its name
        return
    method = function = None
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only way to the caller's name
    while frame is not None and _module_of(frame).partition(".")[0] == "coodie":
        name = frame.f_code.co_name
        kind = type(frame.f_locals.get("self"))
        if hasattr(kind, f"{name}_async") and hasattr(kind, "execute_async"):  # a method of a driver
            method = frame.f_locals["self"], name
        elif f"{name}_async" in frame.f_globals and name in frame.f_globals:
            function = frame.f_globals[name], name
        frame = frame.f_back
    called = method or function  # the outermost, which the caller knows
    if frame is None or called is None or _is_typed(frame) or not _is_first(called[0]):
        return
    name, code = called[1], frame.f_code
    _log.warning(
        "%s() blocks the event loop: it was called on the loop's thread, by %s at %s:%d. Use %s_async(). "
        "Further calls aren't logged.",
        *(name, code.co_name, code.co_filename, frame.f_lineno, name),
    )


def _is_first(driver: Any) -> bool:
    """Remember a driver or a function; return whether it was unknown."""
    try:
        is_known = driver in _known
        _known.add(driver)
    except TypeError:  # it has no hash, or can't be referred to weakly
        return False
    return not is_known


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_typed(frame: FrameType | None) -> bool:
    """Return whether the code of a module is running, rather than a coroutine or a callback of the loop."""
    while frame is not None:
        flags = frame.f_code.co_flags
        if not flags & CO_OPTIMIZED:  # not a function; it may await at the top level
            return True
        if flags & (CO_COROUTINE | CO_ASYNC_GENERATOR) or _module_of(frame).startswith("asyncio."):
            return False
        frame = frame.f_back
    return False
