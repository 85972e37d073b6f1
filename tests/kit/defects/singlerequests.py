"""Defects in what applies to one request: payloads, traces, timeouts, timestamps; and in warm and retries."""

# As mypy's override for all defects.

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, Request, caught_by

from coodie.exceptions import ReadTimeoutError
from coodie.options.request_options import RequestOptions
from coodie.rows import Rows

if TYPE_CHECKING:
    from tests.kit.defects.planting import Steps

#: Rows of a page, of which the partition ``many`` has three.
_PAGE = 4000


class _OptionStays(Faulty):
    """An option of a request holds for later ones of the statement."""

    name: str

    def begin(self, options: dict[str, Any]) -> None:
        self.kept: dict[str, Any] = {}

    def on_execute(self, request: Request) -> Steps:
        given = request.options or RequestOptions()
        value: Any = getattr(given, self.name) or self.kept.get(request.stmt)
        self.kept[request.stmt] = value
        changed: dict[str, Any] = {self.name: value}
        return (yield self.send(replace(request, options=replace(given, **changed))))


@caught_by("test_payloads_of_all_methods")
class PayloadStays(_OptionStays):
    """The payload of a request is sent with later ones of the statement."""

    name = "custom_payload"


@caught_by("test_timestamps_are_of_one_request")
class TimestampStays(_OptionStays):
    """The write timestamp of a request is that of later ones of the statement."""

    name = "timestamp"


@caught_by("test_payloads_of_all_methods")
class PayloadNotOfBatches(Faulty):
    """The payload of a batch is dropped."""

    def on_batch(self, *args: Any, options: Any = None, **kwargs: Any) -> Steps:
        options = options and replace(options, custom_payload=None)
        return (yield self.right("execute_batch", *args, options=options, **kwargs))


class _LaterPagesWithout(Faulty):
    """Pages after the first one are requested without an option."""

    dropped: dict[str, Any]

    def on_execute(self, request: Request) -> Steps:
        if request.fetch_size is not None or request.options is None or request.options.timestamp:
            return (yield self.send(request))
        page = yield self.send(replace(request, fetch_size=_PAGE))
        rows, options = Rows(page), replace(request.options, **self.dropped)
        while page.paging_state is not None:
            state = page.paging_state
            page = yield self.send(replace(request, fetch_size=_PAGE, paging_state=state, options=options))
            rows += page
        return rows


@caught_by("test_payloads_of_all_pages")
class PayloadOfFirstPage(_LaterPagesWithout):
    """The payload is only sent with the first page."""

    dropped = {"custom_payload": None}  # noqa: RUF012 - never changed


@caught_by("test_traces_of_all_pages")
class TraceOfFirstPage(_LaterPagesWithout):
    """Only the first page is traced."""

    dropped = {"trace": False}  # noqa: RUF012 - never changed


@caught_by("test_traces_of_all_methods")
class TraceNotOfMany(Faulty):
    """The executions of execute_many aren't traced."""

    def on_many(self, *args: Any, options: Any = None, **kwargs: Any) -> Steps:
        options = options and replace(options, trace=False)
        return (yield self.right("execute_many", *args, options=options, **kwargs))


@caught_by("test_timeouts_are_of_one_request")
class TimeoutOfBatchesStays(Faulty):
    """The timeout of a batch is that of later ones, too."""

    timeout: Any = None

    def on_batch(self, *args: Any, timeout: Any = None, **kwargs: Any) -> Steps:
        self.timeout = timeout or self.timeout
        return (yield self.right("execute_batch", *args, timeout=self.timeout, **kwargs))


@caught_by("test_warm", "test_warm_fails_as_requests_do")
class WarmDoesNothing(Faulty):
    """warm prepares nothing."""

    def warm(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs

    async def warm_async(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs


@caught_by("test_retries_are_told")
class RetriedUntold(Faulty):
    """A read that timed out on the replicas is sent again, without an event of a retry."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except ReadTimeoutError:
            return (yield self.send(request))
