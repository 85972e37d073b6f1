"""Register observers, permanently or for a block."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from coodie.observers.hub import current_observers

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["observing", "register_observer", "unregister_observer"]


def register_observer(observer: object) -> None:
    """Register an observer: its hooks are called from now on.

    Args:
        observer: Any object with methods, or a module with functions, that are named as the hooks of
            ``coodie.observers.hooks.ObserverHooks`` and marked with ``@coodie.plugins.hookimpl``.

    Raises:
        NotAnObserverError: It has no hooks, or an unknown one.
        ConfigurationError: It is already registered.
    """
    current_observers().add(observer)


def unregister_observer(observer: object) -> None:
    """Unregister an observer; it still receives the ends of requests whose start it has received.

    Args:
        observer: The object that was registered.

    Raises:
        ConfigurationError: It isn't registered.
    """
    current_observers().remove(observer)


@contextmanager
def observing(*observers: object) -> Iterator[None]:
    """Register observers while the block runs, for all threads and event loops.

    Args:
        observers: As for ``register_observer``.

    Raises:
        NotAnObserverError: As ``register_observer``.
        ConfigurationError: As ``register_observer``.
    """
    here = current_observers()
    with ExitStack() as stack:
        for observer in observers:
            here.add(observer)
            stack.callback(here.remove, observer)
        yield
