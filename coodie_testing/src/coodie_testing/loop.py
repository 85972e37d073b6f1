"""The event loop of a suite's async checks, and how the same checks run without one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["CheckLoop", "run_without_loop"]

T = TypeVar("T")

#: Seconds after which a check counts as hanging.
_DEADLINE = 60.0


class CheckLoop:
    """One event loop for all async checks of a suite, since a driver may belong to its loop.

    What reaches the loop's exception handler fails the check: each check tests that, too.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._told: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self._told.append(context))

    def run(self, check: Coroutine[Any, Any, T]) -> T:
        """Run a check to its end.

        Raises:
            AssertionError: It hung, or left something for the loop's exception handler.
        """
        self._told.clear()
        try:
            outcome = self.loop.run_until_complete(self._within_deadline(check))
        except BaseException:
            for task in asyncio.all_tasks(self.loop):
                task.add_done_callback(_forget)  # what a failed check leaves doesn't fail a later one
            raise
        finally:
            told = [context.get("exception") or context["message"] for context in self._told]
        if told:
            raise AssertionError(f"The event loop's exception handler was called: {told}")
        return outcome

    @staticmethod
    async def _within_deadline(check: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(check)
        done, _ = await asyncio.wait({task}, timeout=_DEADLINE)
        if not done:
            task.cancel()
            await asyncio.wait({task}, timeout=5)
            raise AssertionError(f"The check didn't end within {_DEADLINE:g} s.")
        return task.result()

    def close(self) -> None:
        """End what is left on the loop, and close it."""
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=5))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


def _forget(task: asyncio.Task[Any]) -> None:
    """Take a task's error, which would be reported to the loop's exception handler otherwise."""
    if not task.cancelled():
        task.exception()


def run_without_loop(check: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing, since all that it awaits blocks instead.

    Raises:
        AssertionError: It did wait.
    """
    try:
        check.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    check.close()
    raise AssertionError("The check awaits an object that requires an event loop.")
