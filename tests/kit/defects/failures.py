"""Defects in errors, prepared statements, time and cancellation."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, Pause, Request, caught_by

from coodie.cql import with_positional_markers
from coodie.exceptions import (
    ConnectionFailedError,
    InvalidQueryError,
    RequestError,
    RequestTimeoutError,
    ServerError,
)
from coodie.rows import Rows

if TYPE_CHECKING:
    from tests.kit.defects.planting import Steps


# --- errors -----------------------------------------------------------------------------


class _Otherwise(Faulty):
    """Raise something else."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except InvalidQueryError as exc:
            return self.instead(exc)

    def instead(self, exc: InvalidQueryError) -> Any:
        """Return something, or raise."""
        raise exc


@caught_by("test_unknown_tables", "test_syntax_errors", "test_errors_leave_the_driver_whole")
class ErrorSwallowed(_Otherwise):
    """A failed request returns no rows."""

    def instead(self, exc: InvalidQueryError) -> Any:
        return Rows()


@caught_by("test_unknown_columns", "test_refused_filters", "test_what_exists_already")
class ErrorsOfTheBackend(_Otherwise):
    """The backend's own exception is raised."""

    def instead(self, exc: InvalidQueryError) -> Any:
        raise exc.__cause__ or exc


@caught_by("test_syntax_errors", "test_unknown_tables")
class OtherBuiltin(_Otherwise):
    """An error that isn't the builtin which users expect."""

    def instead(self, exc: InvalidQueryError) -> Any:
        raise RequestError(str(exc), statement=exc.statement) from exc.__cause__


@caught_by("test_syntax_errors", "test_unknown_tables")
class CauseLost(_Otherwise):
    """The backend's exception is dropped."""

    def instead(self, exc: InvalidQueryError) -> Any:
        exc.__cause__ = None
        raise exc


@caught_by("test_unknown_tables", "test_unknown_columns")
class StatementLost(_Otherwise):
    """An error doesn't say which statement failed."""

    def instead(self, exc: InvalidQueryError) -> Any:
        exc.statement = None
        raise exc


@caught_by("test_failures_are_not_remembered")
class FailureRemembered(_Otherwise):
    """A statement that failed once fails for ever."""

    def begin(self, options: dict[str, Any]) -> None:
        self.failed: dict[str, Any] = {}

    def on_execute(self, request: Request) -> Steps:
        if request.stmt in self.failed:
            raise self.failed[request.stmt]
        return (yield from super().on_execute(request))

    def instead(self, exc: InvalidQueryError) -> Any:
        self.failed[str(exc.statement)] = exc
        raise exc


@caught_by("test_failures_are_not_remembered")
class FailureRememberedOfOthers(FailureRemembered):
    """A statement that failed once fails until this driver changes the schema."""

    def on_execute(self, request: Request) -> Steps:
        if request.stmt.startswith(("CREATE", "ALTER", "DROP")):
            self.failed.clear()
        return (yield from super().on_execute(request))


@caught_by("test_errors_have_the_callers_text")
class StatementRewritten(_Otherwise):
    """The statement of an error has ? for each named marker."""

    def instead(self, exc: InvalidQueryError) -> Any:
        exc.statement = with_positional_markers(exc.statement or "")[0]
        raise exc


@caught_by("test_refused_settings")
class RefusedAlterAsServerError(_Otherwise):
    """An ALTER that the server rejects is an error of the server."""

    def instead(self, exc: InvalidQueryError) -> Any:
        if not str(exc.statement).startswith("ALTER"):
            raise exc
        raise ServerError(str(exc), statement=exc.statement) from exc.__cause__


# --- prepared statements ----------------------------------------------------------------


@caught_by("test_another_type_is_known_at_once")
class StaleCache(Faulty):
    """A prepared statement is used beyond the schema that it was prepared for."""

    def begin(self, options: dict[str, Any]) -> None:
        self._client.is_current = lambda prepared: True  # type: ignore[method-assign]  # the defect
        self._client.prepare_again = self.kept  # type: ignore[method-assign]  # where a node has forgotten it

    def kept(self, cql: str, stale: Any, timeout: float) -> Steps:
        """Have the node know the text again, and go on with what it was."""
        yield from self._client.prepare(cql, timeout)
        return stale.prepared


@caught_by("test_first_users_share_a_prepare")
class StatementsOfEachCaller(Faulty):
    """Each thread and each task prepares its statements itself."""

    def begin(self, options: dict[str, Any]) -> None:
        right = self._client.statement_key

        def key(stmt: str) -> Any:
            try:
                caller: Any = asyncio.current_task()
            except RuntimeError:
                caller = threading.get_ident()
            return caller, right(stmt)

        self._client.statement_key = self._client.preparer.statement_key = key  # type: ignore[method-assign]  # the defect


@caught_by("test_similar_texts_are_told_apart")
class CacheFoldsCase(Faulty):
    """Statements that differ in case only are one."""

    def begin(self, options: dict[str, Any]) -> None:
        self.texts: dict[str, str] = {}

    def folded(self, stmt: str) -> str:
        """Return the key of a statement."""
        return stmt.lower()

    def on_execute(self, request: Request) -> Steps:
        if isinstance(request.stmt, str) and request.stmt.startswith("SELECT"):
            stmt = self.texts.setdefault(self.folded(request.stmt), request.stmt)
            request = replace(request, stmt=stmt)
        return (yield self.send(request))


