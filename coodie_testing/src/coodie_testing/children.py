"""Forked children: what they do, what they say of it, and what becomes of those that hang."""

from __future__ import annotations

import os
import select
import signal
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_a_child"]

#: Seconds that a child has.
_TIMEOUT = 30.0


def in_a_child(work: Callable[[], object]) -> str:
    """Call something in a forked child, which ends as soon as that has; return its result or error as text.

    Args:
        work: What to call.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, from Python 3.12 on
        child = os.fork()
    if child == 0:
        said = "nothing"
        try:
            said = str(work())
        except BaseException as exc:  # noqa: BLE001 - told to the parent
            said = f"{type(exc).__name__}: {exc}"
        finally:
            os.write(writer, said.encode())
            os._exit(0)
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], _TIMEOUT)
        if not ready:
            os.kill(child, signal.SIGKILL)
            return "nothing: it hangs"
        return os.read(reader, 10_000).decode()
    finally:
        os.close(reader)
        os.waitpid(child, 0)
