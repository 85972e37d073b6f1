"""Choosing TCP ports that nobody has."""

from __future__ import annotations

import errno
import random
import socket
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from coodie_local._plan import Ports
from coodie_local.errors import PortInUseError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["choose_ports", "port_is_free"]

#: Below the range (32768 and up on Linux, 49152 and up elsewhere) from which the system takes
#: the near ends of outgoing connections, so that none of those gets in between.
_RANGE = range(20_000, 32_000)
_TRIES = 200


def choose_ports(host: str, native: int | None = None, *, wished: Iterable[int] = ()) -> Ports:
    """Choose a node's ports.

    Another process can take one before the JVM binds it; the caller then chooses again.

    Args:
        host: The address to be bound.
        native: The port for CQL where it is settled; it must be free.
        wished: Ports (native, storage, ssl_storage) to be taken if they are all still free.

    Raises:
        PortInUseError: The settled port isn't free.
    """
    if native is not None and not port_is_free(host, native):
        msg = f"The port {native} on {host} is in use by another process."
        hint = "Stop that process, or leave port= out to have a free one chosen."
        raise PortInUseError(msg, hint=hint)
    previous = tuple(wished)
    if (
        len(previous) == 3  # noqa: PLR2004 - native, storage, ssl_storage
        and native in (None, previous[0])
        and all(port_is_free(host, port) for port in previous)
    ):
        return Ports(*previous)
    with ExitStack() as held:
        # held until all are chosen, so that they differ
        chosen = [_hold_free_port(host, held, avoid=native) for _ in range(3)]
    return Ports(native=chosen[0] if native is None else native, storage=chosen[1], ssl_storage=chosen[2])


def port_is_free(host: str, port: int) -> bool:
    """Say whether a server could listen on a port now.

    As servers do, it takes the address although closed connections linger on it (SO_REUSEADDR);
    a listener is then still in the way, which only listen() tells for sure.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _hold_free_port(host: str, held: ExitStack, *, avoid: int | None) -> int:
    # without SO_REUSEADDR: strict, so that nothing at all is on the port
    probe = held.enter_context(socket.socket())
    for _ in range(_TRIES):
        port = random.choice(_RANGE)  # noqa: S311 - any will do
        if port != avoid:
            with suppress(OSError):
                probe.bind((host, port))
                return port
    msg = f"No free port was found on {host} between {_RANGE.start} and {_RANGE.stop - 1}."
    raise PortInUseError(msg, hint="Stop what listens there, or give port=.")
