"""The paging state of a driver's last request, for object mappers that read it from the driver.

One ContextVar for all drivers keeps it per task or thread.
"""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coodie.contract.driver import AbstractDriver

__all__ = ["last_page", "remember_paging_state", "remembered_paging_state"]

#: The driver that the last request of this task or thread went through, and its paging state; None if there
#: are no further pages.
last_page: ContextVar[tuple[weakref.ref[AbstractDriver], bytes | None] | None] = ContextVar(
    "coodie_last_page", default=None
)


def remember_paging_state(driver: AbstractDriver, state: bytes | None) -> None:
    """Set the paging state of the calling task or thread, which each request resets to None."""
    last_page.set((weakref.ref(driver), state))


def remembered_paging_state(driver: AbstractDriver) -> bytes | None:
    """Return the paging state, if the last request was of this driver."""
    last = last_page.get()
    return last[1] if last is not None and last[0]() is driver else None
