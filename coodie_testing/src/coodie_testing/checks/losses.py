"""Checks of requests in flight whose connection is lost: none that may have been applied is sent again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import CoodieError, ExecuteManyError
from coodie.options.request_options import RequestOptions
from coodie_testing.checking import check
from coodie_testing.faults.fault import Close, Silence, Truncate
from coodie_testing.methods import calls_of, requests_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["LossesChecks"]

#: Executions of execute_many, of which so many are in flight when the connection is lost.
_MANY, _IN_FLIGHT = 40, 8

#: Seconds in which a request that is sent again would reach the proxy.
_WHILE = 0.3

#: A policy that retries, for a request that says as others do that it isn't idempotent.
_NOT_IDEMPOTENT = RequestOptions(retry_policy="backoff", idempotent=False)


def _counted(api: Api, space: Workspace, key: str) -> list[Any]:
    """Return writes of all methods and types of batches, which count each time that they are applied."""
    add = f"UPDATE {space.counters} SET n = n + 1 WHERE k = ? /* {key} */"
    insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */"
    calls = [calls_of(api, add, [f"{key}{method}"])[method] for method in calls_of(api, add, [])]
    if Capability.BATCHES in api.driver.capabilities:
        calls += [
            partial(api.execute_batch, [(add, [f"{key}COUNTER"])], "COUNTER"),
            partial(api.execute_batch, [(insert, [key])], "LOGGED"),
            partial(api.execute_batch, [(insert, [key])], "UNLOGGED"),
        ]
    return calls


def _of_kinds(api: Api, space: Workspace, key: str) -> list[Any]:
    """Return writes of all kinds, with and without ``IF``, alone, with all methods, and in batches."""
    insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, 'a') /* {key} */"
    others = [
        f"UPDATE {space.items} SET v = 'b' WHERE p = ? AND c = 1 /* {key} */",
        f"DELETE FROM {space.items} WHERE p = ? /* {key} */",
    ]
    if Capability.LIGHTWEIGHT_TRANSACTIONS in api.driver.capabilities:
        others.append(f"INSERT INTO {space.items} (p, c) VALUES (?, 2) IF NOT EXISTS /* {key} */")
    calls: list[Any] = [*calls_of(api, insert, [key]).values()]
    calls += [partial(api.execute, stmt, [f"{key}{n}"]) for n, stmt in enumerate(others)]
    if Capability.BATCHES in api.driver.capabilities:
        calls.append(partial(api.execute_batch, [(insert, [key])], "UNLOGGED"))
    return calls


async def _outcome(call: Any) -> CoodieError | None:
    """Return the error of a call, or None."""
    try:
        await call(timeout=30)
    except CoodieError as exc:
        return exc
    return None


async def _lose(through: Api, proxy: FaultProxy, key: str, calls: list[Any]) -> list[CoodieError | None]:
    """Close the connections once all calls are on their way; return their errors.

    They are applied, and aren't answered.
    """
    rule = proxy.add(Silence(), contains=key, times=None)

    async def cut() -> CoodieError | None:
        async def all_are_sent() -> bool:
            return rule.hits == len(calls)

        try:
            await through.until(all_are_sent, "all requests are sent", 30)
        finally:
            proxy.cut()
            proxy.heal()
        return None

    tasks: list[Callable[[], Coroutine[Any, Any, CoodieError | None]]] = [
        *(partial(_outcome, call) for call in calls),
        cut,
    ]
    errors = await through.together(tasks)
    await through.until(lambda: through.ping(timeout=2), "the driver is connected again", 40)
    await through.pause(_WHILE)
    return errors[:-1]


async def _connect(api: Api, proxy: FaultProxy, calls: Any) -> tuple[Api, list[Any]]:
    """Connect through the proxy, and return calls that are prepared."""
    through = await api.open(hosts=[proxy.host], port=proxy.port)
    made = calls(through)
    for call in made:
        await call()
    proxy.requests.clear()
    return through, made


class LossesChecks:
    """Requests of all methods, batches and execute_many in flight."""

    @check()
    async def test_lost_writes_are_sent_once(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """A write of any method whose connection is lost isn't sent again, and may have been applied."""
        through, calls = await _connect(api, proxy, partial(_counted, space=space, key=key))
        for error in await _lose(through, proxy, key, calls):
            assert error is not None
            assert error.may_have_been_applied
        assert len(requests_of(proxy, key)) == len(calls)

    @check(Capability.RETRY_POLICY)
    async def test_lost_writes_are_sent_once_with_backoff(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """A lost write of any kind isn't idempotent unless the caller says so: no policy sends it again."""
        policy = RequestOptions(retry_policy="backoff")
        through, calls = await _connect(api, proxy, partial(_of_kinds, space=space, key=key))
        calls = [partial(call, options=one) for call in calls for one in (policy, _NOT_IDEMPOTENT)]
        for call, error in zip(calls, await _lose(through, proxy, key, calls), strict=True):
            assert error is not None, f"{call.func} was sent again"
            assert error.may_have_been_applied
        assert len(requests_of(proxy, key)) == len(calls)

    @check()
    async def test_lost_reads_were_not_applied(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """A read and an idempotent write may be sent again; the error of only a write may be of an effect."""
        select = f"SELECT c FROM {space.items} WHERE p = ? /* {key} */"
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */"
        options = RequestOptions(idempotent=True)

        def calls(through: Api) -> list[Any]:
            writes = calls_of(through, insert, [key]).values()
            return [
                *calls_of(through, select, [key]).values(),
                *(partial(call, options=options) for call in writes),
            ]

        through, made = await _connect(api, proxy, calls)
        reads = len(calls_of(through, select, [key]))
        for n, error in enumerate(await _lose(through, proxy, key, made)):
            if error is not None:
                assert error.may_have_been_applied is (n >= reads)
        assert await through.execute(select, [key]) == [{"c": 1}]

    @check()
    async def test_lost_executions_of_many(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """Each error of execute_many says whether its write may have been applied; none is applied twice."""
        add = f"UPDATE {space.counters} SET n = n + 1 WHERE k = ? /* {key} */"
        through, _ = await _connect(api, proxy, lambda one: [partial(one.execute, add, [key])])
        for name, fault in (("a", Close()), ("b", Truncate())):
            keys = [f"{key}{name}{n}" for n in range(_MANY)]
            rule = proxy.add(fault, contains=key, after=_MANY // 3)
            result = await through.execute_many(
                add, [[one] for one in keys], concurrency=_IN_FLIGHT, raise_on_error=False
            )
            assert rule.hits == 1
            assert any(error.may_have_been_applied for error in result.errors.values())
            rows = await api.execute(f"SELECT k, n FROM {space.counters} WHERE k IN ?", [keys])
            found = {row["k"]: row["n"] for row in rows}
            for n, one in enumerate(keys):
                error = result.errors.get(n)
                assert error is None or isinstance(error, CoodieError)
                applied = found.get(one, 0)
                assert applied <= 1, "a write was applied twice"
                assert error is not None or applied == 1
                assert not applied or error is None or error.may_have_been_applied, repr(error)
            await through.until(lambda: through.ping(timeout=2), "the driver is connected again", 40)

    @check()
    async def test_a_lost_execution_stops_many(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """ExecuteManyError says that a lost write may have been applied, and its result what succeeded."""
        add = f"UPDATE {space.counters} SET n = n + 1 WHERE k = ? /* {key} */"
        through, _ = await _connect(api, proxy, lambda one: [partial(one.execute, add, [key])])
        rule = proxy.add(Close(), contains=key, after=2)
        with pytest.raises(ExecuteManyError) as caught:
            await through.execute_many(add, [[f"{key}{n}"] for n in range(_MANY)], concurrency=1)
        assert caught.value.may_have_been_applied
        assert isinstance(caught.value.__cause__, CoodieError)
        assert caught.value.result is not None
        assert (rule.hits, caught.value.result.succeeded, [*caught.value.result.errors]) == (1, 2, [2])
