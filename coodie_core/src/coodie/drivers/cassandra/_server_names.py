"""The names that the certificates of nodes are verified for.

The drivers resolve contact points, and verify addresses. But the certificates of most servers have names: a
node has the name in ``hosts`` that resolves to its address.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from cassandra.connection import DefaultEndPoint, UnixSocketEndPoint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coodie.options.hosts import ContactPoint

__all__ = ["NamedEndPoint", "NamedUnixEndPoint", "ServerNames"]

_log = logging.getLogger("coodie.drivers.cassandra")

#: Seconds after which names are resolved again, and the minimum if an address has no name.
_KEEP, _KEEP_UNKNOWN = 30.0, 1.0


class NamedEndPoint(DefaultEndPoint):  # type: ignore[misc]  # the drivers have no types
    """An endpoint with the name that its certificate is verified for; equal to the one without it.

    Args:
        address: The address.
        port: The port.
        name: The name.
    """

    def __init__(self, address: str, port: int, name: str) -> None:
        super().__init__(address, port)
        self._options = {"server_hostname": name}

    @property
    def ssl_options(self) -> dict[str, str]:
        """Arguments of ``wrap_socket``; read by the driver."""
        return self._options


class NamedUnixEndPoint(UnixSocketEndPoint):  # type: ignore[misc]  # as above
    """A Unix socket with the name that the certificate behind it is verified for.

    Args:
        path: The path.
        name: The name.
    """

    def __init__(self, path: str, name: str) -> None:
        super().__init__(path)
        self._options = {"server_hostname": name}

    @property
    def ssl_options(self) -> dict[str, str]:
        """Arguments of ``wrap_socket``; read by the driver."""
        return self._options


class ServerNames:
    """The names of a cluster's nodes.

    Args:
        points: The contact points, with names or addresses.
        every: The name of all nodes; None for those of the contact points.
    """

    def __init__(self, points: Iterable[ContactPoint], every: str | None) -> None:
        self._points = [point for point in points if not _is_address(point.host)]
        self._every = every
        self._lock = threading.Lock()
        #: Address and port, or None for the port, → name.
        self._names: dict[tuple[str, int | None], str] = {}
        self._resolved = float("-inf")

    def named(self, endpoint: Any) -> Any:
        """Return an endpoint with its name, to connect to; may block while names are resolved.

        Args:
            endpoint: The driver's. Endpoints of other classes have names of their own, and aren't changed.
        """
        if type(endpoint) is UnixSocketEndPoint and self._every is not None:
            return NamedUnixEndPoint(endpoint.address, self._every)
        if type(endpoint) not in (DefaultEndPoint, NamedEndPoint):
            return endpoint
        name = self._every or self._name_of(endpoint.address, endpoint.port)
        return endpoint if name is None else NamedEndPoint(endpoint.address, endpoint.port, name)

    def _name_of(self, address: str, port: int) -> str | None:
        if not self._points:
            return None
        with self._lock:
            found = self._known(address, port)
            age = time.monotonic() - self._resolved
            if age > (_KEEP if found is not None else _KEEP_UNKNOWN):
                self._resolve()
                self._resolved = time.monotonic()
                found = self._known(address, port)
            return found

    def _known(self, address: str, port: int) -> str | None:
        return self._names.get((address, port), self._names.get((address, None)))

    def _resolve(self) -> None:
        """Resolve the names; keep the addresses of a name that can't be resolved now."""
        found: dict[tuple[str, int | None], str] = {}
        for host, port in self._points:
            try:
                infos = socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
            except OSError as exc:
                _log.debug("Could not resolve %s: %s.", host, exc)
                addresses = {address for (address, _), name in self._names.items() if name == host}
            else:
                addresses = {str(info[4][0]) for info in infos}
            for address in addresses:
                # The first of several names.
                found.setdefault((address, port), host)
                found.setdefault((address, None), host)
        self._names = found


def _is_address(host: str) -> bool:
    from ipaddress import ip_address  # only needed with TLS

    try:
        ip_address(host)
    except ValueError:
        return False
    return True
