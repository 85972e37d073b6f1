"""What plug-ins mark their hooks with, and what a backend says of itself.

The hooks are specified in ``coodie.plugins.hooks`` for backends, in ``coodie.observers.hooks`` for observers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import pluggy

from coodie.options.connection import NOT_OF_THE_CONNECTION, ConnectionConfig

if TYPE_CHECKING:
    from coodie.capabilities import Capability

__all__ = ["DRIVER_HOOKS", "PROJECT", "DriverDescription", "OptionDescription", "hookimpl", "hookspec"]

#: The name under which pluggy knows our hooks.
PROJECT = "coodie"

#: Marks the specification of a hook.
hookspec = pluggy.HookspecMarker(PROJECT)

#: Marks a backend's or an observer's implementation of a hook.
hookimpl = pluggy.HookimplMarker(PROJECT)

#: The names of a backend's hooks; they are specified in a layer above the observers', which let them pass.
DRIVER_HOOKS = frozenset(
    {
        "coodie_check_config",
        "coodie_describe_driver",
        "coodie_inspect_driver",
        "coodie_open_driver",
        "coodie_open_driver_async",
    }
)

_ALL_FIELDS = frozenset(entry.name for entry in fields(ConnectionConfig)) - NOT_OF_THE_CONNECTION


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionDescription:
    """One of a backend's own options.

    Args:
        name: As given to ``init_coodie``.
        type: ``"str"``, ``"bool"``, ``"int"``, ``"float"``, ``"count"``, ``"seconds"``, ``"secret"``…, a
            name in ``coodie.options.VALUE_TYPES``: core checks the value, and reads it in URLs and
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
