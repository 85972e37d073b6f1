"""Defects in sent requests: consistency levels, options, types of batches, resends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, Request, caught_by

from coodie.drivers.cassandra.values.binding import binders
from coodie.exceptions import UnavailableError, WriteTimeoutError
from coodie.requests import BatchType
from coodie.types import UNSET

if TYPE_CHECKING:
    from tests.kit.defects.planting import Steps


def _without(options: Any, *names: str) -> Any:
    return options and replace(options, **dict.fromkeys(names))


# --- levels -----------------------------------------------------------------------------


@caught_by("test_a_level_is_of_one_request")
class LevelStays(Faulty):
    """The level of a request holds for later ones of the statement."""

    def begin(self, options: dict[str, Any]) -> None:
        self.levels: dict[str, Any] = {}

    def on_execute(self, request: Request) -> Steps:
        level = request.consistency or self.levels.get(request.stmt)
        if isinstance(request.stmt, str):
            self.levels[request.stmt] = level
        return (yield self.send(replace(request, consistency=level)))


@caught_by("test_the_connections_consistency")
class BatchesAtLocalOne(Faulty):
    """A batch without a level has LOCAL_ONE, whatever the connection has."""

    def on_batch(self, *args: Any, consistency: Any = None, **kwargs: Any) -> Steps:
        return (yield self.right("execute_batch", *args, consistency=consistency or "LOCAL_ONE", **kwargs))


@caught_by("test_serial_consistency_is_sent")
class SerialLevelDropped(Faulty):
    """The serial level of a request is dropped."""

    def on_execute(self, request: Request) -> Steps:
        options = _without(request.options, "serial_consistency")
        return (yield self.send(replace(request, options=options)))


@caught_by("test_serial_consistency_is_sent")
class SerialLevelOfBatchesDropped(Faulty):
    """The serial level of a batch is dropped."""

    def on_batch(self, *args: Any, options: Any = None, **kwargs: Any) -> Steps:
        options = _without(options, "serial_consistency")
        return (yield self.right("execute_batch", *args, options=options, **kwargs))


# --- batches ----------------------------------------------------------------------------


@caught_by("test_the_batch_type_is_sent")
class UnloggedAsLogged(Faulty):
    """An unlogged batch is sent as a logged one."""

    def on_batch(self, statements: Any, batch_type: Any = "LOGGED", **kwargs: Any) -> Steps:
        is_counter = isinstance(batch_type, str) and batch_type.upper() == "COUNTER"
        kind = BatchType.COUNTER if is_counter else BatchType.LOGGED
        return (yield self.right("execute_batch", statements, kind, **kwargs))


@caught_by("test_unset_in_batches")
class UnsetAsNullInBatches(Faulty):
    """UNSET is taken for null in batches."""

    def on_batch(self, statements: Any, *args: Any, **kwargs: Any) -> Steps:
        items = [item if isinstance(item, str) else (item[0], self.nulls(item[1])) for item in statements]
        return (yield self.right("execute_batch", items, *args, **kwargs))

    def nulls(self, params: Any) -> Any:
        """Return the parameters with null for UNSET."""
        if isinstance(params, dict):
            return {name: None if value is UNSET else value for name, value in params.items()}
        return [None if value is UNSET else value for value in params]


@caught_by("test_codecs")
class CodecsNotInBatches(Faulty):
    """Codecs don't apply to the parameters of batches."""

    def begin(self, options: dict[str, Any]) -> None:
        right = self._client.send_batch

        def send_batch(request: Any, batch_type: Any, parts: Any) -> Any:
            plain = [
                (replace(one, binders=binders(one.columns), compiled=None), *rest) for one, *rest in parts
            ]
            return right(request, batch_type, plain)

        self._client.send_batch = send_batch  # type: ignore[method-assign]  # the defect


# --- options ----------------------------------------------------------------------------


@caught_by("test_timestamps_of_every_write")
class TimestampsNotOfDeletes(Faulty):
    """The timestamp of a DELETE is dropped."""

    def on_execute(self, request: Request) -> Steps:
        if request.stmt.startswith("DELETE"):
            request = replace(request, options=_without(request.options, "timestamp"))
        return (yield self.send(request))


@caught_by("test_total_timeouts")
class TotalTimeoutNotOfBatches(Faulty):
    """The total timeout of a batch is dropped."""

    def on_batch(self, *args: Any, options: Any = None, **kwargs: Any) -> Steps:
        return (
            yield self.right("execute_batch", *args, options=_without(options, "total_timeout"), **kwargs)
        )


# --- sent again -------------------------------------------------------------------------


@caught_by("test_failed_writes_are_sent_once")
class SentAgainAfterTimeout(Faulty):
    """A write that timed out on the replicas is sent again."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except WriteTimeoutError:
            return (yield self.send(request))


@caught_by("test_failed_writes_are_sent_once")
class SentAgainWithoutBatchLog(Faulty):
    """A batch whose log timed out is sent again."""

    def on_batch(self, *args: Any, **kwargs: Any) -> Steps:
        try:
            return (yield self.right("execute_batch", *args, **kwargs))
        except WriteTimeoutError as exc:
            if exc.write_type != "BATCH_LOG":
                raise
            return (yield self.right("execute_batch", *args, **kwargs))


@caught_by("test_failed_writes_are_sent_once")
class ConditionSentAgain(Faulty):
    """A conditional write is sent again if too few replicas were alive."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except UnavailableError:
            return (yield self.send(request))


@caught_by("test_failed_writes_are_sent_once", "test_serial_consistency_is_sent")
class DoubtDenied(Faulty):
    """Too few replicas are said to mean that nothing was applied, also of a conditional write."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except UnavailableError as exc:
            exc.may_have_been_applied = False
            raise


@caught_by("test_details_of_errors")
class CountsSwapped(Faulty):
    """How many replicas responded, and how many are required, are swapped."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except WriteTimeoutError as exc:
            exc.received, exc.required = exc.required, exc.received
            raise
