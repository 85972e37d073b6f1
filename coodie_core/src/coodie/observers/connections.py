"""Events of drivers that are opened and closed, and the names of drivers in events.

Called by the plug-ins' host, the registry, and drivers that are closed.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from coodie._in_use import in_use
from coodie.observers.hub import notify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.options.connection import ConnectionConfig

__all__ = ["DriverIdentity", "connecting", "identify", "identity_of", "notify_registered", "tell_closed"]

#: Whether a backend is opening a driver here: one that wraps another opens that one's, too.
_opening: ContextVar[bool] = ContextVar("coodie_opening", default=False)


class DriverIdentity(NamedTuple):
    """A driver's names.

    Args:
        name: The name under which it was last registered, or None.
        driver_type: The backend that opened it; None if its caller created it.
        silent: Another backend wraps it, and emits the events.
    """

    name: str | None = None
    driver_type: str | None = None
    silent: bool = False


_UNKNOWN = DriverIdentity()


def is_opening() -> bool:
    """Return whether a backend is opening a driver in this context."""
    return _opening.get()


class Opening:
    """An attempt to connect, and its driver."""

    __slots__ = ("driver",)

    def __init__(self) -> None:
        self.driver: object = None


@contextmanager
def connecting(config: ConnectionConfig, name: str | None) -> Iterator[Opening]:
    """Emit the event of the block, in which a backend connects; for the plug-ins' host.

    If a backend opens the driver of another one, there is one event, with the requested name; if it wraps
    that driver, only the wrapper emits events of requests.

    Args:
        config: The connection's configuration.
        name: The name under which the driver is registered or will be, or None.
    """
    opening = Opening()
    within = _opening.get()
    token = _opening.set(True)
    started = time.perf_counter()
    try:
        yield opening
    except BaseException as exc:
        if not within and in_use.registry.observers.all:
            from coodie.observers.events import ConnectionFailed  # a slow import, needed by observers only

            failed = ConnectionFailed(
                driver_name=name,
                driver_type=config.driver_type,
                keyspace=config.keyspace,
                hosts=config.host_names,
                port=config.port,
                duration=time.perf_counter() - started,
                error=exc,
            )
            notify("coodie_connection_failed", failed, handled=exc)
        raise
    else:
        # Both may return the same object: then it is the outer one's, and emits events.
        identify(opening.driver, name=name, driver_type=config.driver_type, silent=within)
        if not within and in_use.registry.observers.all:
            from coodie.observers.events import ConnectionOpened  # as above

            opened = ConnectionOpened(
                driver_name=name,
                driver_type=config.driver_type,
                keyspace=config.keyspace,
                hosts=config.host_names,
                port=config.port,
                duration=time.perf_counter() - started,
                borrowed=config.session is not None,
            )
            notify("coodie_connection_opened", opened)
        if not within:
            events = getattr(opening.driver, "_node_events", None)
            if events is not None:
                events.announce()
    finally:
        _opening.reset(token)


def tell_closed(driver: object, error: BaseException | None = None) -> None:
    """Emit the event for a closed driver; drivers call it once, after closing all connections.

    Args:
        driver: The driver itself.
        error: The exception that closing raised, or None.
    """
    if not in_use.registry.observers.all:
        return
    identity = identity_of(driver)
    if identity.silent:
        return
    from coodie.observers.events import ConnectionClosed  # as above

    event = ConnectionClosed(
        driver_name=identity.name,
        driver_type=identity.driver_type,
        keyspace=getattr(driver, "_default_keyspace", None),
        error=error,
    )
    notify("coodie_connection_closed", event, handled=error)


def notify_registered(driver: object, name: str, *, default: bool, replaced: bool) -> None:
    """Store a driver's new name, and emit an event; for the registry.

    Args:
        driver: The driver.
        name: Its name.
        default: Whether it is now the default driver.
        replaced: Whether it replaced another driver of that name.
    """
    identify(driver, name=name)
    if not in_use.registry.observers.all:
        return
    from coodie.observers.events import DriverRegistered  # as above

    event = DriverRegistered(
        driver_name=name,
        driver_type=identity_of(driver).driver_type,
        keyspace=getattr(driver, "_default_keyspace", None),
        default=default,
        replaced=replaced,
    )
    notify("coodie_driver_registered", event)


def identity_of(driver: object) -> DriverIdentity:
    """Return the identity of a driver; an empty one for objects that aren't an AbstractDriver."""
    identity: DriverIdentity = getattr(driver, "_identity", _UNKNOWN)
    return identity


def identify(
    driver: object,
    *,
    name: str | None = None,
    driver_type: str | None = None,
    silent: bool | None = None,
) -> None:
    """Set the given names of a driver; other objects aren't changed."""
    if not hasattr(type(driver), "_identity"):
        return
    identity = identity_of(driver)
    known = DriverIdentity(
        name=identity.name if name is None else name,
        driver_type=identity.driver_type if driver_type is None else driver_type,
        silent=identity.silent if silent is None else silent,
    )
    driver._identity = known  # type: ignore[attr-defined]  # noqa: SLF001 - AbstractDriver's, and set here alone
