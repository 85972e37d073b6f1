"""Defects in opening, sharing and closing, and in sync_table."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from tests.kit.defects.planting import Faulty, Request, caught_by

from coodie.capabilities import Capability
from coodie.exceptions import CoodieError
from coodie.schema import ColumnDefinition, SyncOptions, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.kit.defects.planting import Steps


# --- opening ----------------------------------------------------------------------------


class _Opened(Faulty):
    """Opened with other options than were asked for."""

    ignored: ClassVar[str]

    @classmethod
    def opening(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in options.items() if name != cls.ignored}


@caught_by("test_tls_is_never_plain_text", "test_tls_connects")
class PlainTextInsteadOfTls(_Opened):
    """TLS is forgotten."""

    ignored = "ssl_context"


@caught_by("test_an_unknown_authority", "test_a_certificate_of_another_address", "test_client_certificates")
class NothingVerified(Faulty):
    """TLS is spoken with whoever answers, and shows no certificate."""

    @classmethod
    def opening(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        if "ssl_context" not in options:
            return dict(options)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return {**options, "ssl_context": context}


@caught_by("test_the_default_keyspace", "test_keyspaces_of_two_drivers", "test_a_missing_keyspace_fails")
class KeyspaceIgnored(_Opened):
    """The default keyspace is dropped."""

    ignored = "keyspace"


@caught_by("test_the_connections_consistency")
class ConnectionsConsistencyIgnored(_Opened):
    """The connection's consistency is dropped."""

    ignored = "consistency"


@caught_by("test_unknown_options_are_refused")
class UnknownOptionsIgnored(_Opened):
    """Options that nobody knows are dropped."""

    ignored = "no_such_option"


@caught_by("test_connecting_leaves_the_loop_alone")
class BlockingConnect(Faulty):
    """Connecting blocks the event loop; the suite opens it so."""


@caught_by("test_what_is_not_declared_is_refused")
class UndeclaredIgnored(Faulty):
    """A capability isn't declared, and what needs it is dropped."""

    capabilities = Faulty.capabilities - {Capability.TRACING}

    def on_execute(self, request: Request) -> Steps:
        return (yield self.send(replace(request, options=None)))


# --- sharing ----------------------------------------------------------------------------


@caught_by("test_loops_one_after_the_other", "test_several_loops_at_once")
class OneLoopOnly(Faulty):
    """The driver belongs to the event loop that it was first used on."""

    loop: Any = None

    def on_execute(self, request: Request) -> Steps:
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is not None:
            self.loop = self.loop or here
            if self.loop is not here:
                raise RuntimeError("attached to a different loop")
        return (yield self.send(request))


@caught_by("test_first_requests_of_several_loops")
class BatchesTakeTurns(Faulty):
    """Batches on event loops take turns, by a semaphore of the first loop in which one waits."""

    def begin(self, options: dict[str, Any]) -> None:
        self.turn = asyncio.Semaphore(1)

    async def execute_batch_async(self, *args: Any, **kwargs: Any) -> Any:
        async with self.turn:
            return await super().execute_batch_async(*args, **kwargs)


@caught_by("test_loops_one_after_the_other")
class SemaphoreOfOneLoop(Faulty):
    """The number of requests is limited by a semaphore, which belongs to the first loop that waits for it."""

    semaphore: Any = None

    async def execute_async(self, *args: Any, **kwargs: Any) -> Any:
        self.semaphore = self.semaphore or asyncio.Semaphore(100)
        async with self.semaphore:
            return await super().execute_async(*args, **kwargs)


@caught_by("test_threads_come_and_go", "test_many_threads_first_statement")
class OneThreadOnly(Faulty):
    """The driver belongs to the thread that opened it."""

    def begin(self, options: dict[str, Any]) -> None:
        self.thread = threading.get_ident()

    def on_execute_one(self, *args: Any, **kwargs: Any) -> Steps:
        if threading.get_ident() != self.thread:
            raise RuntimeError("used in another thread")
        return (yield from super().on_execute_one(*args, **kwargs))


@caught_by("test_a_fork_is_told_so")
class ForkNotExpected(Faulty):
    """In a forked child requests fail in a way that nobody expects."""

    def begin(self, options: dict[str, Any]) -> None:
        self.process = os.getpid()

    def on_execute(self, request: Request) -> Steps:
        if os.getpid() != self.process:
            raise OSError("bad file descriptor")
        return (yield self.send(request))


