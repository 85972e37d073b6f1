"""Defects in signatures, in what is kept between requests, and in parameters."""

# As mypy's override for all defects.
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, Pause, Request, Untold, caught_by

from coodie.exceptions import (
    InvalidQueryError,
    ParameterError,
)
from coodie.observers.request import UNOBSERVED
from coodie.rows import Rows
from coodie.types import UNSET

if TYPE_CHECKING:
    from tests.kit.defects.planting import Steps


# --- signatures -------------------------------------------------------------------------


@caught_by("test_execute_has_its_signature")
class OtherDefault(Faulty):
    """Execute has a default of its own for timeout."""

    def execute(
        self,
        stmt,
        params,
        consistency=None,
        timeout=10.0,
        fetch_size=None,
        paging_state=None,
        *,
        options=None,
    ):
        return super().execute(stmt, params, consistency, timeout, fetch_size, paging_state, options=options)

    async def execute_async(
        self,
        stmt,
        params,
        consistency=None,
        timeout=10.0,
        fetch_size=None,
        paging_state=None,
        *,
        options=None,
    ):
        return await super().execute_async(
            stmt, params, consistency, timeout, fetch_size, paging_state, options=options
        )


@caught_by("test_execute_one_has_its_signature")
class LostParameter(Faulty):
    """execute_one takes no timeout."""

    def execute_one(self, stmt, params, consistency=None, *, options=None):
        return super().execute_one(stmt, params, consistency, options=options)

    async def execute_one_async(self, stmt, params, consistency=None, *, options=None):
        return await super().execute_one_async(stmt, params, consistency, options=options)


@caught_by("test_sync_table_has_its_signature")
class RenamedParameter(Faulty):
    """sync_table calls its columns otherwise."""

    def sync_table(
        self, table, keyspace, columns, table_options=None, dry_run=False, drop_removed_indexes=False
    ):
        return super().sync_table(table, keyspace, columns, table_options, dry_run, drop_removed_indexes)

    async def sync_table_async(
        self, table, keyspace, columns, table_options=None, dry_run=False, drop_removed_indexes=False
    ):
        return await super().sync_table_async(
            table, keyspace, columns, table_options, dry_run, drop_removed_indexes
        )


@caught_by("test_what_core_adds_has_its_signature")
class PingRenamed(Faulty):
    """ping calls its timeout otherwise."""

    def ping(self, *, seconds=None):
        return super().ping(timeout=seconds)

    async def ping_async(self, *, seconds=None):
        return await super().ping_async(timeout=seconds)


@caught_by("test_async_methods_are_coroutine_functions")
class NoCoroutineFunction(Faulty):
    """What looks like an async method returns an awaitable, and the sync one is async."""

    def execute_one_async(self, *args: Any, **kwargs: Any) -> Any:
        return super().execute_one_async(*args, **kwargs)

    async def ping(self, **kwargs: Any) -> Any:
        return await super().ping_async(**kwargs)


@caught_by("test_capabilities_are_a_frozen_set")
class CapabilitiesAsText(Faulty):
    """Capabilities are a tuple of text."""

    capabilities = tuple(map(str, Faulty.capabilities))  # type: ignore[assignment]  # the defect


@caught_by("test_repr_tells_no_secret", "test_a_repr_of_a_closed_driver")
class SecretShown(Faulty):
    """The repr has a password, and fails once the driver is closed."""

    def __repr__(self) -> str:
        return "" if self._lifecycle.closed else "<driver, password='secret'>"


# --- state ------------------------------------------------------------------------------


@caught_by("test_many_at_once", "test_other_statements_at_once", "test_one_requests_arguments_are_its_own")
class StateShared(Faulty):
    """A request is kept on the driver while it is on its way."""

    def on_execute(self, request: Request) -> Steps:
        self.current = request
        yield Pause(0.002)
        return (yield self.send(self.current))


@caught_by("test_one_requests_arguments_are_its_own", "test_sizes_are_of_one_request")
class SizeStays(Faulty):
    """The fetch_size of one request holds for those after it."""

    size: Any = None

    def on_execute(self, request: Request) -> Steps:
        self.size = request.fetch_size or self.size
        return (yield self.send(replace(request, fetch_size=self.size)))


@caught_by("test_errors_leave_the_driver_whole")
class Poisoned(Faulty):
    """After an error of the server's the next request fails, too."""

    error: Any = None

    def on_execute(self, request: Request) -> Steps:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        try:
            return (yield self.send(request))
        except InvalidQueryError as exc:
            self.error = exc
            raise


@caught_by("test_use_changes_nothing_for_others")
class UseLasts(Faulty):
    """USE changes the keyspace for everybody who shares the connection."""

    def on_execute(self, request: Request) -> Steps:
        if request.stmt.startswith("USE "):
            self.session.set_keyspace(request.stmt.removeprefix("USE "))
            return Rows()
        return (yield self.send(request))


