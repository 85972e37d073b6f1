"""Which installed backend talks to the local node, settled before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.capabilities import KNOWN
from coodie.exceptions import (
    ConfigurationError,
    DriverLoadError,
    DriverNotFoundError,
    OverwrittenModuleError,
)
from coodie.plugins.integrity import check_module_owner
from coodie.registry.registry import current_registry
from coodie_doctor.pip_commands import to_run

if TYPE_CHECKING:
    from coodie.plugins.discovery import DriverEntryPoint

__all__ = ["BACKENDS", "choose_backend"]

#: driver_type → the distribution of the Python driver that it is made of.
_DRIVERS = {"scylla": "scylla-driver", "cassandra": "cassandra-driver"}

#: The driver_types that can talk to a local node.
BACKENDS = tuple(_DRIVERS)


def choose_backend(wanted: object) -> str:
    """Choose the backend, and make sure that its driver is the one that would be imported.

    Args:
        wanted: "scylla", "cassandra", or None for the one that is installed.

    Returns:
        Its driver_type.

    Raises:
        ConfigurationError: It isn't one of the two, or others' distributions announce both.
        DriverNotFoundError: It, or any, isn't installed.
        DriverLoadError: It, or each that is installed, is blocked or made for another version of coodie.
        OverwrittenModuleError: Both are, and their drivers overwrite each other's files.
        DriverDependencyError: Its driver isn't installed.
    """
    if wanted is None:
        chosen = _only()
    elif wanted in _DRIVERS:
        chosen = str(wanted)
        try:
            current_registry().plugins.chosen(chosen)
        except DriverNotFoundError as exc:
            msg = f"driver_type='local' with backend={chosen!r} needs coodie-{chosen}, which isn't installed."
            raise DriverNotFoundError(
                msg, command=KNOWN[chosen].install, driver_type=chosen, installed=exc.installed
            ) from None
    else:
        msg = f"backend={wanted!r} isn't supported by local nodes."
        hint = f"Give one of {', '.join(map(repr, BACKENDS))}, or leave it out where one is installed."
        raise ConfigurationError(msg, hint=hint, option="backend")
    rivals = tuple(name for name in _DRIVERS.values() if name != _DRIVERS[chosen])
    check_module_owner("cassandra", _DRIVERS[chosen], rivals, driver_type=chosen)
    return chosen


def _only() -> str:
    """Return the one driver_type that can be used; those of our distributions go before others'."""
    usable: dict[str, DriverEntryPoint] = {}
    refusals: list[DriverLoadError] = []
    for driver_type in _DRIVERS:
        try:
            usable[driver_type] = current_registry().plugins.chosen(driver_type)
        except DriverNotFoundError:
            continue
        except DriverLoadError as exc:
            refusals.append(exc)
    if not usable:
        if refusals:
            raise refusals[0]
        msg = "driver_type='local' needs a backend, and none is installed."
        first, second = (KNOWN[name].install for name in BACKENDS)
        hint = f"To install one, {to_run(first)} {second}, or:"
        raise DriverNotFoundError(msg, hint=hint, command=first, driver_type="local")
    ours = [name for name, entry in usable.items() if entry.canonical == KNOWN[name].distribution]
    only, *others = ours or usable
    if others and not ours:
        owners = " and ".join(f"{name!r} of {entry.owner}" for name, entry in usable.items())
        msg = f"driver_type='local' can use more than one backend: {owners}."
        hint = f"Name one: backend={only!r}."
        raise ConfigurationError(msg, hint=hint, option="backend")
    if others:
        msg = "coodie-scylla and coodie-cassandra are both installed, and their drivers own the same package."
        raise OverwrittenModuleError(
            msg,
            hint="They can't be installed in the same environment. Run:",
            command="pip uninstall --yes coodie-cassandra cassandra-driver && "
            "pip install --force-reinstall --no-deps scylla-driver",
            driver_type="local",
            module="cassandra",
            distributions=tuple(_DRIVERS.values()),
        )
    return only
