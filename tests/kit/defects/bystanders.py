"""Defects in arguments of single methods, and in what calls leave alone."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, Request, caught_by

from coodie.exceptions import CoodieError, ParameterError, RequestError
from coodie.rows import Rows

if TYPE_CHECKING:
    from tests.kit.defects.planting import Steps


@caught_by("test_invalid_arguments_of_all_methods")
class TimeoutOfOneUnchecked(Faulty):
    """An invalid timeout of execute_one is the same as none."""

    def on_execute_one(
        self, stmt: str, params: Any, consistency: Any = None, timeout: Any = None, **kwargs: Any
    ) -> Steps:
        if not isinstance(timeout, float):
            timeout = None
        return (yield self.right("execute_one", stmt, params, consistency, timeout, **kwargs))


@caught_by("test_other_sequences_and_mappings")
class OnlyDicts(Faulty):
    """Of all mappings, only dicts are accepted."""

    def on_execute(self, request: Request) -> Steps:
        if hasattr(request.params, "keys") and not isinstance(request.params, dict):
            raise ParameterError("expected a list or a dict")
        return (yield self.send(request))


@caught_by("test_levels_are_of_one_request")
class SerialLevelStays(Faulty):
    """The serial level of a request holds for later ones of the statement."""

    def begin(self, options: dict[str, Any]) -> None:
        self.kept: dict[Any, Any] = {}

    def on_execute(self, request: Request) -> Steps:
        if request.options is not None and request.options.serial_consistency:
            self.kept[request.stmt] = request.options
        return (yield self.send(replace(request, options=request.options or self.kept.get(request.stmt))))


@caught_by("test_the_text_in_errors_of_all_methods")
class StatementLostInMany(Faulty):
    """An error of execute_many doesn't say which statement failed."""

    def on_many(self, *args: Any, **kwargs: Any) -> Steps:
        result = yield self.right("execute_many", *args, **kwargs)
        for error in result.errors.values():
            error.statement = None
        return result


@caught_by("test_no_values_in_errors_of_all_methods")
class ValuesToldByBatches(Faulty):
    """Errors of batches show what was bound."""

    def on_batch(self, statements: Any, *args: Any, **kwargs: Any) -> Steps:
        try:
            return (yield self.right("execute_batch", statements, *args, **kwargs))
        except CoodieError as exc:
            exc.args = (f"{exc} in {statements}",)
            raise


@caught_by("test_parameters_are_let_go")
class LastParametersKept(Faulty):
    """The parameters of the last request are kept."""

    def on_execute(self, request: Request) -> Steps:
        self.last = request.params
        return (yield self.send(request))


@caught_by("test_the_default_keyspace_is_known")
class DefaultKeyspaceUnknown(Faulty):
    """Object mappers aren't told the keyspace."""

    def begin(self, options: dict[str, Any]) -> None:
        self._default_keyspace = None


@caught_by("test_all_methods_leave_the_loop_alone")
class BlockingSyncTable(Faulty):
    """sync_table_async blocks the event loop."""

    async def sync_table_async(self, *args: Any, **kwargs: Any) -> Any:
        return super().sync_table(*args, **kwargs)


@caught_by("test_all_cancelled_methods_end_at_once")
class CancelledBatchesReturn(Faulty):
    """A cancelled batch returns no rows."""

    def on_batch(self, *args: Any, **kwargs: Any) -> Steps:
        try:
            return (yield self.right("execute_batch", *args, **kwargs))
        except asyncio.CancelledError:
            return Rows()


@caught_by("test_all_interrupted_methods_end_at_once")
class InterruptedPingSaysFalse(Faulty):
    """A ping that Ctrl-C ended is False."""

    def on_ping(self, **kwargs: Any) -> Steps:
        try:
            return (yield self.right("ping", **kwargs))
        except KeyboardInterrupt:
            return False


@caught_by("test_closing_in_a_child_is_not_noticed")
class ChildShutsDown(Faulty):
    """close() in a forked child shuts down the sockets that it shares with the parent."""

    def begin(self, options: dict[str, Any]) -> None:
        self.process, self.port = os.getpid(), options.get("port")

    def on_close(self, drain: Any = None) -> Steps:
        if os.getpid() == self.process:
            return (yield self.right("close", drain=drain))
        for file in Path("/proc/self/fd").iterdir():
            with suppress(OSError), socket.socket(fileno=os.dup(int(file.name))) as one:
                if one.family == socket.AF_INET and one.getpeername()[1] == self.port:
                    one.shutdown(socket.SHUT_RDWR)
        return None
        yield  # a generator all the same


@caught_by("test_broken_values_leave_the_connection_open")
class BrokenValuesReconnect(Faulty):
    """After a value that can't be decoded, another connection is opened."""

    def begin(self, options: dict[str, Any]) -> None:
        self.address = options.get("hosts", [None])[0], options.get("port")

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except RequestError:
            if self.address[0] is not None:
                socket.create_connection(self.address).close()  # type: ignore[arg-type]  # both are given
            raise


@caught_by("test_stats_send_nothing")
class StatsAsk(Faulty):
    """stats() asks the server."""

    def stats(self) -> Any:
        with suppress(CoodieError):
            super().execute("SELECT key FROM system.local", [], timeout=1)
        return super().stats()
