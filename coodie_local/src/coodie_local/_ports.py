"""The choice of loopback addresses and free TCP ports."""

from __future__ import annotations

import errno
import ipaddress
import random
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from coodie_local._state import Ports
from coodie_local.errors import PortInUseError, UnsupportedPlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["choose_hosts", "choose_ports", "consecutive_hosts", "port_is_free"]

#: Below the ephemeral ports of outgoing connections (from 32768 on Linux, from 49152 elsewhere).
_RANGE = range(20_000, 32_000)
_TRIES = 200

#: 127.0.X.1, 127.0.X.2…: the addresses of a cluster's nodes; each cluster has its own block.
_BLOCKS = range(2, 255)


def choose_hosts(count: int, native: int | None = None) -> tuple[str, ...]:
    """Choose the addresses of a cluster's nodes.

    Args:
        count: The number of nodes.
        native: The requested CQL port, or None; a block in which it is free is preferred.

    Returns:
        127.0.0.1 for one node, else consecutive addresses of a random block.
    """
    if count == 1:
        return ("127.0.0.1",)
    blocks = random.sample(_BLOCKS, 20)
    candidates = [consecutive_hosts(f"127.0.{block}.1", count) for block in blocks]
    for hosts in candidates:
        if native is None or all(port_is_free(host, native) for host in hosts):
            return hosts
    return candidates[0]


def consecutive_hosts(first: str, count: int) -> tuple[str, ...]:
    """Return a number of consecutive addresses."""
    address = ipaddress.IPv4Address(first)
    return tuple(str(address + number) for number in range(count))


def choose_ports(hosts: Sequence[str], native: int | None = None, *, preferred: Ports | None = None) -> Ports:
    """Choose the ports of a cluster's nodes, the same on each address.

    Another process may take one before the JVM binds it; the caller must then retry.

    Args:
        hosts: The addresses to bind.
        native: The requested CQL port, or None; it must be free.
        preferred: Ports to use if they are free.

    Raises:
        PortInUseError: The requested port isn't free.
    """
    if native is not None:
        for host in hosts:
            if not port_is_free(host, native):
                msg = f"The port {native} on {host} is in use by another process."
                hint = "Stop that process, or omit port= to use a free one."
                raise PortInUseError(msg, hint=hint)
    with ExitStack() as held:
        # sockets stay bound until all ports are chosen, so that they differ
        def choose(port: int) -> int:
            if port and port != native and all(port_is_free(host, port) for host in hosts):
                return port
            return _hold_free_port(hosts, held, avoid=native)

        wanted = preferred or Ports(0, 0, 0)
        return Ports(
            native=native or choose(wanted.native),
            storage=choose(wanted.storage),
            ssl_storage=choose(wanted.ssl_storage),
        )


def port_is_free(host: str, port: int) -> bool:
    """Return whether a server could listen on a port.

    Connections in TIME_WAIT are ignored (SO_REUSEADDR). Only listen() detects other listeners reliably.

    Raises:
        UnsupportedPlatformError: The system doesn't have the address.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return False
            if exc.errno == errno.EADDRNOTAVAIL:
                msg = f"The address {host} can't be bound on this system."
                hint = f"On macOS, run: sudo ifconfig lo0 alias {host} (for each node), and set host=."
                raise UnsupportedPlatformError(msg, hint=hint) from exc
            raise
    return True


def _hold_free_port(hosts: Sequence[str], held: ExitStack, *, avoid: int | None) -> int:
    for _ in range(_TRIES):
        port = random.choice(_RANGE)  # noqa: S311 - any will do
        if port == avoid:
            continue
        with ExitStack() as attempt:
            try:
                for host in hosts:
                    # without SO_REUSEADDR: fails if any socket uses the port
                    attempt.enter_context(socket.socket()).bind((host, port))
            except OSError:
                continue
            held.push(attempt.pop_all())
            return port
    msg = f"No free port was found on {', '.join(hosts)} between {_RANGE.start} and {_RANGE.stop - 1}."
    raise PortInUseError(msg, hint="Stop the programs that use these ports, or set port=.")
