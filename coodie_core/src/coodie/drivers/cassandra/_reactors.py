"""The drivers' event loops: check that one can be imported, and that it works in this process."""

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
        module: The module with the function.
        function: The function that returns whether a module is patched.
        names: The modules that the drivers' connections need.
        reactor: The module of cassandra-driver's connection class for the library; scylla-driver has none.
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
    """Import and return the driver's Cluster class.

    Raises:
        DriverDependencyError: cassandra-driver has no event loop: neither its C extension for libev, nor
            asyncore, which was removed in Python 3.12.
    """
    from cassandra import DependencyException

    try:
        from cassandra.cluster import Cluster
    except DependencyException as exc:
        package = "pyasyncore"
        message = (
            "The driver can't load an event loop: its C extension is missing, and Python has no asyncore."
        )
        hint = "Install the driver from a wheel, or build it with libev's headers. Or install asyncore:"
        raise DriverDependencyError(
            message, hint=hint, command=f"pip install {package}", missing=package, requirement=package
        ) from exc
    return Cluster


def check_patching(connection_class: Any) -> None:
    """Raise if connections would hang because their event loop's thread uses patched modules.

    Args:
        connection_class: The driver's connection class.

    Raises:
        ConfigurationError: gevent or eventlet has patched sockets or threads, and needs another class.
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
            "Don't patch the standard library. Or use driver_type='cassandra', whose driver supports "
            f"{library}, and patch both sockets and threads before the driver is imported."
        )
        raise ConfigurationError(message, hint=hint, option="driver_type")
