"""Futures of responses in C: for tasks, they are what futures of asyncio are."""

from __future__ import annotations

import asyncio
import gc
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any
from weakref import ref

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")


async def _turns(number: int = 3) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def _waiter() -> Any:
    return native.Waiter(asyncio.get_running_loop())


def _deliver_from_the_loop(ended: list[Any], at_once: bool) -> None:
    """Deliver as the reader of a socket does: while no task is running."""
    asyncio.get_running_loop().call_soon(native.deliver, ended, at_once)


@pytest.fixture(params=[True, False], ids=["at once", "next turn"])
def at_once(request: pytest.FixtureRequest) -> bool:
    """Give both ways to wake tasks."""
    return bool(request.param)


@pytest.fixture(params=["C", "Python"])
def task_class(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Give both implementations of tasks."""
    python: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]  # private
    return asyncio.Task if request.param == "C" else python


def test_a_task_gets_the_response(at_once: bool, task_class: Any) -> None:
    """The result of the await is the response, of any type."""

    async def run() -> None:
        for response in (b"rows", None, (1, 2), ValueError("a value"), StopIteration(3)):
            waiter = _waiter()

            async def wait(waiter: Any = waiter) -> Any:
                return await waiter

            task = task_class(wait(), loop=asyncio.get_running_loop())
            await _turns()
            assert not waiter.done()
            _deliver_from_the_loop([(waiter, response)], at_once)
            assert await task is response
            assert waiter.done()
            assert waiter.result() is response
            assert waiter.exception() is None

    asyncio.run(run(), debug=True)


def test_a_result_that_is_there_already() -> None:
    """An await of it doesn't give up control."""

    async def run() -> None:
        waiter = _waiter()
        native.deliver([(waiter, b"rows")], False)
        asyncio.get_running_loop().call_soon(pytest.fail, "a turn of the loop")
        assert await waiter == b"rows"

    asyncio.run(run())


def test_a_task_is_woken_at_once() -> None:
    """It runs within ``deliver``, in its own context, and what it sets there stays there."""
    variable: ContextVar[str] = ContextVar("variable", default="outside")
    seen: list[Any] = []

    async def wait(waiter: Any) -> None:
        variable.set("task")
        await waiter
        seen.append((variable.get(), asyncio.current_task()))

    async def run() -> None:
        waiter = _waiter()
        task = asyncio.create_task(wait(waiter))
        await _turns()

        def read() -> None:
            native.deliver([(waiter, b"")], True)
            seen.append((variable.get(), asyncio.current_task()))

        asyncio.get_running_loop().call_soon(read)
        await task
        assert seen == [("task", task), ("outside", None)]

    asyncio.run(run())


def test_cancellation(at_once: bool, task_class: Any) -> None:
    """A cancelled task ends with its message, its waiter is done, and a late response is dropped."""

    async def run() -> None:
        waiter = _waiter()

        async def wait() -> Any:
            return await waiter

        task = task_class(wait(), loop=asyncio.get_running_loop())
        await _turns()
        task.cancel("enough")
        assert waiter.done()
        assert waiter.cancelled()
        assert not waiter.cancel()
        _deliver_from_the_loop([(waiter, b"late")], at_once)
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await task
        await _turns()
        with pytest.raises(asyncio.CancelledError):
            waiter.result()

    asyncio.run(run())


def test_wait_for_and_shield(at_once: bool) -> None:
    """What asyncio wraps around a task that awaits one works."""

    async def wait(waiter: Any) -> Any:
        return await waiter

    async def run() -> None:
        late, shielded, plain = _waiter(), _waiter(), _waiter()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(wait(late), 0.001)
        assert late.cancelled()
        inner = asyncio.ensure_future(wait(shielded))
        outer = asyncio.ensure_future(asyncio.shield(inner))
        other = asyncio.create_task(asyncio.wait_for(wait(plain), 5))
        await _turns()
        outer.cancel()
        await _turns()
        assert not shielded.done()
        _deliver_from_the_loop([(shielded, b"one"), (late, b""), (plain, b"two")], at_once)
        assert await inner == b"one"
        assert await other == b"two"
        with pytest.raises(asyncio.CancelledError):
            await outer

    asyncio.run(run())


def test_futures_of_asyncio(at_once: bool) -> None:
    """They get their results, too, unless they are done."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        future, cancelled, waiter = loop.create_future(), loop.create_future(), _waiter()
        cancelled.cancel()
        native.deliver([(cancelled, b""), (future, b"one"), (waiter, b"two")], False)
        assert await future == b"one"
        assert await waiter == b"two"
        assert cancelled.cancelled()

    asyncio.run(run())


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_task(raised: type[BaseException]) -> None:
    """The loop's run raises the interrupt, and the other tasks get their responses."""
    woken: list[Any] = []

    async def wait(waiter: Any, error: type[BaseException] | None) -> None:
        woken.append(await waiter)
        if error is not None:
            raise error

    loop = asyncio.new_event_loop()
    try:
        waiters = [native.Waiter(loop) for _ in range(3)]
        errors = (None, raised, None)
        tasks = [loop.create_task(wait(one, error)) for one, error in zip(waiters, errors, strict=True)]
        loop.run_until_complete(_turns())
        ended = [(one, number) for number, one in enumerate(waiters)]
        with pytest.raises(raised):
            loop.run_until_complete(_delivered(ended))
        assert woken == [0, 1]
        loop.run_until_complete(_turns())
        assert woken == [0, 1, 2]
        assert isinstance(tasks[1].exception(), raised)
    finally:
        loop.close()


async def _delivered(ended: list[Any]) -> None:
    _deliver_from_the_loop(ended, True)
    await _turns()


def test_a_callback_that_fails(at_once: bool) -> None:
    """The loop's exception handler gets the error, and the others are called."""
    told: list[Any] = []
    called: list[Any] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        one, two = _waiter(), _waiter()
        error = LookupError()

        def fail(_: Any) -> None:
            raise error

        one.add_done_callback(fail)
        one.add_done_callback(called.append)
        two.add_done_callback(called.append)
        _deliver_from_the_loop([(one, b""), (two, b"")], at_once)
        await _turns()
        assert told == [error]
        assert sorted(map(id, called)) == sorted(map(id, [one, two]))

    asyncio.run(run())


def test_a_context_that_is_in_use() -> None:
    """A callback whose context something else runs in is called in the loop's next turn."""
    called: list[Any] = []

    async def run() -> None:
        waiter, context = _waiter(), copy_context()
        waiter.add_done_callback(called.append, context=context)
        context.run(native.deliver, [(waiter, b"")], True)
        assert called == []
        await _turns()
        assert called == [waiter]

    asyncio.run(run())


def test_callbacks() -> None:
    """All are called with the future, once it is done; those that are removed aren't."""

    async def run() -> None:
        waiter = _waiter()
        called: list[Any] = []
        others: list[Any] = []
        for callback in (others.append, called.append, others.append, called.append):
            waiter.add_done_callback(callback)
        assert waiter.remove_done_callback(others.append) == 2
        assert waiter.remove_done_callback(others.append) == 0
        waiter.set_result(1)
        waiter.add_done_callback(called.append)
        assert called == []
        await _turns()
        assert called == [waiter] * 3
        assert others == []
        with pytest.raises(asyncio.InvalidStateError):
            waiter.set_result(2)

    asyncio.run(run())


def test_without_a_result() -> None:
    """Asking for one is an error, as of a future."""

    async def run() -> None:
        waiter = _waiter()
        for ask in (waiter.result, waiter.exception):
            with pytest.raises(asyncio.InvalidStateError):
                ask()
        assert waiter.get_loop() is asyncio.get_running_loop()
        assert "pending" in repr(waiter)

    asyncio.run(run())


def test_iteration() -> None:
    """Code that drives coroutines by hand gets the waiter, and then its result."""
    loop = asyncio.new_event_loop()
    try:
        waiter = native.Waiter(loop)

        async def wait() -> Any:
            return await waiter

        steps: Any = wait()
        assert steps.send(None) is waiter
        assert waiter._asyncio_future_blocking
        native.deliver([(waiter, (1, 2))], False)
        with pytest.raises(StopIteration) as stopped:
            steps.send(None)
        assert stopped.value.value == (1, 2)
        steps = iter(waiter)
        with pytest.raises(StopIteration) as stopped:
            next(steps)
        assert stopped.value.value == (1, 2)
    finally:
        loop.close()


def test_a_forgotten_task_is_collected() -> None:
    """A task and the waiter that it awaits refer to each other, and are collected if nothing else refers."""

    class Kept:
        pass

    async def wait(waiter: Any, _: Any) -> None:
        await waiter

    async def run() -> ref[Any]:
        kept = Kept()
        task = asyncio.create_task(wait(_waiter(), kept))
        await _turns()
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # private: nothing is logged
        return ref(kept)

    loop = asyncio.new_event_loop()
    try:
        gone = loop.run_until_complete(run())
        gc.collect()
        assert gone() is None
    finally:
        loop.close()


def test_wrong_arguments() -> None:
    """What isn't a list of futures with responses is an error, and not a crash."""
    for wrong in ([(1,)], [1], [2**40], [(1, 2)], [None], None, ()):
        with pytest.raises((AttributeError, TypeError, ValueError)):
            native.deliver(wrong, False)
