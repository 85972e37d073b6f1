"""How a defect is planted: the right driver, opened as usual, becomes a subclass that does one thing wrong."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from coodie.drivers.cassandra import CassandraDriver
from coodie.effects import Call, run_async, run_sync
from coodie.observers.instrumentation import untold

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from coodie.effects import Effect
    from coodie.exceptions import CoodieError
    from coodie.requests import RequestOptions

    Steps = Generator[Effect, Any, Any]

__all__ = ["DEFECTS", "Faulty", "Pause", "Request", "Untold", "caught_by"]

#: All that is planted, by name.
DEFECTS: dict[str, type[Faulty]] = {}


@dataclass(slots=True)
class Request:
    """What ``execute`` was given."""

    stmt: Any
    params: Any
    consistency: Any = None
    timeout: Any = None
    fetch_size: Any = None
    paging_state: Any = None
    options: RequestOptions | None = None
    rows: Any = None


class Pause:
    """The effect of waiting for a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def run(self) -> None:
        """Wait in this thread."""
        time.sleep(self._seconds)

    async def run_async(self) -> None:
        """Wait on the loop."""
        await asyncio.sleep(self._seconds)


class Untold:
    """The effect of a call that observers aren't told of."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def run(self) -> Any:
        """Call the sync method."""
        with untold():
            return self._call.run()

    async def run_async(self) -> Any:
        """Call the async method."""
        with untold():
            return await self._call.run_async()


class Faulty(CassandraDriver):
    """The right driver; subclasses override steps, each for both ways at once.

    Steps are generators of effects, as in ``coodie.effects``: ``yield self.right(…)`` calls the right driver.
    """

    #: The checks of the kit that fail, each in every way that it runs.
    caught_by: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def opening(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that the driver is really opened with."""
        return dict(options)

    @classmethod
    def failure(cls, error: CoodieError) -> Exception:
        """Return what to raise if the driver can't be opened."""
        return error

    @classmethod
    def plant(cls, driver: CassandraDriver, options: Mapping[str, Any]) -> CassandraDriver:
        """Make a driver one of this class."""
        driver.__class__ = cls
        assert isinstance(driver, cls)
        driver.begin(dict(options))
        return driver

    def begin(self, options: dict[str, Any]) -> None:
        """Go wrong once, after opening."""

    def right(self, method: str, *args: Any, **kwargs: Any) -> Call:
        """Return the effect of a call to the right driver."""
        return Call(super(), method, *args, **kwargs)  # not the subclass's own

    def send(self, request: Request) -> Call:
        """Return the effect of a request to the right driver."""
        return self.right(
            "execute",
            request.stmt,
            request.params,
            request.consistency,
            request.timeout,
            request.fetch_size,
            request.paging_state,
            options=request.options,
            rows=request.rows,
        )

    # --- what a defect overrides --------------------------------------------------------

    def on_execute(self, request: Request) -> Steps:
        """Carry out a request."""
        return (yield self.send(request))

    def on_execute_one(self, *args: Any, **kwargs: Any) -> Steps:
        """Return one value."""
        return (yield self.right("execute_one", *args, **kwargs))

    def on_batch(self, *args: Any, **kwargs: Any) -> Steps:
        """Carry out a batch."""
        return (yield self.right("execute_batch", *args, **kwargs))

    def on_many(self, *args: Any, **kwargs: Any) -> Steps:
        """Carry out many."""
        return (yield self.right("execute_many", *args, **kwargs))

    def on_sync_table(
        self,
        table: str,
        keyspace: str,
        cols: list[Any],
        table_options: Any = None,
        dry_run: bool = False,
        drop_removed_indexes: bool = False,
        **kwargs: Any,
    ) -> Steps:
        """Bring a table into shape."""
        return (
            yield self.right(
                "sync_table", table, keyspace, cols, table_options, dry_run, drop_removed_indexes, **kwargs
            )
        )

    def on_ping(self, **kwargs: Any) -> Steps:
        """Say whether the server answers."""
        return (yield self.right("ping", **kwargs))

    def on_close(self, drain: float | None = None) -> Steps:
        """Close."""
        return (yield self.right("close", drain=drain))

    # --- both ways ----------------------------------------------------------------------

    def execute(
        self,
        stmt,
        params=(),
        consistency=None,
        timeout=None,
        fetch_size=None,
        paging_state=None,
        *,
        options=None,
        rows=None,
    ):
        """As the contract."""
        request = Request(stmt, params, consistency, timeout, fetch_size, paging_state, options, rows)
        return run_sync(self.on_execute(request))

    async def execute_async(
        self,
        stmt,
        params=(),
        consistency=None,
        timeout=None,
        fetch_size=None,
        paging_state=None,
        *,
        options=None,
        rows=None,
    ):
        """As the contract."""
        request = Request(stmt, params, consistency, timeout, fetch_size, paging_state, options, rows)
        return await run_async(self.on_execute(request))

    def execute_one(self, stmt, params=(), consistency=None, timeout=None, *, options=None):
        """As the contract."""
        return run_sync(self.on_execute_one(stmt, params, consistency, timeout, options=options))

    async def execute_one_async(self, stmt, params=(), consistency=None, timeout=None, *, options=None):
        """As the contract."""
        return await run_async(self.on_execute_one(stmt, params, consistency, timeout, options=options))

    def execute_batch(self, *args: Any, **kwargs: Any) -> Any:
        """As the contract."""
        return run_sync(self.on_batch(*args, **kwargs))

    async def execute_batch_async(self, *args: Any, **kwargs: Any) -> Any:
        """As the contract."""
        return await run_async(self.on_batch(*args, **kwargs))

    def execute_many(self, *args: Any, **kwargs: Any) -> Any:
        """As the contract."""
        return run_sync(self.on_many(*args, **kwargs))

    async def execute_many_async(self, *args: Any, **kwargs: Any) -> Any:
        """As the contract."""
        return await run_async(self.on_many(*args, **kwargs))

    def sync_table(self, *args: Any, **kwargs: Any) -> Any:
        """As the contract."""
        return run_sync(self.on_sync_table(*args, **kwargs))

    async def sync_table_async(self, *args: Any, **kwargs: Any) -> Any:
        """As the contract."""
        return await run_async(self.on_sync_table(*args, **kwargs))

    def ping(self, **kwargs: Any) -> Any:
        """As the contract."""
        return run_sync(self.on_ping(**kwargs))

    async def ping_async(self, **kwargs: Any) -> Any:
        """As the contract."""
        return await run_async(self.on_ping(**kwargs))

    def close(self, *, drain=None) -> None:
        """As the contract."""
        run_sync(self.on_close(drain))

    async def close_async(self, *, drain=None) -> None:
        """As the contract."""
        await run_async(self.on_close(drain))


def caught_by(*checks: str) -> Any:
    """Register a defect, with the checks of the kit that notice it."""

    def register(defect: type[Faulty]) -> type[Faulty]:
        defect.caught_by = checks
        DEFECTS[defect.__name__] = defect
        return defect

    return register
