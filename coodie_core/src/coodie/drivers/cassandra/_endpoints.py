"""The addresses and ports of nodes, from the rows of the system tables."""

from __future__ import annotations

import socket
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cassandra.connection import DefaultEndPoint, DefaultEndPointFactory, UnixSocketEndPoint

from coodie.drivers.cassandra._server_names import NamedEndPoint, NamedUnixEndPoint
from coodie.options.hosts import ContactPoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["NodeEndPoints", "contact_endpoint"]

#: The endpoints through which a node may be known, whatever it announces.
_OURS = (DefaultEndPoint, NamedEndPoint, UnixSocketEndPoint, NamedUnixEndPoint)


def contact_endpoint(point: ContactPoint) -> Any:
    """Return a contact point as the drivers' Cluster takes it."""
    if point.is_path:
        return UnixSocketEndPoint(point.host)
    return point.host if point.port is None else (point.host, point.port)


class NodeEndPoints(DefaultEndPointFactory):  # type: ignore[misc]  # the drivers have no types
    """Create endpoints as the drivers do, except where they would lose the port or address that works.

    The drivers read no port from ``system.local`` and ``system.peers``, and assume that all nodes have the
    same one. A node whose announced address is a contact point has that contact point's port.

    The only node of a cluster has the address through which it was reached, whatever it announces: it may be
    behind a forwarded port. So has a node that was reached through a Unix socket. cassandra-driver does the
    same for any node with the control connection.

    With an address map, a node has the endpoint that its announced address stands for. A name is resolved
    again for each connection.

    Args:
        port: The port of nodes whose port is unknown.
        address_map: Announced addresses, with a port or None → the hosts to connect to.
    """

    def __init__(
        self, port: int | None, address_map: Mapping[ContactPoint, ContactPoint] = MappingProxyType({})
    ) -> None:
        super().__init__(port)
        self._map = address_map
        self._last = threading.local()
        #: By host id: the announced address, and the endpoint through which the node was reached.
        self._reached: dict[Any, tuple[str, Any]] = {}

    def note(self, connection: Any, responses: Iterable[Any]) -> None:
        """Note whether a connection's node is the only one, before the driver creates its endpoint.

        Args:
            connection: The control connection; the driver waits for its responses in the current thread.
            responses: The responses.
        """
        for response in responses:
            if "peer" in (getattr(response, "column_names", None) or ()):
                self._last.is_only = not response.parsed_rows
                self._last.endpoint = connection.endpoint

    def create(self, row: Mapping[str, Any]) -> Any:
        """Return a node's endpoint."""
        announced = super().create(row)
        mapped = self._mapped(announced)
        if mapped is not None:
            return mapped
        host_id, address = row.get("host_id"), announced.address
        last: Any = getattr(self._last, "endpoint", None)
        if "peer" not in row and type(last) in _OURS and (self._is_own(last) or last.address == address):
            self._reached[host_id] = address, last
        known, endpoint = self._reached.get(host_id, (None, announced))
        if known == address:
            return endpoint
        if not (row.get("rpc_port") or row.get("native_port")):
            ports = {point.port for point in self.cluster.endpoints_resolved if point.address == address}
            if len(ports) == 1:
                return DefaultEndPoint(address, ports.pop())
        return announced

    def _is_own(self, last: Any) -> bool:
        """Return whether the endpoint is that of a single node, whatever the node announces."""
        return self._last.is_only or isinstance(last, UnixSocketEndPoint)

    def _mapped(self, announced: Any) -> Any:
        """Return the endpoint for an announced one; None if the map doesn't have it."""
        address, port = announced.address, announced.port
        outer = self._map.get(ContactPoint(address, port)) or self._map.get(ContactPoint(address, None))
        if outer is None:
            return None
        if outer.is_path:
            return UnixSocketEndPoint(outer.host)
        found = DefaultEndPoint(outer.host, outer.port or port)
        # The node may be known by the endpoint of a contact point. It has to stay the same: for the drivers,
        # a node with another endpoint is a new one.
        same = {found, *(DefaultEndPoint(one, found.port) for one in _resolved(outer.host, found.port))}
        known = (host.endpoint for host in self.cluster.metadata.all_hosts())
        return next((endpoint for endpoint in known if endpoint in same), found)


def _resolved(host: str, port: int) -> list[str]:
    try:
        infos = socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
    except OSError:
        return []  # connecting reports it
    return [str(info[4][0]) for info in infos]