@caught_by("test_a_fork_is_told_so_in_every_way")
class ForkNotExpectedByAsync(ForkNotExpected):
    """In a forked child async requests fail in a way that nobody expects."""

    def on_execute(self, request: Request) -> Steps:
        if os.getpid() != self.process:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                pass
            else:
                raise OSError("bad file descriptor")
        return (yield self.send(request))


# --- leaving something behind ---------------------------------------------------------------


@caught_by("test_closing_releases_all")
class ThreadLeft(Faulty):
    """A thread outlives the driver."""

    def begin(self, options: dict[str, Any]) -> None:
        threading.Thread(target=threading.Event().wait, name="left", daemon=True).start()


@caught_by("test_closing_releases_all")
class FileLeft(Faulty):
    """A file stays open."""

    def begin(self, options: dict[str, Any]) -> None:
        os.open(os.devnull, os.O_RDONLY)


@caught_by("test_requests_hold_nothing")
class FileForEach(Faulty):
    """Each request leaves a file open."""

    def on_execute(self, request: Request) -> Steps:
        os.open(os.devnull, os.O_RDONLY)
        return (yield self.send(request))


# --- closing ----------------------------------------------------------------------------


class _Closed(Faulty):
    """Close in another way."""

    closed = False


@caught_by("test_close_twice")
class SecondCloseRaises(_Closed):
    """Closing again is an error."""

    def on_close(self, drain: float | None = None) -> Steps:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True
        yield self.right("close", drain=drain)


@caught_by("test_use_after_close", "test_context_managers", "test_close_ends_the_connections")
class CloseForgets(_Closed):
    """The first close does nothing, so that the driver still works."""

    def on_close(self, drain: float | None = None) -> Steps:
        if self.closed:
            yield self.right("close", drain=drain)
        self.closed = True


@caught_by("test_use_after_close", "test_closing_the_other_way")
class ClosedOtherwise(_Closed):
    """A closed driver raises an error that isn't of the tree."""

    def on_execute(self, request: Request) -> Steps:
        if self.closed:
            raise RuntimeError("closed")
        return (yield self.send(request))

    def on_close(self, drain: float | None = None) -> Steps:
        self.closed = True
        yield self.right("close", drain=drain)


@caught_by("test_closing_one_leaves_the_other")
class CloseEndsAll(Faulty):
    """Closing one driver closes the others, too."""

    opened: ClassVar[list[Faulty]] = []

    def begin(self, options: dict[str, Any]) -> None:
        self.opened.append(self)

    def on_close(self, drain: float | None = None) -> Steps:
        while self.opened:
            driver = self.opened.pop()
            yield Faulty.right(driver, "close", drain=drain)
        yield self.right("close", drain=drain)


@caught_by("test_closing_leaves_the_loop_alone")
class BlockingClose(Faulty):
    """close_async waits on the event loop."""

    def on_close(self, drain: float | None = None) -> Steps:
        with suppress(CoodieError):
            self.right("ping", timeout=0.8).run()
        yield self.right("close", drain=drain)


@caught_by("test_context_managers")
class BlockLeavesOpen(Faulty):
    """The end of a with block closes nothing."""

    def __exit__(self, *_: object) -> None:
        """Leave it open."""

    async def __aexit__(self, *_: object) -> None:
        """Leave it open."""


# --- sync_table ---------------------------------------------------------------------------


@caught_by("test_a_dry_run_changes_nothing")
class DryRunExecutes(Faulty):
    """A dry run does it."""

    def on_sync_table(
        self, table, keyspace, cols, table_options=None, dry_run=False, drop_removed_indexes=False, **kwargs
    ):
        return (
            yield self.right(
                "sync_table", table, keyspace, cols, table_options, False, drop_removed_indexes, **kwargs
            )
        )


@caught_by("test_sync_table_adds_columns")
class ColumnsDropped(Faulty):
    """A column that the definition no longer has is dropped."""

    def on_sync_table(
        self, table, keyspace, cols, table_options=None, dry_run=False, drop_removed_indexes=False, **kwargs
    ):
        done = yield self.right(
            "sync_table", table, keyspace, cols, table_options, dry_run, drop_removed_indexes, **kwargs
        )
        find = "SELECT column_name AS c FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?"
        there = yield self.right("execute", find, [keyspace, table])
        for name in {row["c"] for row in there} - {column.name for column in cols}:
            yield self.right("execute", f"ALTER TABLE {keyspace}.{quote(table)} DROP {quote(name)}", [])
        return done


