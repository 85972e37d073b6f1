"""The registered observers; notifies each of them separately.

Each request calls ``request_observers()``, which returns an empty tuple if nothing observes requests.
pluggy is imported when the first observer is registered.
"""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from coodie._forks import forget_in_children
from coodie._in_use import in_use
from coodie.exceptions import ConfigurationError, NotAnObserverError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "Observer",
    "Observers",
    "current_observers",
    "notify",
    "observing",
    "register_observer",
    "request_observers",
    "unregister_observer",
]

_log = logging.getLogger("coodie.observers")

#: The hooks that a request calls.
_REQUEST_HOOKS = frozenset(
    {
        "coodie_request_started",
        "coodie_request_retried",
        "coodie_request_finished",
        "coodie_schema_changed",
    }
)

#: Whether a hook is running in this context; its own requests emit no events.
_notifying: ContextVar[bool] = ContextVar("coodie_notifying", default=False)


class Observer:
    """An observer, checked against the specifications, and its last error.

    Each has its own pluggy manager, so that an exception of one doesn't affect the others.

    Args:
        observer: Any object with hooks marked ``@hookimpl``.
        name: The name by which it was activated; None if the object was registered.

    Raises:
        NotAnObserverError: Its hooks don't fit the specifications, or it has none.
    """

    __slots__ = ("_failures", "_hooks", "name", "observer")

    def __init__(self, observer: object, name: str | None = None) -> None:
        self.observer = observer
        self.name = name
        self._failures = 0
        self._hooks: dict[str, Callable[..., Any]] = _hooks_of(observer)

    @property
    def hooks(self) -> frozenset[str]:
        """The names of the hooks that it implements."""
        return frozenset(self._hooks)

    def notify(self, hook: str, event: object, handled: BaseException | None) -> None:
        """Call a hook if the observer has it.

        Args:
            hook: Its name.
            event: Its argument.
            handled: The request's error; removed from the traceback of an observer's exception, since its
                message may quote the statement.
        """
        call = self._hooks.get(hook)
        if call is None:
            return
        try:
            call(event=event)
        except Exception as exc:  # noqa: BLE001 - it must not affect the request
            self._failures += 1
            if self._failures > 1:
                _log.debug(
                    "The observer %s raised %s in %s: failure %d.",
                    _described(self.observer),
                    type(exc).__name__,
                    hook,
                    self._failures,
                )
                return
            _forget(exc, handled)
            _log.error(
                "The observer %s raised an exception in %s. The request isn't affected; further exceptions "
                "of this observer are logged at DEBUG.",
                _described(self.observer),
                hook,
                exc_info=exc,
            )


class Observers:
    """The observers of one registry; safe from many threads.

    The tuples are never changed, only replaced, so that readers need no lock.
    """

    __slots__ = ("__weakref__", "_lock", "all", "blocked_by", "of_requests")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: All of them, in the order of their registration.
        self.all: tuple[Observer, ...] = ()
        #: Those that a request may concern.
        self.of_requests: tuple[Observer, ...] = ()
        #: Returns what blocks a distribution, or None; the registry gives it, which has the plug-ins.
        self.blocked_by: Callable[[str], str | None] = lambda _: None
        forget_in_children(self, Observers._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()

    def add(self, observer: object, name: str | None = None) -> None:
        """Register an observer; ``name`` is the one that activated it.

        Raises:
            NotAnObserverError: It isn't an observer.
            ConfigurationError: It is registered already.
        """
        made = Observer(observer, name)
        with self._lock:
            if any(one.observer is observer for one in self.all):
                message = f"The observer {_described(observer)} is registered already."
                raise ConfigurationError(message, hint="Register it once.", option="observer")
            self._put((*self.all, made))

    def ensure(self, observer: object) -> None:
        """Register an observer, unless it is registered already; raises as ``add``."""
        with self._lock:
            if all(one.observer is not observer for one in self.all):
                self._put((*self.all, Observer(observer)))

    def remove(self, observer: object) -> None:
        """Unregister an observer; it still gets the ends of requests whose start it got.

        Raises:
            ConfigurationError: It isn't registered.
        """
        with self._lock:
            left = tuple(one for one in self.all if one.observer is not observer)
            if len(left) == len(self.all):
                message = f"The observer {_described(observer)} isn't registered."
                raise ConfigurationError(
                    message, hint="Give the object that was registered.", option="observer"
                )
            self._put(left)

    def _put(self, observers: tuple[Observer, ...]) -> None:
        self.all = observers
        self.of_requests = tuple(one for one in observers if one.hooks & _REQUEST_HOOKS)


def current_observers() -> Observers:
    """Return the observers of the registry that is in use."""
    observers: Observers = in_use.registry.observers
    return observers


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


def request_observers() -> tuple[Observer, ...]:
    """Return the observers of requests; none while a hook is running in this context."""
    observers: tuple[Observer, ...] = in_use.registry.observers.of_requests
    return () if observers and _notifying.get() else observers


def notify(
    hook: str,
    event: object,
    observers: Iterable[Observer] | None = None,
    handled: BaseException | None = None,
) -> None:
    """Notify each observer, even if others raise exceptions.

    Args:
        hook: The hook's name.
        event: Its argument.
        observers: The observers to notify; None for all.
        handled: The error of the request.
    """
    token = _notifying.set(True)
    try:
        for observer in current_observers().all if observers is None else observers:
            observer.notify(hook, event, handled)
    finally:
        _notifying.reset(token)


def _hooks_of(observer: object) -> dict[str, Callable[..., Any]]:
    """Return the hooks that an observer implements, by name.

    Raises:
        NotAnObserverError: A hook is unknown, has other parameters or isn't marked; or there are no hooks.
    """
    import pluggy  # only programs that observe need it

    from coodie.observers.hooks import OBSERVER_HOOKS, ObserverManager

    name = _described(observer)
    if isinstance(observer, type):
        message = f"{name} is a class, not an observer."
        raise NotAnObserverError(message, hint=f"Register an instance: {observer.__name__}(…).")
    manager = ObserverManager()
    try:
        manager.register(observer, name)
        manager.check_pending()
    except pluggy.PluginValidationError as exc:
        message = f"{name} is not an observer: {exc}."
        hint = "The hooks and their arguments are those of coodie.observers.hooks.ObserverHooks."
        raise NotAnObserverError(message, hint=hint) from exc
    hooks = {hook: getattr(manager.hook, hook) for hook in OBSERVER_HOOKS}
    found = {hook: caller for hook, caller in hooks.items() if caller.get_hookimpls()}
    unmarked = sorted(hook for hook in OBSERVER_HOOKS - found.keys() if hasattr(observer, hook))
    if unmarked or not found:
        what = f"{unmarked[0]} isn't marked" if unmarked else "it implements no hook"
        message = f"{name} is not an observer: {what}."
        hint = "Mark its hooks with @coodie.plugins.hookimpl; they are named in coodie.observers.hooks."
        raise NotAnObserverError(message, hint=hint)
    return found


def _described(observer: object) -> str:
    """Return what an observer is called in messages; its own repr might say anything."""
    name = getattr(observer, "__qualname__", None) or getattr(observer, "__name__", None)
    if isinstance(name, str):
        return name
    kind = type(observer)
    return f"{kind.__module__}.{kind.__qualname__}"


def _forget(exc: BaseException, handled: BaseException | None) -> None:
    """Take an error out of the chain of what was being handled when this one was raised."""
    link: BaseException | None = exc
    while link is not None and handled is not None:
        if link.__context__ is handled:
            link.__context__ = None
        link = link.__context__
