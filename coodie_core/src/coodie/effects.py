"""Run a generator from sync and from async code.

Code that waits is written as a generator that yields *effects* and gets their results. An effect supports
both ways of waiting; ``run_sync`` and ``run_async`` use one of them. So each feature is implemented once.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from coodie._event_loop import warn_if_blocking
from coodie._tracebacks import CALLER_ERRORS, shortened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = [
    "Call",
    "Effect",
    "Immediate",
    "Sleep",
    "Started",
    "Steps",
    "gather",
    "resume",
    "run_async",
    "run_sync",
]

T = TypeVar("T")
E = TypeVar("E", bound="Effect")


class Effect(Protocol):
    """Something to wait for."""

    def run(self) -> Any:
        """Wait in the calling thread and return the result."""
        ...

    def run_async(self) -> Awaitable[Any]:
        """Return an awaitable of the result; never blocks."""
        ...


#: A generator that yields effects, gets their results, and returns a value.
Steps = Generator[Effect, Any, T]


class Immediate(Effect, Protocol):
    """An effect that never waits, such as sending a request, whose result is another effect."""

    #: A marker attribute.
    is_immediate: bool


class Call:
    """Call a method that has an async version named ``…_async``.

    Args:
        target: The object.
        name: The sync method's name.
        args: Positional arguments for either.
        kwargs: Keyword arguments for either.
    """

    __slots__ = ("args", "kwargs", "name", "target")

    def __init__(self, target: Any, name: str, *args: Any, **kwargs: Any) -> None:
        self.target = target
        self.name = name
        self.args = args
        self.kwargs = kwargs

    def run(self) -> Any:
        """Call the sync method."""
        method: Callable[..., Any] = getattr(self.target, self.name)
        return method(*self.args, **self.kwargs)

    def run_async(self) -> Awaitable[Any]:
        """Call the async method."""
        method: Callable[..., Awaitable[Any]] = getattr(self.target, f"{self.name}_async")
        return method(*self.args, **self.kwargs)


class Sleep:
    """Sleep.

    Args:
        seconds: The duration in seconds.
    """

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def run(self) -> None:
        """Block the calling thread."""
        time.sleep(self.seconds)

    def run_async(self) -> Awaitable[None]:
        """Wait on the running loop."""
        import asyncio  # keeps it out of the import of coodie.drivers

        return asyncio.sleep(self.seconds)


def resume(
    steps: Generator[E, Any, T], effect: E, seen: Callable[[E, Any], None] | None = None
) -> Generator[E, Any, T]:
    """Run steps that have already yielded an effect to their end; return their value.

    Args:
        steps: The steps.
        effect: The effect that they wait for.
        seen: Called with each effect and its result or exception.
    """
    try:
        while True:
            try:
                answer = yield effect
            except BaseException as exc:  # noqa: BLE001 - the generator decides what to do with it
                if seen is not None:
                    seen(effect, exc)
                effect = steps.throw(exc)
            else:
                if seen is not None:
                    seen(effect, answer)
                effect = steps.send(answer)
    except StopIteration as stop:
        value: T = stop.value
        return value


class _Several:
    """Wait for several effects; the result is a list of their results or exceptions.

    Args:
        effects: The effects.
    """

    __slots__ = ("effects",)

    def __init__(self, effects: Sequence[Effect]) -> None:
        self.effects = effects

    def run(self) -> list[Any]:
        """Wait for one after another in the calling thread."""
        found: list[Any] = []
        for effect in self.effects:
            try:
                found.append(effect.run())
            except Exception as exc:  # noqa: BLE001 - the generator that waits for it decides
                found.append(_Raised(exc))
        return found

    async def run_async(self) -> list[Any]:
        """Wait for one after another on the running loop."""
        found: list[Any] = []
        for effect in self.effects:
            try:
                found.append(await effect.run_async())
            except Exception as exc:  # noqa: BLE001 - the generator that waits for it decides
                found.append(_Raised(exc))
        return found


class _Raised:
    """The exception of an effect."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class Started(Generic[T]):
    """Steps that run as far as possible without waiting, before their result is needed.

    Args:
        steps: The steps; ``begin`` runs the first ones, then ``finish`` or ``abandon`` the others.
    """

    def __init__(self, steps: Generator[Effect, Any, T]) -> None:
        self._steps = steps
        self._effect: Effect | None = None
        self._value: T

    def begin(self) -> Generator[Effect, Any, None]:
        """Run the steps up to the first effect that waits."""
        try:
            effect = next(self._steps)
            while getattr(effect, "is_immediate", False):
                try:
                    answer = yield effect
                except BaseException as exc:  # noqa: BLE001 - the generator decides what to do with it
                    effect = self._steps.throw(exc)
                else:
                    effect = self._steps.send(answer)
        except StopIteration as stop:
            self._value = stop.value
        else:
            self._effect = effect

    def finish(self) -> Generator[Effect, Any, T]:
        """Run the other steps, and return their value."""
        if self._effect is None:
            return self._value
        return (yield from resume(self._steps, self._effect))

    def abandon(self) -> None:
        """Close the steps."""
        self._steps.close()


def gather(several: Sequence[Generator[Any, Any, T]]) -> Generator[Effect, Any, list[T]]:
    """Run several generators concurrently, one effect of each at a time; return their values.

    The first exception is raised, and the others are closed.
    """
    values: list[Any] = [None] * len(several)
    answers: dict[int, Any] = dict.fromkeys(range(len(several)))
    try:
        while answers:
            effects: dict[int, Effect] = {}
            for place, answer in answers.items():
                steps = several[place]
                try:
                    raised = isinstance(answer, _Raised)
                    effects[place] = steps.throw(answer.error) if raised else steps.send(answer)
                except StopIteration as stop:
                    values[place] = stop.value
            found = (yield _Several(tuple(effects.values()))) if effects else ()
            answers = dict(zip(effects, found, strict=True))
        return values
    finally:
        for steps in several:
            steps.close()


def run_sync(steps: Generator[Effect, Any, T]) -> T:
    """Run a generator to its end in the calling thread, and return its value."""
    warn_if_blocking()
    try:
        effect = next(steps)
        while True:
            try:
                answer = effect.run()
            except BaseException as exc:  # noqa: BLE001 - the generator decides what to do with it
                effect = steps.throw(exc)
            else:
                effect = steps.send(answer)
    except StopIteration as stop:
        value: T = stop.value
        return value
    except CALLER_ERRORS as exc:
        raise shortened(exc)  # noqa: B904 - the same exception


async def run_async(steps: Generator[Effect, Any, T]) -> T:
    """Run a generator to its end on the running event loop, and return its value.

    A cancellation is thrown into the generator at the effect, so its ``finally`` blocks run.
    """
    try:
        effect = next(steps)
        while True:
            try:
                answer = await effect.run_async()
            except BaseException as exc:  # noqa: BLE001 - the generator decides what to do with it
                effect = steps.throw(exc)
            else:
                effect = steps.send(answer)
    except StopIteration as stop:
        value: T = stop.value
        return value
    except CALLER_ERRORS as exc:
        raise shortened(exc)  # noqa: B904 - the same exception
