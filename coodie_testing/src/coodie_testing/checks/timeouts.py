"""Checks of timeouts and lost connections."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ConnectionFailedError, CoodieError, RequestTimeoutError
from coodie.options.request_options import RequestOptions
from coodie.protocol.frames import Opcode
from coodie_testing.checking import check
from coodie_testing.faults.fault import Delay, Silence
from coodie_testing.resources import assert_loop_not_blocked

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["TimeoutsChecks"]

#: Seconds that the requests of these checks may take.
_TIMEOUT = 0.4

#: Seconds within which they have to be over, on a busy machine.
_AT_MOST = 8.0


async def _through(api: Api, proxy: FaultProxy, space: Workspace, **options: Any) -> tuple[Api, str]:
    """Connect through the proxy, and prepare a statement."""
    through = await api.open(hosts=[proxy.host], port=proxy.port, **options)
    stmt = f"SELECT c FROM {space.items} WHERE p = ? AND c < 100"
    # Preparing may take longer than the connection's timeout on a busy machine.
    assert len(await through.execute(stmt, ["many"], timeout=_AT_MOST)) == 100
    return through, stmt


class _InTime:
    """Check that a block raises a timeout in time."""

    def __init__(self) -> None:
        self.error = RequestTimeoutError("none yet")
        self._started = time.monotonic()

    def __enter__(self) -> _InTime:  # noqa: PYI034 - nothing derives from it
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        took = time.monotonic() - self._started
        assert took < _AT_MOST, f"it took {took:.1f} s instead of {_TIMEOUT:g} s"
        assert kind is not None, "no timeout was raised, although no response arrived"
        if not isinstance(error, RequestTimeoutError):
            return False
        assert isinstance(error, TimeoutError)
        self.error = error
        return True


def _writes(space: Workspace, comment: str = "") -> list[tuple[str, list[Any]]]:
    """Return the statements of a batch."""
    return [(f"INSERT INTO {space.items} (p, c) VALUES (?, 2) /* {comment} */", ["timeouts"])]


def _calls(api: Api, stmt: str, params: list[Any], space: Workspace, comment: str = "") -> list[Any]:
    """Return a request of each method; each raises its error."""

    async def many(**arguments: Any) -> None:
        result = await api.execute_many(stmt, [params] * 2, raise_on_error=False, **arguments)
        if result.errors:
            raise result.errors[1]

    async def stream(**arguments: Any) -> None:
        [row async for row in api.stream(stmt, params, **arguments)]

    calls: list[Any] = [partial(api.execute, stmt, params), many]
    if Capability.BATCHES in api.driver.capabilities:
        calls.append(partial(api.execute_batch, _writes(space, comment)))
    return [*calls, partial(api.execute_one, stmt, params), stream]


async def _timeouts(api: Api, calls: list[Any]) -> list[RequestTimeoutError]:
    """Run calls at the same time; check that each raises a timeout in time, and return these."""

    async def timed(call: Any) -> RequestTimeoutError:
        with _InTime() as seen:
            await call()
        return seen.error

    return await api.together([partial(timed, call) for call in calls])


class TimeoutsChecks:
    """Missing and late responses."""

    @check()
    async def test_no_answer_is_a_timeout(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """A request without a response raises a RequestTimeoutError, a TimeoutError, after its timeout."""
        through, stmt = await _through(api, proxy, space)
        proxy.mute = True
        with _InTime() as seen:
            await through.execute(stmt, ["many"], timeout=_TIMEOUT)
        assert (seen.error.timeout, seen.error.statement) == (_TIMEOUT, stmt)

    @check()
    async def test_every_method_has_its_timeout(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """execute_one, execute_many, stream and single pages end after the timeout, too."""
        through, stmt = await _through(api, proxy, space)
        proxy.mute = True
        with _InTime():
            await through.execute_one(stmt, ["many"], timeout=_TIMEOUT)
        with _InTime():
            await through.execute(stmt, ["many"], None, _TIMEOUT)
        with _InTime():
            [row async for row in through.stream(stmt, ["many"], timeout=_TIMEOUT)]
        result = await through.execute_many(stmt, [["many"]] * 3, timeout=_TIMEOUT, raise_on_error=False)
        assert all(isinstance(error, RequestTimeoutError) for error in result.errors.values())
        assert len(result.errors) == 3
        if Capability.PAGING in api.driver.capabilities:
            with _InTime():
                await through.execute(stmt, ["many"], timeout=_TIMEOUT, fetch_size=10)

    @check(Capability.PAGING)
    async def test_each_page_has_its_timeout(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """If a later page doesn't arrive, requests for all rows and streams end after the timeout, too."""
        through, _ = await _through(api, proxy, space)
        stmt = f"SELECT c, v FROM {space.items} WHERE p = 'many'"
        assert len(await through.execute(stmt, [], fetch_size=10)) == 10
        proxy.add(Silence(), contains="SELECT c, v", after=1)
        with _InTime() as seen:
            await through.execute(stmt, [], timeout=_TIMEOUT)
        assert seen.error.timeout == _TIMEOUT
        proxy.add(Silence(), contains="SELECT c, v", after=1)
        with _InTime():
            [row async for row in through.stream(stmt, [], timeout=_TIMEOUT, fetch_size=100)]

    @check(Capability.BATCHES)
    async def test_batches_have_their_timeout(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """A batch ends after its timeout."""
        through, _ = await _through(api, proxy, space)
        write = (f"INSERT INTO {space.items} (p, c) VALUES (?, ?)", ["timeouts", 1])
        await through.execute_batch([write])
        proxy.mute = True
        with _InTime():
            await through.execute_batch([write], timeout=_TIMEOUT)

    @check()
    async def test_the_connections_timeout(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """request_timeout= of the connection applies to requests without a timeout."""
        through, stmt = await _through(api, proxy, space, request_timeout=_TIMEOUT)
        proxy.mute = True
        for method in (through.execute, through.execute_one):
            with _InTime() as seen:
                await method(stmt, ["many"])
            assert seen.error.timeout == _TIMEOUT

    @check()
    async def test_the_connections_timeout_of_all(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """request_timeout= applies to batches, execute_many, pages, streams, and to preparing."""
        through, stmt = await _through(api, proxy, space, request_timeout=_TIMEOUT)
        calls = _calls(through, stmt, ["many"], space)
        calls.append(partial(through.execute, f"{stmt} /* {key} */", ["many"]))
        if Capability.PAGING in api.driver.capabilities:
            calls.append(partial(through.execute, stmt, ["many"], fetch_size=10))
        if Capability.BATCHES in api.driver.capabilities:
            await through.execute_batch(_writes(space), timeout=_AT_MOST)
        proxy.mute = True
        for error in await _timeouts(through, calls):
            assert error.timeout == _TIMEOUT

    @check()
    async def test_timeouts_of_preparing(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """Preparing a statement has the request's timeout, of all methods, shorter or longer than others'."""
        through, stmt = await _through(api, proxy, space, request_timeout=20)
        calls = _calls(through, f"{stmt} /* {key} */", ["many"], space, key)
        proxy.mute = True
        for error in await _timeouts(through, [partial(call, timeout=_TIMEOUT) for call in calls]):
            assert error.timeout == _TIMEOUT
        proxy.mute = False
        short, _ = await _through(api, proxy, space, request_timeout=_TIMEOUT)
        proxy.add(Delay(seconds=2 * _TIMEOUT), opcodes=(Opcode.PREPARE,), contains="short", times=None)
        assert len(await short.execute(f"{stmt} /* short {key} */", ["many"], timeout=30)) == 100

    @check()
    async def test_timeouts_of_writes(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """A write without a response may have been applied, also an idempotent one; a read wasn't."""
        through, stmt = await _through(api, proxy, space)
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1)"
        await through.execute(insert, ["timeouts"])
        idempotent = (None, RequestOptions(idempotent=True), RequestOptions(idempotent=False))
        calls = [
            partial(call, timeout=_TIMEOUT, options=options)
            for options in idempotent
            for call in _calls(through, insert, ["timeouts"], space)[:-1]  # without a stream
        ]
        if Capability.BATCHES in api.driver.capabilities:
            await through.execute_batch(_writes(space))
        # A batch may be a text that is prepared each time: what wasn't prepared wasn't applied.
        proxy.add(Silence(), opcodes=(Opcode.QUERY, Opcode.EXECUTE, Opcode.BATCH), times=None)
        for error in await _timeouts(through, calls):
            assert error.may_have_been_applied, error.statement
        reads = [partial(call, timeout=_TIMEOUT) for call in _calls(through, stmt, ["many"], space)[-2:]]
        for error in await _timeouts(through, reads):
            assert not error.may_have_been_applied

    @check()
    async def test_requests_that_time_out_are_sent_once(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """A request of any method without a response isn't sent again, also if it is idempotent."""
        through, stmt = await _through(api, proxy, space)
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 3) /* {key} */"
        select = f"{stmt} /* {key} */"
        calls = [
            *_calls(through, insert, ["timeouts"], space, key)[:-1],  # without a stream
            *_calls(through, select, ["many"], space)[-2:],
        ]
        for call in calls:
            await call(timeout=_AT_MOST)
        rule = proxy.add(
            Silence(), opcodes=(Opcode.QUERY, Opcode.EXECUTE, Opcode.BATCH), contains=key, times=None
        )
        await _timeouts(
            through,
            [
                partial(call, timeout=_TIMEOUT, options=options)
                for call in calls
                for options in (RequestOptions(idempotent=True), None)
            ],
        )
        assert rule.hits == 2 * (len(calls) + 1)  # execute_many has two executions

    @check()
    async def test_a_late_answer_harms_nobody(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """A response after the timeout is ignored; later requests get their own."""
        through, stmt = await _through(api, proxy, space)
        one = f"SELECT c FROM {space.items} WHERE p = 'many' AND c = ?"
        assert await through.execute_one(one, [1]) == 1
        proxy.hold = True
        for n in range(5):
            with pytest.raises(RequestTimeoutError):
                await through.execute(one, [n], timeout=0.2)
        proxy.hold = False
        outcomes = await through.together([partial(through.execute_one, one, [n]) for n in range(50, 80)])
        assert outcomes == list(range(50, 80))
        assert len(await through.execute(stmt, ["many"])) == 100

    @check()
    async def test_ping_says_false(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """The result of ping is False, in time, if the server doesn't respond, and True once it does."""
        through, _ = await _through(api, proxy, space)
        proxy.mute = True
        started = time.monotonic()
        assert await through.ping(timeout=_TIMEOUT) is False
        assert time.monotonic() - started < _AT_MOST
        await self._recovers(through, proxy)

    @check()
    async def test_waiting_leaves_the_loop_alone(
        self, async_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """Waiting for a response doesn't block the event loop."""
        through, stmt = await _through(async_api, proxy, space)
        proxy.delay = 0.5
        await assert_loop_not_blocked(lambda: through.execute(stmt, ["many"]), 0.4)
        await assert_loop_not_blocked(lambda: through.execute_one(stmt, ["many"]), 0.4)

    @check(Capability.PAGING)
    async def test_paging_leaves_the_loop_alone(
        self, async_api: Api, space: Workspace, proxy: FaultProxy
    ) -> None:
        """Waiting for a page, all pages, or those of a stream doesn't block the event loop."""
        through, stmt = await _through(async_api, proxy, space)
        page = await through.execute(stmt, ["many"], fetch_size=50)
        proxy.delay = 0.5
        await assert_loop_not_blocked(
            lambda: through.execute(stmt, ["many"], fetch_size=50, paging_state=page.paging_state), 0.4
        )
        everything = f"SELECT c FROM {space.items} WHERE p = 'many' AND c < 5500"
        await assert_loop_not_blocked(lambda: through.execute(everything, []), 0.4)

        async def stream() -> None:
            rows = [row async for row in through.stream(stmt, ["many"], fetch_size=50)]
            assert len(rows) == 100

        await assert_loop_not_blocked(stream, 0.4)

    @check()
    async def test_a_lost_connection(self, api: Api, space: Workspace, proxy: FaultProxy) -> None:
        """If a connection is lost, its requests fail at once; the driver reconnects."""
        through, stmt = await _through(api, proxy, space)
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, ?)"
        await through.execute(insert, ["lost", 1])
        proxy.hold = True

        async def write() -> float:
            started = time.monotonic()
            with pytest.raises(ConnectionFailedError) as caught:
                await through.execute(insert, ["lost", 2], timeout=30)
            assert isinstance(caught.value, ConnectionError)
            return time.monotonic() - started

        async def cut() -> float:
            await api.pause(0.3)
            proxy.cut()
            return 0.0

        took = await through.together([write, cut])
        assert max(took) < 15
        await self._recovers(through, proxy)
        assert len(await through.execute(stmt, ["many"])) == 100

    @check()
    async def test_a_write_is_never_repeated(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """A write that may have been applied isn't sent again, unless it is marked as idempotent."""
        through, _ = await _through(api, proxy, space)
        update = f"UPDATE {space.counters} SET n = n + 1 WHERE k = ?"
        await through.execute(update, [f"{key}other"])
        proxy.hold = True

        async def write() -> None:
            with pytest.raises(CoodieError):
                await through.execute(update, [key], timeout=60)

        async def cut_once_applied() -> None:
            async def applied() -> bool:
                rows = await api.execute(f"SELECT n FROM {space.counters} WHERE k = ?", [key])
                return bool(rows)

            try:
                await api.until(applied, "the server applies the write", 30)
            finally:
                # In this order: answers that were held mustn't pass first.
                proxy.cut()
                proxy.heal()

        await through.together([write, cut_once_applied])
        await self._recovers(through, proxy)
        assert await api.execute_one(f"SELECT n FROM {space.counters} WHERE k = ?", [key]) == 1

    @staticmethod
    async def _recovers(through: Api, proxy: FaultProxy) -> None:
        """Check that the driver works once the server responds again."""
        proxy.heal()
        proxy.cut()
        await through.until(lambda: through.ping(timeout=2), "the driver is connected again", 40)
