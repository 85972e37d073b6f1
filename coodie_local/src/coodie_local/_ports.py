"""Choosing loopback addresses, and TCP ports that nobody has on them."""

from __future__ import annotations

import errno
import ipaddress
import random
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from coodie_local._plan import Ports
from coodie_local.errors import PortInUseError, UnsupportedPlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["choose_hosts", "choose_ports", "consecutive_hosts", "port_is_free"]

#: Below the range (32768 and up on Linux, 49152 and up elsewhere) from which the system takes
#: the near ends of outgoing connections, so that none of those gets in between.
_RANGE = range(20_000, 32_000)
_TRIES = 200

#: 127.0.X.1, 127.0.X.2…: where the nodes of a cluster listen, each cluster in a block of its own.
_BLOCKS = range(2, 255)


def choose_hosts(count: int, native: int | None = None) -> tuple[str, ...]:
    """Choose the addresses of a cluster's nodes.

    Args:
        count: How many nodes.
        native: The port for CQL where it is settled; a block where it is free is preferred.

    Returns:
        127.0.0.1 for one node, else consecutive addresses of a block that other clusters hardly have.
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
    """Name so many addresses from a first one on."""
    address = ipaddress.IPv4Address(first)
    return tuple(str(address + number) for number in range(count))


def choose_ports(hosts: Sequence[str], native: int | None = None, *, wished: Ports | None = None) -> Ports:
    """Choose the ports of a cluster's nodes, the same ones on each address.

    Another process can take one before the JVM binds it; the caller then chooses again.

    Args:
        hosts: The addresses to be bound.
        native: The port for CQL where it is settled; it must be free.
        wished: Ports to be taken where they are still free.

    Raises:
        PortInUseError: The settled port isn't free.
    """
    if native is not None:
        for host in hosts:
            if not port_is_free(host, native):
                msg = f"The port {native} on {host} is in use by another process."
                hint = "Stop that process, or leave port= out to have a free one chosen."
                raise PortInUseError(msg, hint=hint)
    with ExitStack() as held:
        # held until all are chosen, so that they differ
        def chosen(settled: int | None, wish: int | None) -> int:
            if settled is not None:
                return settled
            if wish is not None and wish != native and all(port_is_free(host, wish) for host in hosts):
                return wish
            return _hold_free_port(hosts, held, avoid=native)

        return Ports(
            native=chosen(native, None if wished is None else wished.native),
            storage=chosen(None, None if wished is None else wished.storage),
            ssl_storage=chosen(None, None if wished is None else wished.ssl_storage),
        )


def port_is_free(host: str, port: int) -> bool:
    """Say whether a server could listen on a port now.

    As servers do, it takes the address although closed connections linger on it (SO_REUSEADDR);
    a listener is then still in the way, which only listen() tells for sure.

    Raises:
        UnsupportedPlatformError: This system doesn't have the address.
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
                hint = f"On macOS, run: sudo ifconfig lo0 alias {host} (for each node), and give host=."
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
                    # without SO_REUSEADDR: strict, so that nothing at all is on the port
                    attempt.enter_context(socket.socket()).bind((host, port))
            except OSError:
                continue
            held.push(attempt.pop_all())
            return port
    msg = f"No free port was found on {', '.join(hosts)} between {_RANGE.start} and {_RANGE.stop - 1}."
    raise PortInUseError(msg, hint="Stop what listens there, or give port=.")
