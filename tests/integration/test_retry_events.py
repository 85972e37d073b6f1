"""Events of retries with their reasons, on the fast path and through the session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api
from tests.integration.ways import Ways

from coodie import RequestOptions
from coodie.exceptions import CoodieError
from coodie.observers import RequestFinished, RequestRetried, RetryReason, observing
from coodie.observers.recorder import Recorder
from coodie.protocol.frames import Opcode
from coodie_testing.faults import Close, ErrorCode, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_testing.faults import Fault, FaultProxy

pytestmark = pytest.mark.server

_READ = "SELECT key FROM system.local WHERE key = ?"

#: Reason → the fault that leads to it.
_FAULTS: dict[RetryReason, Fault] = {
    RetryReason.READ_TIMEOUT: ServerError(code=ErrorCode.READ_TIMEOUT),
    RetryReason.WRITE_TIMEOUT: ServerError(code=ErrorCode.WRITE_TIMEOUT),
    RetryReason.UNAVAILABLE: ServerError(code=ErrorCode.UNAVAILABLE),
    RetryReason.OVERLOADED: ServerError(code=ErrorCode.OVERLOADED),
    RetryReason.BOOTSTRAPPING: ServerError(code=ErrorCode.IS_BOOTSTRAPPING),
    RetryReason.SERVER_ERROR: ServerError(code=ErrorCode.SERVER_ERROR),
    RetryReason.CONNECTION_LOST: Close(),
}


def _always() -> Any:
    """Make a policy that sends to the same host again, whatever happened."""
    from cassandra.policies import RetryPolicy

    class Always(RetryPolicy):  # type: ignore[misc]  # untyped driver
        def _again(self, *_: Any, **__: Any) -> tuple[int, None]:
            return self.RETRY, None

        on_read_timeout = on_write_timeout = on_unavailable = on_request_error = _again

    return Always()


@pytest.fixture(params=["sync", "async"])
def calls(connect: Callable[..., Any], proxy: FaultProxy, request: pytest.FixtureRequest) -> Api:
    """Connect through the proxy, with a policy that always retries."""
    options = {"default_retry_policy": _always(), "fast_path": True}
    driver = connect(hosts=[proxy.host], port=proxy.port, **options)
    return Api(driver, is_async=request.param == "async")


async def _told(calls: Api, options: RequestOptions | None) -> tuple[list[RequestRetried], RequestFinished]:
    with observing(recorder := Recorder()):
        try:
            await calls.execute(_READ, ["local"], options=options)
        except CoodieError:
            assert recorder.request().error is not None
    finished = recorder.request()
    told = recorder.of(RequestRetried)
    assert [event.attempt for event in told] == list(range(2, len(told) + 2))
    assert finished.attempts == len(told) + 1
    assert {event.request_id for event in told} <= {finished.request_id}
    # Connections may be opened meanwhile.
    names = [name for name in recorder.names() if name.startswith("Request")]
    assert (names[0], names[-1]) == ("RequestStarted", "RequestFinished")
    return told, finished


@pytest.mark.parametrize("reason", _FAULTS)
async def test_reasons(calls: Api, proxy: FaultProxy, reason: RetryReason) -> None:
    """There is one event for each retry, with its reason and node, on both ways of a request."""
    way = Ways(calls.driver)
    if calls.is_async:
        await way.warm_async(_READ, ["local"])
    else:
        way.warm(_READ, ["local"])
    for options in (None, RequestOptions(trace=True)):
        rule = proxy.add(_FAULTS[reason], contains=_READ, times=1)
        told, finished = await _told(calls, options)
        assert rule.hits == 1
        assert [event.reason for event in told] == [reason]
        assert told[0].host is not None
        assert (told[0].host.address, told[0].host.port) == (proxy.host, proxy.port)
        assert finished.error is None or reason is RetryReason.CONNECTION_LOST
        if reason is RetryReason.CONNECTION_LOST:
            return  # the session's connections are being replaced


async def test_a_forgotten_statement(calls: Api, proxy: FaultProxy) -> None:
    """A statement that is prepared again is a retry, too; without a fault there is none."""
    assert (await _told(calls, None))[0] == []
    proxy.add(ServerError(code=ErrorCode.UNPREPARED), contains=_READ, opcodes=(Opcode.EXECUTE,))
    told, finished = await _told(calls, None)
    assert [event.reason for event in told] == [RetryReason.UNPREPARED]
    assert finished.error is None
