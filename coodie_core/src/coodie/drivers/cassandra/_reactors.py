"""The drivers' event loops: whether one can be loaded, and whether it can run in this process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.exceptions import ConfigurationError, DriverDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_patching", "import_cluster"]


class _Patcher(NamedTuple):
    """A library that patches the standard library.

    Attributes:
        module: Its module that knows what is patched.
        function: The function of that which tells, of a module.
        names: The modules that the drivers' connections need.
        reactor: The module of cassandra-driver's connections for it; scylla-driver has none.
    """

    module: str
    function: str
    names: tuple[str, ...]
    reactor: str


_PATCHERS = {
    "gevent": _Patcher(
        "gevent.monkey", "is_module_patched", ("socket", "threading"), "cassandra.io.geventreactor"
    ),
    "eventlet": _Patcher(
        "eventlet.patcher", "is_monkey_patched", ("socket", "thread"), "cassandra.io.eventletreactor"
    ),
}


def import_cluster() -> Any:
    """Import the driver's module with Cluster, and return the class.

    Raises:
        DriverDependencyError: cassandra-driver finds no event loop: neither libev, which its part in C
            takes, nor asyncore, which Python has no more since 3.12.
    """
    from cassandra import DependencyException

    try:
        from cassandra.cluster import Cluster
    except DependencyException as exc:
        package = "pyasyncore"
        message = (
            "The driver can't load an event loop: its part in C isn't there, and Python has no asyncore."
        )
        hint = (
            "Install the driver from a wheel, or with libev's headers and a compiler. Or bring asyncore back:"
        )
        raise DriverDependencyError(
            message, hint=hint, command=f"pip install {package}", missing=package, requirement=package
        ) from exc
    return Cluster


def check_patching(connection_class: Any) -> None:
    """Refuse connections that would hang, since a library has patched what their event loop's thread needs.

    Args:
        connection_class: The driver's.

    Raises:
        ConfigurationError: gevent or eventlet has patched sockets or threads, and has other connections.
    """
    for library, patcher in _PATCHERS.items():
        is_patched: Callable[[str], bool] | None = getattr(
            sys.modules.get(patcher.module), patcher.function, None
        )
        if is_patched is None:
            continue
        patched = tuple(name for name in patcher.names if is_patched(name))
        if not patched or (patched == patcher.names and connection_class.__module__ == patcher.reactor):
            continue
        where = f"{connection_class.__module__}.{connection_class.__name__}"
        message = f"{library} has patched {' and '.join(patched)}, and connections of {where} would hang."
        hint = (
            "Patch nothing; or connect with driver_type='cassandra', whose driver has connections for "
            f"{library}, and patch both sockets and threads before anything of it is imported."
        )
        raise ConfigurationError(message, hint=hint, option="driver_type")
