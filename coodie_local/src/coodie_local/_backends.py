"""The choice of the installed backend for the local node, before a node is started."""

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

#: driver_type → the distribution of its Python driver.
_DRIVERS = {"scylla": "scylla-driver", "cassandra": "cassandra-driver"}

#: The driver_types that can connect to a local node.
BACKENDS = tuple(_DRIVERS)


def choose_backend(wanted: object) -> str:
    """Choose the backend, and check that its driver is the one that would be imported.

    Args:
        wanted: "scylla" or "cassandra"; None: the installed one.

    Returns:
        The backend's driver_type.

    Raises:
        ConfigurationError: The backend isn't supported, or third-party distributions provide both.
        DriverNotFoundError: The backend isn't installed, or none is.
        DriverLoadError: The backend is blocked, or incompatible with this version of coodie.
        OverwrittenModuleError: Both are installed, and their drivers overwrite each other's files.
        DriverDependencyError: The backend's driver isn't installed.
    """
    if wanted is None:
        chosen = _installed_backend()
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
        hint = f"Use one of {', '.join(map(repr, BACKENDS))}, or omit it if one is installed."
        raise ConfigurationError(msg, hint=hint, option="backend")
    rivals = tuple(name for name in _DRIVERS.values() if name != _DRIVERS[chosen])
    check_module_owner("cassandra", _DRIVERS[chosen], rivals, driver_type=chosen)
    return chosen


def _installed_backend() -> str:
    """Return the only usable driver_type; coodie's distributions take precedence over third parties'."""
    usable: dict[str, DriverEntryPoint] = {}
    errors: list[DriverLoadError] = []
    for driver_type in _DRIVERS:
        try:
            usable[driver_type] = current_registry().plugins.chosen(driver_type)
        except DriverNotFoundError:
            continue
        except DriverLoadError as exc:
            errors.append(exc)
    if not usable:
        if errors:
            raise errors[0]
        msg = "driver_type='local' needs a backend, and none is installed."
        first, second = (KNOWN[name].install for name in BACKENDS)
        hint = f"To install one, {to_run(first)} {second}, or:"
        raise DriverNotFoundError(msg, hint=hint, command=first, driver_type="local")
    ours = [name for name, entry in usable.items() if entry.canonical == KNOWN[name].distribution]
    only, *others = ours or usable
    if others and not ours:
        owners = " and ".join(f"{name!r} of {entry.owner}" for name, entry in usable.items())
        msg = f"driver_type='local' can use more than one backend: {owners}."
        hint = f"Select one: backend={only!r}."
        raise ConfigurationError(msg, hint=hint, option="backend")
    if others:
        msg = "coodie-scylla and coodie-cassandra are both installed; their drivers install the same package."
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