@caught_by("test_sync_table_makes_a_table")
class OrderForgotten(Faulty):
    """Static columns and clustering orders are forgotten."""

    def on_sync_table(self, table, keyspace, cols, *args, **kwargs):
        plain = [
            replace(column, static=False, clustering_order="ASC")
            if isinstance(column, ColumnDefinition)
            else column
            for column in cols
        ]
        return (yield self.right("sync_table", table, keyspace, plain, *args, **kwargs))


@caught_by("test_sync_table_sets_options")
class TableOptionsIgnored(Faulty):
    """Options of a table are dropped."""

    def on_sync_table(self, table, keyspace, cols, table_options=None, *args, **kwargs):
        return (yield self.right("sync_table", table, keyspace, cols, None, *args, **kwargs))


@caught_by("test_describe_returns_the_definition")
class IndexesUndescribed(Faulty):
    """A table's indexes aren't in its description."""

    def _description(self, table: str, timeout: float | None) -> Steps:
        found = yield from super()._description(table, timeout)
        return replace(found, columns=[replace(column, index=False) for column in found.columns])


@caught_by("test_indexes_come_and_stay")
class IndexesDropped(Faulty):
    """Indexes that the definition no longer has are dropped unasked."""

    def on_sync_table(
        self, table, keyspace, cols, table_options=None, dry_run=False, drop_removed_indexes=False, **kwargs
    ):
        return (yield self.right("sync_table", table, keyspace, cols, table_options, dry_run, True, **kwargs))


@caught_by("test_anothers_change_is_seen", "test_a_dry_run_changes_nothing")
class SyncRemembered(Faulty):
    """What was brought into shape once is taken to be so."""

    def begin(self, options: dict[str, Any]) -> None:
        self.known: set[str] = set()

    def on_sync_table(self, table, keyspace, cols, *args, **kwargs):
        key = repr((table, keyspace, cols))
        if key in self.known:
            return []
        done = yield self.right("sync_table", table, keyspace, cols, *args, **kwargs)
        self.known.add(key)
        return done


@caught_by("test_sync_table_again_does_nothing")
class SyncSaysNothing(Faulty):
    """What is executed is something else than what is said, and says so again."""

    def on_sync_table(self, table, keyspace, cols, *args, **kwargs):
        yield self.right("sync_table", table, keyspace, cols, *args, **kwargs)
        return [f"CREATE TABLE {table}"]


@caught_by("test_names_are_quoted")
class NamesNotQuoted(Faulty):
    """Names of tables are folded to lower case."""

    def on_sync_table(self, table, keyspace, cols, *args, **kwargs):
        return (yield self.right("sync_table", table.lower(), keyspace, cols, *args, **kwargs))


@caught_by("test_what_alter_cannot_do")
class RefusedHalfway(Faulty):
    """What can be done is done before what can't is refused."""

    def on_sync_table(self, table, keyspace, cols, *args, **kwargs):
        new = [column for column in cols if column.name == "new"]
        find = "SELECT column_name AS c FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?"
        there = yield self.right("execute", find, [keyspace, table])
        if new and there and "new" not in {row["c"] for row in there}:
            yield self.right("execute", f"ALTER TABLE {keyspace}.{table} ADD new int", [])
        return (yield self.right("sync_table", table, keyspace, cols, *args, **kwargs))


@caught_by("test_close_before_the_first_use")
class CloseNeedsUse(Faulty):
    """A driver that was never used can't be closed."""

    #: Whether the shared driver was opened, which is closed unused if only this check runs.
    is_shared_open: ClassVar[bool] = False

    def begin(self, options: dict[str, Any]) -> None:
        del options
        self.used = not self.is_shared_open
        type(self).is_shared_open = True

    def on_execute(self, request: Request) -> Steps:
        self.used = True
        return (yield self.send(request))

    def on_close(self, drain: float | None = None) -> Steps:
        yield self.right("close", drain=drain)
        if not self.used:
            self.used = True  # the end of the check closes it, too
            raise RuntimeError("There is no connection.")


@caught_by("test_sync_options_of_another_type")
class AnySyncOptions(Faulty):
    """Options of sync_table of another type are ignored."""

    def on_sync_table(self, *args: Any, options: Any = None, **kwargs: Any) -> Steps:
        options = options if isinstance(options, SyncOptions) else None
        return (yield self.right("sync_table", *args, options=options, **kwargs))