@caught_by("test_connections_are_few")
class ConnectionForEach(Faulty):
    """Each request makes a connection."""

    def begin(self, options: dict[str, Any]) -> None:
        self.address = options.get("hosts", [None])[0], options.get("port")

    def on_execute(self, request: Request) -> Steps:
        if self.address[0] is not None:
            socket.create_connection(self.address).close()  # type: ignore[arg-type]  # both are given
        return (yield self.send(request))


# --- parameters -------------------------------------------------------------------------


@caught_by("test_too_few_are_refused")
class MissingAsNull(Faulty):
    """Missing parameters are taken for null."""

    def on_execute(self, request: Request) -> Steps:
        for _ in range(4):
            try:
                return (yield self.send(request))
            except ParameterError:
                if not isinstance(request.params, list):
                    raise
                request = replace(request, params=[*request.params, None])
        return (yield self.send(request))


@caught_by("test_too_many_are_refused")
class SpareIgnored(Faulty):
    """Parameters that have no place are dropped."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except ParameterError:
            if not isinstance(request.params, list) or not request.params:
                raise
        return (yield self.send(replace(request, params=request.params[:-1])))


@caught_by("test_unset_leaves_alone")
class UnsetAsNull(Faulty):
    """UNSET is taken for null."""

    def on_execute(self, request: Request) -> Steps:
        if isinstance(request.params, list):
            values = [None if value is UNSET else value for value in request.params]
            request = replace(request, params=values)
        return (yield self.send(request))


@caught_by("test_none_deletes")
class NullAsUnset(Faulty):
    """Null changes nothing."""

    def on_execute(self, request: Request) -> Steps:
        if isinstance(request.params, list):
            values = [UNSET if value is None else value for value in request.params]
            request = replace(request, params=values)
        return (yield self.send(request))


@caught_by("test_values_are_never_cql")
class ValuesWritten(Faulty):
    """Texts are written into the statement."""

    def on_execute(self, request: Request) -> Steps:
        if isinstance(request.params, list) and "INSERT" in request.stmt:
            stmt, params = request.stmt, []
            for value in request.params:
                if isinstance(value, str):
                    stmt = stmt.replace("?", f"'{value}'", 1)
                else:
                    stmt = stmt.replace("?", "\0", 1)
                    params.append(value)
            request = replace(request, stmt=stmt.replace("\0", "?"), params=params)
        return (yield self.send(request))


@caught_by("test_errors_hold_no_value")
class ValuesTold(Faulty):
    """Errors show what was bound."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except ParameterError as exc:
            exc.args = (f"{exc} with {request.params}",)
            raise


@caught_by("test_parameters_are_left_as_they_are")
class ParametersTaken(Faulty):
    """The caller's list of parameters is emptied."""

    def on_execute(self, request: Request) -> Steps:
        rows = yield self.send(request)
        if isinstance(request.params, list):
            request.params.clear()
        return rows


@caught_by("test_wrong_types_are_refused", "test_a_wrong_type_is_named")
class NumbersAsText(Faulty):
    """What doesn't fit is tried again as text."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except ParameterError:
            if not isinstance(request.params, list) or len(request.params) < 2:
                raise
        texts = [str(value) if type(value) is int else value for value in request.params[-1:]]
        return (yield self.send(replace(request, params=[*request.params[:-1], *texts])))


@caught_by("test_out_of_range_is_refused")
class WrapsAround(Faulty):
    """A number beyond its type is cut."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except ParameterError:
            if not isinstance(request.params, list) or type(request.params[-1]) is not int:
                raise
        return (yield self.send(replace(request, params=[*request.params[:-1], 0])))


@caught_by("test_consistency_is_sent", "test_too_few_replicas")
class ConsistencyIgnored(Faulty):
    """A request's consistency is dropped."""

    def on_execute(self, request: Request) -> Steps:
        return (yield self.send(replace(request, consistency=None)))


@caught_by("test_write_timestamps", "test_one_node", "test_the_keyspace_of_a_request", "test_total_timeouts")
class OptionsDropped(Faulty):
    """Options of requests that are new are dropped."""

    def on_execute(self, request: Request) -> Steps:
        options = request.options and replace(
            request.options, node=None, timestamp=None, keyspace=None, total_timeout=None
        )
        return (yield self.send(replace(request, options=options)))


# --- observers --------------------------------------------------------------------------


@caught_by(
    "test_requests_are_told",
    "test_failures_are_told",
    "test_many_are_told_apart",
    "test_cancellations_are_told",
)
class NobodyTold(Faulty):
    """Requests aren't told to observers."""

    def on_execute(self, request: Request) -> Steps:
        return (yield Untold(self.send(request)))


@caught_by("test_all_pages_are_told")
class RowsOfFirstPageTold(Faulty):
    """The end of a request tells the rows of its first page."""

    def begin(self, options: dict[str, Any]) -> None:
        right = self._pipeline._page

        def page(request: Any, *args: Any, **kwargs: Any) -> Any:
            if request.paging_state is not None and request.asked.paging_state is None:
                request = request._replace(observed=UNOBSERVED)
            return right(request, *args, **kwargs)

        self._pipeline._page = page  # type: ignore[method-assign]  # the defect
