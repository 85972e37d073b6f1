"""Parts of the native protocol's messages that checks read from requests, and add to responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from coodie.protocol.codec import Consistency, Reader, encode_string_list
from coodie.protocol.frames import WARNING, Opcode
from coodie_testing.faults.fault import Fault

if TYPE_CHECKING:
    from coodie.protocol.frames import RawFrame
    from coodie_testing.faults.connection import ProxiedConnection
    from coodie_testing.faults.rules import RecordedRequest

__all__ = ["RequestParameters", "ServerWarning", "request_parameters"]

#: The requests that have parameters.
_WITH_PARAMETERS = (Opcode.QUERY, Opcode.EXECUTE, Opcode.BATCH)

#: The first version with flags of four bytes, and ids of result metadata.
_VERSION_5 = 5

#: Flags of QUERY, EXECUTE and BATCH (native_protocol_v5.spec, section 4.1.4).
_VALUES, _PAGE_SIZE, _PAGING_STATE, _SERIAL_CONSISTENCY, _NAMES = 0x01, 0x04, 0x08, 0x10, 0x40


class RequestParameters(NamedTuple):
    """The parameters of a QUERY, EXECUTE or BATCH, besides the values.

    Args:
        consistency: The name of the level.
        page_size: The page size, or None.
        serial_consistency: The name of the level, or None.
    """

    consistency: str
    page_size: int | None = None
    serial_consistency: str | None = None


def request_parameters(request: RecordedRequest) -> RequestParameters:
    """Decode the parameters of a request that a proxy has recorded.

    Args:
        request: A QUERY, EXECUTE or BATCH.

    Raises:
        ValueError: It is another request, such as the PREPARE of a statement that a driver prepares again.
    """
    if request.opcode not in _WITH_PARAMETERS:
        raise ValueError(f"{Opcode(request.opcode).name} has no parameters.")
    reader = Reader(request.body)
    if request.opcode == Opcode.BATCH:
        _skip_statements(reader)
    elif request.opcode == Opcode.QUERY:
        reader.read_long_string()
    else:
        reader.read_short_bytes()
        if request.protocol >= _VERSION_5:
            reader.read_short_bytes()
    level = Consistency(reader.read_short()).name
    flags = reader.read_int() if request.protocol >= _VERSION_5 else reader.read_byte()
    if flags & _VALUES and request.opcode != Opcode.BATCH:
        for _ in range(reader.read_short()):
            if flags & _NAMES:
                reader.read_string()
            reader.read_bytes()
    page_size = reader.read_int() if flags & _PAGE_SIZE else None
    if flags & _PAGING_STATE:
        reader.read_bytes()
    serial = Consistency(reader.read_short()).name if flags & _SERIAL_CONSISTENCY else None
    return RequestParameters(level, page_size, serial)


def _skip_statements(reader: Reader) -> None:
    """Skip the type and the statements of a BATCH."""
    reader.read_byte()
    for _ in range(reader.read_short()):
        if reader.read_byte():
            reader.read_short_bytes()
        else:
            reader.read_long_string()
        for _ in range(reader.read_short()):
            reader.read_bytes()


@dataclass(frozen=True, kw_only=True)
class ServerWarning(Fault):
    """The response has a warning of the server (native_protocol_v5.spec, section 2.2)."""

    text: str

    async def respond(
        self, connection: ProxiedConnection, request: RawFrame, response: RawFrame | None
    ) -> None:
        """Add the warning; the response has no trace id, which would precede it."""
        assert response is not None
        body = encode_string_list([self.text]) + response.body
        await connection.send_response(response._replace(flags=response.flags | WARNING, body=body))
