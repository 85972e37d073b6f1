"""Defects of requests whose connection is lost: sent again, and errors that deny their effect."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, Pause, Request, caught_by

from coodie.exceptions import ConnectionFailedError, ExecuteManyError
from coodie.options.request_options import RequestOptions

if TYPE_CHECKING:
    from tests.kit.defects.planting import Steps

#: Attempts until the driver is connected again, and the seconds between two of them.
_ATTEMPTS, _PAUSE = 20, 0.1


def _retried(options: RequestOptions | None) -> RequestOptions:
    """Return options with which a driver retries after a lost connection."""
    return replace(options or RequestOptions(), idempotent=True, retry_policy="backoff")


@caught_by("test_lost_writes_are_sent_once")
class LostSentAgain(Faulty):
    """A request whose connection is lost is sent again."""

    def on_execute(self, request: Request) -> Steps:
        for _ in range(_ATTEMPTS):
            try:
                return (yield self.send(request))
            except ConnectionFailedError:
                yield Pause(_PAUSE)
        return (yield self.send(request))


@caught_by("test_lost_writes_are_sent_once", "test_lost_executions_of_many")
class LostManySentAgain(Faulty):
    """Each execution of execute_many is retried after a lost connection."""

    def on_many(self, *args: Any, options: Any = None, **kwargs: Any) -> Steps:
        return (yield self.right("execute_many", *args, options=_retried(options), **kwargs))


@caught_by("test_lost_writes_are_sent_once")
class LostBatchesSentAgain(Faulty):
    """Batches are retried after a lost connection."""

    def on_batch(self, *args: Any, options: Any = None, **kwargs: Any) -> Steps:
        return (yield self.right("execute_batch", *args, options=_retried(options), **kwargs))


@caught_by("test_lost_executions_of_many")
class LossesOfManyDenied(Faulty):
    """Errors of execute_many deny that a lost write may have been applied."""

    def on_many(self, *args: Any, **kwargs: Any) -> Steps:
        result = yield self.right("execute_many", *args, **kwargs)
        for error in result.errors.values():
            error.may_have_been_applied = False
        return result


@caught_by("test_a_lost_execution_stops_many")
class LossDeniedByMany(Faulty):
    """ExecuteManyError denies that a lost write may have been applied."""

    def on_many(self, *args: Any, **kwargs: Any) -> Steps:
        try:
            return (yield self.right("execute_many", *args, **kwargs))
        except ExecuteManyError as exc:
            exc.may_have_been_applied = False
            raise


@caught_by("test_lost_writes_are_sent_once_with_backoff")
class DeletesAreIdempotent(Faulty):
    """A DELETE without IF is retried as if it were said to be idempotent."""

    def on_execute(self, request: Request) -> Steps:
        if request.stmt.startswith("DELETE") and " IF " not in request.stmt:
            options = replace(request.options or RequestOptions(), idempotent=True)
            request = replace(request, options=options)
        return (yield self.send(request))


@caught_by("test_lost_reads_were_not_applied")
class LostReadsInDoubt(Faulty):
    """A read whose connection is lost is said to have had an effect."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except ConnectionFailedError as exc:
            exc.may_have_been_applied = True
            raise
