"""A driver that isn't connected, on the memory backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.drivers import LazyDriver

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_core.tests.fakes import Api, Backend

__all__ = ["REQUESTS", "STMT", "asked", "lazy_driver"]

STMT = "SELECT n FROM t"


def lazy_driver(**kwargs: Any) -> LazyDriver:
    """Return one."""
    return LazyDriver(["a"], "ks", None, {"driver_type": "memory"} | kwargs)


def asked(memory: Backend) -> list[str]:
    """Return the statements that reached the one driver."""
    return [call[0] for call in memory.driver.calls]


async def _streamed(api: Api) -> Any:
    return [row async for row in api.stream(STMT, fetch_size=2)]


#: Every request, by its method.
REQUESTS: dict[str, Callable[[Api], Any]] = {
    "execute": lambda api: api.execute(STMT, []),
    "execute_one": lambda api: api.execute_one(STMT, []),
    "execute_many": lambda api: api.execute_many(STMT, [[1]]),
    "execute_batch": lambda api: api.execute_batch(["DELETE FROM t WHERE a = 1"]),
    "sync_table": lambda api: api.sync_table("t", "ks", []),
    "stream": _streamed,
}
