"""One generator, driven from sync and from async code."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from coodie.effects import Call, Sleep, gather, run_async, run_sync

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Twins:
    """A method and its async twin, which fail on odd numbers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int]] = []

    def half(self, number: int, *, plus: int = 0) -> int:
        """Return half the number."""
        self.calls.append(("sync", number, plus))
        if number % 2:
            raise ValueError(number)
        return number // 2 + plus

    async def half_async(self, number: int, *, plus: int = 0) -> int:
        """As half."""
        await asyncio.sleep(0)
        self.calls.append(("async", number, plus))
        if number % 2:
            raise ValueError(number)
        return number // 2 + plus


@pytest.fixture
def run(is_async: bool) -> Callable[[Generator[Any, Any, Any]], Any]:
    """Drive a generator one way or the other."""
    return (lambda steps: asyncio.run(run_async(steps))) if is_async else run_sync


def test_answers_go_in_and_the_value_comes_out(run: Callable[..., Any], is_async: bool) -> None:
    """Each effect's answer is what its yield gives, and the return value is the result."""
    twins = Twins()

    def steps() -> Generator[Call, Any, tuple[int, int]]:
        first = yield Call(twins, "half", 8)
        second = yield Call(twins, "half", first, plus=1)
        return first, second

    assert run(steps()) == (4, 3)
    way = "async" if is_async else "sync"
    assert twins.calls == [(way, 8, 0), (way, 4, 1)]


def test_without_effects(run: Callable[..., Any]) -> None:
    """A generator that waits for nothing gives its value."""

    def steps() -> Generator[Call, Any, str]:
        return "done"
        yield

    assert run(steps()) == "done"


def test_errors_arrive_where_the_generator_waits(run: Callable[..., Any]) -> None:
    """The generator can handle an effect's error and go on."""
    twins = Twins()

    def steps() -> Generator[Call, Any, list[Any]]:
        seen: list[Any] = []
        for number in (3, 4, 5):
            try:
                seen.append((yield Call(twins, "half", number)))
            except ValueError as exc:
                seen.append(exc.args[0])
        return seen

    assert run(steps()) == [3, 2, 5]


def test_unhandled_errors_come_out(run: Callable[..., Any]) -> None:
    """An error that the generator doesn't handle is the caller's, after the generator's ``finally``."""
    ended = []

    def steps() -> Generator[Call, Any, None]:
        try:
            yield Call(Twins(), "half", 7)
        finally:
            ended.append(True)

    with pytest.raises(ValueError, match="7"):
        run(steps())
    assert ended == [True]


def test_a_pause_lets_time_pass(run: Callable[..., Any]) -> None:
    """It waits for the seconds that it was given, and for nothing else."""
    started = time.monotonic()

    def steps() -> Generator[Sleep, Any, Any]:
        return (yield Sleep(0.05))

    assert run(steps()) is None
    assert time.monotonic() - started >= 0.04


async def test_a_pause_blocks_no_loop() -> None:
    """Others run meanwhile."""

    def steps() -> Generator[Sleep, Any, None]:
        yield Sleep(60)

    task = asyncio.create_task(run_async(steps()))
    await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancellation_runs_finally() -> None:
    """A cancellation arrives where the generator waits, and its ``finally`` may still wait for effects."""
    twins = Twins()
    seen = []

    class Forever:
        async def run_async(self) -> None:
            await asyncio.sleep(3600)

    def steps() -> Generator[Any, Any, None]:
        try:
            yield Forever()
        finally:
            seen.append((yield Call(twins, "half", 6)))

    task = asyncio.ensure_future(run_async(steps()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [3]


def test_gather_takes_steps_that_wait_for_nothing() -> None:
    """Their values stand in their places."""

    def at_once() -> Generator[Sleep, None, str]:
        return "at once"
        yield  # which makes it a generator

    def later() -> Generator[Sleep, None, str]:
        yield Sleep(0)
        return "later"

    assert run_sync(gather([at_once(), later(), at_once()])) == ["at once", "later", "at once"]
