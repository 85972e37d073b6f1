"""What becomes of connections: told by the plug-ins' host, by the registry, and by drivers that close."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from coodie.observers.hub import current_observers, tell
from coodie.observers.identity import identify, identity_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.options.connection import ConnectionConfig

__all__ = ["connecting", "tell_closed", "tell_registered"]

#: Whether a backend is opening a driver here: one that wraps another opens that one's, too.
_opening: ContextVar[bool] = ContextVar("coodie_opening", default=False)


class Opening:
    """An attempt to connect, and the driver that came of it."""

    __slots__ = ("driver",)

    def __init__(self) -> None:
        self.driver: object = None


@contextmanager
def connecting(config: ConnectionConfig, name: str | None) -> Iterator[Opening]:
    """Tell what comes of the block, in which a backend connects; for the plug-ins' host.

    A backend that opens another one's driver is told of once, under the name that was asked for; where
    it wraps that driver, the wrapper alone tells of requests.

    Args:
        config: What is connected to.
        name: The name under which the driver is registered or will be, or None.
    """
    opening = Opening()
    within = _opening.get()
    token = _opening.set(True)
    started = time.perf_counter()
    try:
        yield opening
    except BaseException as exc:
        if not within and current_observers().everyone:
            from coodie.observers.events import ConnectionFailed  # slow, and for those alone who observe

            failed = ConnectionFailed(
                driver_name=name,
                driver_type=config.driver_type,
                keyspace=config.keyspace,
                hosts=config.hosts or (),
                port=config.port,
                duration=time.perf_counter() - started,
                error=exc,
            )
            tell("coodie_connection_failed", failed, handled=exc)
        raise
    else:
        # The same object may come out of both: then it is the outer one's, and tells.
        identify(opening.driver, name=name, driver_type=config.driver_type, silent=within)
        if not within and current_observers().everyone:
            from coodie.observers.events import ConnectionOpened  # as above

            opened = ConnectionOpened(
                driver_name=name,
                driver_type=config.driver_type,
                keyspace=config.keyspace,
                hosts=config.hosts or (),
                port=config.port,
                duration=time.perf_counter() - started,
                borrowed=config.session is not None,
            )
            tell("coodie_connection_opened", opened)
    finally:
        _opening.reset(token)


def tell_closed(driver: object, error: BaseException | None = None) -> None:
    """Tell that a driver has been closed; a driver calls it once, when nothing of it is left.

    Args:
        driver: The driver itself.
        error: What closing raised, or None.
    """
    if not current_observers().everyone:
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
    tell("coodie_connection_closed", event, handled=error)


def tell_registered(driver: object, name: str, *, default: bool, replaced: bool) -> None:
    """Note a driver's new name, and tell of it; for the registry.

    Args:
        driver: The driver.
        name: Its name.
        default: It's the default driver now.
        replaced: Another one had the name.
    """
    identify(driver, name=name)
    if not current_observers().everyone:
        return
    from coodie.observers.events import DriverRegistered  # as above

    event = DriverRegistered(
        driver_name=name,
        driver_type=identity_of(driver).driver_type,
        keyspace=getattr(driver, "_default_keyspace", None),
        default=default,
        replaced=replaced,
    )
    tell("coodie_driver_registered", event)
