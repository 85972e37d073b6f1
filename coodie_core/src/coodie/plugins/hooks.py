"""The hooks that a backend implements."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import pluggy

from coodie.config.connection import NOT_OF_THE_CONNECTION, ConnectionConfig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from coodie.capabilities import Capability
    from coodie.drivers.base import AbstractDriver

__all__ = ["PROJECT", "DriverDescription", "DriverHooks", "OptionDescription", "hookimpl"]

#: The name under which pluggy knows our hooks.
PROJECT = "coodie"

_hookspec = pluggy.HookspecMarker(PROJECT)

#: Marks a backend's implementation of a hook.
hookimpl = pluggy.HookimplMarker(PROJECT)

_ALL_FIELDS = frozenset(entry.name for entry in fields(ConnectionConfig)) - NOT_OF_THE_CONNECTION


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionDescription:
    """One of a backend's own options.

    Args:
        name: As given to ``init_coodie``.
        type: ``"str"``, ``"bool"``, ``"int"``, ``"float"``, ``"count"``, ``"seconds"``, ``"secret"``…, a
            name in ``coodie.valuetypes.VALUE_TYPES``: core checks the value, and reads it in URLs and
            environment variables. Or what it takes in words, and ``coodie_check_config`` checks it.
        default: What holds where it isn't given.
        help: One line.
        secret: Never show its value.
    """

    name: str
    type: str = ""
    default: Any = None
    help: str = ""
    secret: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class DriverDescription:
    """What a backend says of itself.

    Args:
        summary: One line.
        options: The options that it takes beside the fields of ``ConnectionConfig``.
        connection_fields: Those fields of ``ConnectionConfig`` that it honours; the others are
            refused by core, in the backend's name.
        capabilities: What its drivers can do beyond the contract's core; their ``capabilities``.
        needs: Distributions that it can't do without, as requirements such as ``"acme-client>=2"``; a
            bare name has the versions that the backend's own metadata asks for. Core compares them
            with what is installed before a driver is opened, and imports none.
    """

    summary: str
    options: tuple[OptionDescription, ...] = ()
    connection_fields: frozenset[str] = _ALL_FIELDS
    capabilities: frozenset[Capability] = frozenset()
    needs: tuple[str, ...] = ()


class DriverHooks:
    """The hook specifications; only ``coodie_open_driver`` must be implemented."""

    @_hookspec(firstresult=True)
    def coodie_describe_driver(self) -> DriverDescription:
        """Return what the backend is and takes; without this hook it takes no options of its own."""
        raise AssertionError

    @_hookspec(firstresult=True)
    def coodie_check_config(self, config: ConnectionConfig) -> None:
        """Raise a ConfigurationError for what can't be honoured, without connecting.

        Called before the driver is opened, and when a LazyDriver is created.
        """

    @_hookspec(firstresult=True)
    def coodie_open_driver(self, config: ConnectionConfig) -> AbstractDriver:  # noqa: ARG002 - names it for pluggy
        """Connect, and return a driver that is ready; on failure leave nothing behind.

        May block: async callers run it in a thread of its own, and close a driver that comes when
        nobody waits for it any more.
        """
        raise AssertionError

    @_hookspec(firstresult=True)
    def coodie_open_driver_async(self, config: ConnectionConfig) -> Awaitable[AbstractDriver]:  # noqa: ARG002 - as above
        """As coodie_open_driver, natively async; without this hook a thread runs the sync one."""
        raise AssertionError

    @_hookspec(firstresult=True)
    def coodie_inspect_driver(self, driver: AbstractDriver | None) -> Mapping[str, str]:  # noqa: ARG002 - as above
        """Return what is in use, name → value, for ``coodie doctor``: the reactor, the protocol.

        Given a driver that this backend opened, of its connection; given None, what it would use here.
        """
        raise AssertionError
