"""The hook markers of plug-ins, and the description of a backend.

The hook specifications are in ``coodie.plugins.hooks`` for backends, and in ``coodie.observers.hooks`` for
observers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import pluggy

from coodie.options.connection import NOT_OF_THE_CONNECTION, ConnectionConfig

if TYPE_CHECKING:
    from coodie.capabilities import Capability

__all__ = ["DRIVER_HOOKS", "PROJECT", "DriverDescription", "OptionDescription", "hookimpl", "hookspec"]

#: The name of coodie's pluggy project.
PROJECT = "coodie"

#: The marker of hook specifications.
hookspec = pluggy.HookspecMarker(PROJECT)

#: The marker of hook implementations of backends and observers.
hookimpl = pluggy.HookimplMarker(PROJECT)

#: The names of the hooks of backends; observers ignore them, and are in a layer below their specifications.
DRIVER_HOOKS = frozenset(
    {
        "coodie_check_config",
        "coodie_codecs",
        "coodie_describe_driver",
        "coodie_inspect_driver",
        "coodie_open_driver",
        "coodie_open_driver_async",
    }
)

_ALL_FIELDS = frozenset(entry.name for entry in fields(ConnectionConfig)) - NOT_OF_THE_CONNECTION


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionDescription:
    """An option of a backend.

    Args:
        name: The name of the argument of ``init_coodie``.
        type: ``"str"``, ``"bool"``, ``"int"``, ``"float"``, ``"count"``, ``"seconds"``, ``"secret"``…, a name
            in ``coodie.options.VALUE_TYPES``: coodie-core validates the value, and parses it in URLs and
            environment variables. Or a description in words; then ``coodie_check_config`` has to validate the
            value.
        default: The default.
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
    """The description of a backend.

    Args:
        summary: One line.
        options: The backend's options, in addition to the fields of ``ConnectionConfig``.
        connection_fields: The supported fields of ``ConnectionConfig``; coodie-core rejects the others.
        capabilities: The capabilities of its drivers.
        needs: Its dependencies as requirements, such as ``"acme-client>=2"``; a name without a version has
            the versions in the backend's own metadata. coodie-core checks that they are installed before a
            driver is opened, without importing them.
    """

    summary: str
    options: tuple[OptionDescription, ...] = ()
    connection_fields: frozenset[str] = _ALL_FIELDS
    capabilities: frozenset[Capability] = frozenset()
    needs: tuple[str, ...] = ()
