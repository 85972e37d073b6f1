"""A driver that connects when it is first used, against a model of it, also when several ask at once."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.drivers.lazily import REQUESTS, lazy_driver
from coodie_core.tests.fakes import PATIENCE, Api, Backend, registry_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coodie.exceptions import ConnectionFailedError, DriverClosedError
from coodie.registry import using_registry
from coodie_testing.children import in_a_child

if TYPE_CHECKING:
    from coodie.drivers import LazyDriver

pytestmark = [pytest.mark.usefixtures("no_thread_left"), pytest.mark.extended, pytest.mark.timeout(600)]


class LazyMachine(RuleBasedStateMachine):
    """One driver, and a backend whose connection attempts fail on request."""

    @initialize()
    def begin(self) -> None:
        """Begin without a connection."""
        self.stack = ExitStack()
        self.memory = Backend()
        self.stack.enter_context(using_registry(registry_of(memory=self.memory)))
        self.lazy: LazyDriver = lazy_driver()
        self.attempts = 0
        self.is_connected = self.is_closed = False

    def teardown(self) -> None:
        """Close, and see that everything that was opened is closed."""
        self.lazy.close()
        assert all(driver.closings for driver in self.memory.opened)
        self.stack.close()

    def outcome(self) -> type[Exception] | None:
        """Return what a request ends with now, and note the attempt that it makes."""
        if self.is_closed:
            return DriverClosedError
        if not self.is_connected:
            self.attempts += 1
            if self.memory.failures:
                return ConnectionFailedError
            self.is_connected = True
        return None

    @precondition(lambda self: len(self.memory.failures) < 2)
    @rule()
    def break_server(self) -> None:
        """Let one more attempt fail."""
        self.memory.failures.append(ConnectionFailedError("not now"))

    @rule(method=st.sampled_from([*REQUESTS, "connect"]), is_async=st.booleans())
    def ask(self, method: str, is_async: bool) -> None:
        """Send a request of any kind, or connect."""
        expected = self.outcome()
        api = Api(self.lazy, is_async=is_async)
        work = api.connect() if method == "connect" else REQUESTS[method](api)
        if expected is None:
            asyncio.run(work)
        else:
            with pytest.raises(expected):
                asyncio.run(work)

    @rule(is_async=st.booleans())
    def ping(self, is_async: bool) -> None:
        """Ping, which connects to nothing."""
        work = Api(self.lazy, is_async=is_async).ping()
        if self.is_closed:
            with pytest.raises(DriverClosedError):
                asyncio.run(work)
        else:
            assert asyncio.run(work) is self.is_connected

    @rule(is_async=st.booleans())
    def close(self, is_async: bool) -> None:
        """Close, once or twice."""
        asyncio.run(Api(self.lazy, is_async=is_async).close())
        self.is_closed = True

    @rule(kinds=st.lists(st.booleans(), min_size=2, max_size=4), closes=st.booleans())
    def ask_together(self, kinds: list[bool], closes: bool) -> None:
        """Ask from several threads and loops at once, and close meanwhile: one attempt, one outcome."""
        connects = not (self.is_closed or self.is_connected)
        expected = self.outcome()
        found: list[Any] = []
        self.memory.begun.clear()
        if connects:
            self.memory.gate.clear()
        threads = [threading.Thread(target=self._request, args=(is_async, found)) for is_async in kinds]
        for thread in threads:
            thread.start()
        if connects:
            assert self.memory.begun.wait(PATIENCE)
            if closes:
                self.lazy.close()
        self.memory.gate.set()
        for thread in threads:
            thread.join(PATIENCE)
        assert len(found) == len(kinds), "one hangs"
        if connects and closes:
            self.is_closed, self.is_connected = True, False
            assert set(found) <= {DriverClosedError, ConnectionFailedError}
        elif expected is ConnectionFailedError:
            # Who came after the attempt had failed made another one.
            self.attempts = len(self.memory.attempts)
            self.is_connected = self.lazy.driver is not None
            assert ConnectionFailedError in found
        else:
            assert set(found) == {expected}

    def _request(self, is_async: bool, found: list[Any]) -> None:
        try:
            asyncio.run(Api(self.lazy, is_async=is_async).execute("SELECT", []))
        except Exception as exc:  # noqa: BLE001 - looked at where it was started
            found.append(type(exc))
        else:
            found.append(None)

    @precondition(lambda self: not self.is_closed)
    @rule()
    def fork(self) -> None:
        """Use it in a child: what the parent connected, the child doesn't close."""

        def work() -> tuple[bool, list[int]]:
            self.memory.failures.clear()
            if not self.is_connected:
                self.lazy.execute("SELECT", [])
            self.lazy.close()
            return self.lazy.closed, [driver.closings for driver in self.memory.opened]

        assert in_a_child(work) == str((True, [0] if self.is_connected else [1]))

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        """It is closed and connected when it should be, and has tried as often as it had to."""
        assert self.lazy.closed is self.is_closed
        assert len(self.memory.attempts) == self.attempts
        if not self.is_closed:
            assert (self.lazy.driver is not None) is self.is_connected
            assert all(driver.closings == 0 for driver in self.memory.opened)
        assert len(self.memory.opened) <= 1 + self.is_closed


def test_lazy() -> None:
    """Whatever is asked, broken, closed and forked in whatever order, it is what the model says."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        LazyMachine, settings=settings(max_examples=30, stateful_step_count=15, deadline=None)
    )