@caught_by("test_similar_texts_are_told_apart")
class CacheFoldsBlanks(CacheFoldsCase):
    """Statements that differ in blanks only are one."""

    def folded(self, stmt: str) -> str:
        return " ".join(stmt.split())


@caught_by("test_a_first_request_leaves_the_loop_alone")
class BlockingFirst(Faulty):
    """The first request of a driver blocks the event loop."""

    is_first = True

    def on_execute(self, request: Request) -> Steps:
        if self.is_first:
            self.is_first = False
            return self.send(request).run()
        return (yield self.send(request))


@caught_by("test_a_new_field_is_read")
class NewFieldUnseen(Faulty):
    """A statement's results have the fields of user-defined types that the first result had."""

    def begin(self, options: dict[str, Any]) -> None:
        self.fields: dict[Any, Any] = {}

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        for row in rows:
            for name, value in row.items():
                if isinstance(value, dict):
                    known = self.fields.setdefault((request.stmt, name), tuple(value))
                    row[name] = {field: part for field, part in value.items() if field in known}
        return rows


@caught_by("test_the_cache_is_bounded")
class UnboundedCache(Faulty):
    """Prepared statements are kept for ever."""

    def begin(self, options: dict[str, Any]) -> None:
        self._pipeline.statements._size = 10**9


@caught_by("test_preparing_leaves_the_loop_alone")
class BlockingPrepare(Faulty):
    """A statement is prepared on the event loop."""

    def on_execute(self, request: Request) -> Steps:
        if isinstance(request.stmt, str) and self._pipeline.statements.find(request.stmt) is None:
            self.send(request).run()
        return (yield self.send(request))


@caught_by("test_waiting_leaves_the_loop_alone", "test_paging_leaves_the_loop_alone")
class BlockingAsync(Faulty):
    """execute_async blocks the event loop."""

    def on_execute(self, request: Request) -> Steps:
        return self.send(request).run()
        yield  # a generator all the same


# --- time -------------------------------------------------------------------------------


@caught_by("test_no_answer_is_a_timeout")
class TimeoutIgnored(Faulty):
    """A request's timeout is dropped for another."""

    def on_execute(self, request: Request) -> Steps:
        return (yield self.send(replace(request, timeout=1.2)))


@caught_by("test_the_connections_timeout")
class ConnectionsTimeoutIgnored(Faulty):
    """The connection's timeout is dropped."""

    @classmethod
    def opening(cls, options: Any) -> dict[str, Any]:
        return {**options, "request_timeout": 1.2} if "request_timeout" in options else dict(options)


@caught_by("test_no_answer_is_a_timeout", "test_preparing_keeps_the_timeout")
class TimeoutOfPython(Faulty):
    """The builtin TimeoutError is raised, which is none of the tree."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except RequestTimeoutError as exc:
            raise TimeoutError("no answer") from exc


@caught_by("test_ping_says_false")
class PingLies(Faulty):
    """A server is there, whatever it does."""

    def on_ping(self, **kwargs: Any) -> Steps:
        try:
            return (yield self.right("ping", **kwargs)) or True
        except RequestTimeoutError:
            return True


@caught_by("test_a_write_is_never_repeated")
class WriteRepeated(Faulty):
    """After a lost connection a request is sent again until it succeeds, whatever it does."""

    def on_execute(self, request: Request) -> Steps:
        until = time.monotonic() + 40  # the driver is back within that
        while True:
            try:
                return (yield self.send(request))
            except ConnectionFailedError:
                if time.monotonic() > until:
                    raise
            yield Pause(0.1)


@caught_by("test_type_counter")
class WriteTwice(Faulty):
    """Every write is sent twice, under two clocks."""

    def on_execute(self, request: Request) -> Steps:
        if "n = n +" in request.stmt:
            yield self.send(request)
        return (yield self.send(request))


# --- cancelling -------------------------------------------------------------------------


@caught_by("test_cancelled_requests_end_at_once")
class BrokenByCancelling(Faulty):
    """After a cancellation requests fail."""

    broken = False

    def on_execute(self, request: Request) -> Steps:
        if self.broken:
            raise RequestError("The connection is in a state that nobody knows.")
        try:
            return (yield self.send(request))
        except asyncio.CancelledError:
            self.broken = True
            raise


@caught_by("test_cancelled_requests_end_at_once")
class CancellingSwallowed(Faulty):
    """A cancelled request returns no rows."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except asyncio.CancelledError:
            return Rows()


@caught_by("test_interrupted_requests_end_at_once")
class InterruptSwallowed(Faulty):
    """Ctrl-C during a request returns no rows."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except KeyboardInterrupt:
            return Rows()


@caught_by("test_cancelling_at_any_point", "test_cancelled_requests_end_at_once")
class CancellingLoud(Faulty):
    """A cancelled request leaves a future whose exception nobody looks at."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except asyncio.CancelledError:
            loop = asyncio.get_running_loop()
            loop.call_soon(lambda: loop.call_exception_handler({"message": "nobody waits for an answer"}))
            raise


@caught_by("test_tasks_end")
class TaskLeft(Faulty):
    """A request leaves a task on the loop."""

    def on_execute(self, request: Request) -> Steps:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            self.task = loop.create_task(asyncio.sleep(3600))
        return (yield self.send(request))
