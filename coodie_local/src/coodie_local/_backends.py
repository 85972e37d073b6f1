"""Which installed backend talks to the local node, settled before anything is started."""

from __future__ import annotations

from coodie.exceptions import ConfigurationError, DriverNotFoundError, OverwrittenModuleError
from coodie.plugins.integrity import check_module_owner
from coodie.registry.registry import installed_drivers

__all__ = ["BACKENDS", "choose_backend"]

#: driver_type → the distribution of the Python driver that it is made of.
_DRIVERS = {"scylla": "scylla-driver", "cassandra": "cassandra-driver"}

#: The driver_types that can talk to a local node.
BACKENDS = tuple(_DRIVERS)

#: How the first of them is installed, and how the other.
_INSTALL = ('pip install "coodie-core[scylla]"', 'pip install "coodie-core[cassandra]"')


def choose_backend(wanted: object) -> str:
    """Choose the backend, and make sure that its driver is the one that would be imported.

    Args:
        wanted: "scylla", "cassandra", or None for the one that is installed.

    Returns:
        Its driver_type.

    Raises:
        ConfigurationError: It isn't one of the two.
        DriverNotFoundError: It, or any, isn't installed.
        OverwrittenModuleError: Both are, and their drivers overwrite each other's files.
        DriverDependencyError: Its driver isn't installed.
    """
    installed = tuple(entry.driver_type for entry in installed_drivers() if entry.driver_type in _DRIVERS)
    if wanted is None:
        chosen = _only(installed)
    elif wanted in _DRIVERS:
        chosen = str(wanted)
        if chosen not in installed:
            msg = f"driver_type='local' with backend={chosen!r} needs coodie-{chosen}, which isn't installed."
            command = f'pip install "coodie-core[{chosen}]"'
            raise DriverNotFoundError(msg, command=command, driver_type=chosen, installed=installed)
    else:
        msg = f"backend={wanted!r} can't talk to a local node."
        hint = f"Give one of {', '.join(map(repr, BACKENDS))}, or leave it out where one is installed."
        raise ConfigurationError(msg, hint=hint, option="backend")
    rivals = tuple(name for name in _DRIVERS.values() if name != _DRIVERS[chosen])
    check_module_owner("cassandra", _DRIVERS[chosen], rivals, driver_type=chosen)
    return chosen


def _only(installed: tuple[str, ...]) -> str:
    if not installed:
        msg = "driver_type='local' needs a backend to talk to the node, and none is installed."
        hint = f"Install one: {_INSTALL[1]}, or:"
        raise DriverNotFoundError(msg, hint=hint, command=_INSTALL[0], driver_type="local")
    only, *others = installed
    if others:
        msg = "coodie-scylla and coodie-cassandra are both installed, and their drivers own the same package."
        raise OverwrittenModuleError(
            msg,
            hint="One environment holds one of them. Run:",
            command="pip uninstall --yes coodie-cassandra cassandra-driver && "
            "pip install --force-reinstall --no-deps scylla-driver",
            driver_type="local",
            module="cassandra",
            distributions=tuple(_DRIVERS.values()),
        )
    return only
