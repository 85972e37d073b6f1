"""The subclasses of the drivers' connections read data in any pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cassandra.connection import Connection, DefaultEndPoint

from coodie.drivers.cassandra._connection import attentive
from coodie.drivers.cassandra.fastpath.driver_internals import _Handshake
from coodie.protocol.segments import Segments

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Three RESULTs of version 5, without flags, each with its stream as the body.
_FRAMES = [b"\x85\x00\x00" + bytes([n]) + b"\x08\x00\x00\x00\x01" + bytes([n]) for n in range(3)]


def _bodies(connection: Any, pieces: Iterable[bytes]) -> list[bytes]:
    """Have a connection read data in pieces; return the bodies of its frames."""
    bodies: list[bytes] = []
    connection.process_msg = lambda _, body: bodies.append(body)
    for piece in pieces:
        connection._iobuf.write(piece)
        connection.process_io_buffer()
    return bodies


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("kind", [attentive(Connection), _Handshake], ids=["session", "handshake"])
def test_a_read_may_end_anywhere(kind: Any, size: int) -> None:
    """The drivers drop the part of a segment's header that a read ends with: its checksum is wrong then."""
    connection = kind.__new__(kind)
    Connection.__init__(connection, DefaultEndPoint("127.0.0.1"), protocol_version=5)
    connection._enable_checksumming()
    data = b"".join(bytes(Segments().wrap([frame])) for frame in _FRAMES)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert _bodies(connection, pieces) == [b"\x00", b"\x01", b"\x02"]
