"""Encoding and decoding of numbers, texts, lists, maps (section 3) and values of simple types (section 5).

``Reader`` decodes a body from left to right; the functions encode its parts. They are used for rare messages:
handshakes, errors, and the messages that a proxy inspects. Parameters and rows are encoded and decoded by
the fast path's generated code, from the layouts below.
"""

from __future__ import annotations

from enum import IntEnum
from ipaddress import ip_address
from struct import Struct
from typing import TYPE_CHECKING

from coodie.protocol.errors import BrokenMessageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from ipaddress import IPv4Address, IPv6Address

__all__ = [
    "FIXED_SIZE",
    "INT",
    "LONG",
    "SHORT",
    "VARIABLE_SIZE",
    "Consistency",
    "Reader",
    "encode_bytes",
    "encode_bytes_map",
    "encode_inet_address",
    "encode_long_string",
    "encode_short_bytes",
    "encode_string",
    "encode_string_list",
    "encode_string_map",
    "encode_string_multimap",
]

#: Type families of fixed size: the struct format, and the size in bytes.
FIXED_SIZE = {
    "bigint": ("q", 8),
    "boolean": ("?", 1),
    "counter": ("q", 8),
    "double": ("d", 8),
    "float": ("f", 4),
    "int": ("i", 4),
    "smallint": ("h", 2),
    "timestamp": ("q", 8),
    "timeuuid": ("16s", 16),
    "tinyint": ("b", 1),
    "uuid": ("16s", 16),
}

#: Type families of variable size: text and bytes.
VARIABLE_SIZE = ("ascii", "blob", "text")

#: [int], [long] and the unsigned [short].
INT = Struct(">i")
LONG = Struct(">q")
SHORT = Struct(">H")

#: Sizes of an [inetaddr] in bytes: IPv4, IPv6.
_ADDRESS_SIZES = (4, 16)


class Consistency(IntEnum):
    """[consistency]: the number of replicas that have to respond."""

    ANY = 0x0000
    ONE = 0x0001
    TWO = 0x0002
    THREE = 0x0003
    QUORUM = 0x0004
    ALL = 0x0005
    LOCAL_QUORUM = 0x0006
    EACH_QUORUM = 0x0007
    SERIAL = 0x0008
    LOCAL_SERIAL = 0x0009
    LOCAL_ONE = 0x000A


class Reader:
    """Decode a body from left to right.

    The methods raise BrokenMessageError if the body is too short, or a text isn't UTF-8.

    Args:
        body: The frame's body.
        position: The start position.
    """

    def __init__(self, body: bytes, position: int = 0) -> None:
        self._body = body
        self.position = position

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        begin, end = self.position, self.position + size
        if size < 0 or end > len(self._body):
            raise BrokenMessageError(f"Expected {size} more bytes, got {len(self._body) - begin}.")
        self.position = end
        return self._body[begin:end]

    def rest(self) -> bytes:
        """Return the remaining bytes."""
        return self.take(len(self._body) - self.position)

    @property
    def is_at_end(self) -> bool:
        """Whether all bytes have been read."""
        return self.position == len(self._body)

    def read_byte(self) -> int:
        """Read a [byte]."""
        return self.take(1)[0]

    def read_short(self) -> int:
        """Read a [short]."""
        return int.from_bytes(self.take(2), "big")

    def read_int(self) -> int:
        """Read an [int]."""
        return int.from_bytes(self.take(4), "big", signed=True)

    def read_string(self) -> str:
        """Read a [string]: its length is a [short]."""
        return _text(self.take(self.read_short()))

    def read_long_string(self) -> str:
        """Read a [long string]: its length is an [int]."""
        return _text(self.take(self.read_int()))

    def read_bytes(self) -> bytes | None:
        """Read [bytes], or a [value] that isn't "not set"; None for a null, whose length is negative."""
        size = self.read_int()
        return None if size < 0 else self.take(size)

    def read_short_bytes(self) -> bytes:
        """Read [short bytes]."""
        return self.take(self.read_short())

    def read_string_list(self) -> list[str]:
        """Read a [string list]."""
        return [self.read_string() for _ in range(self.read_short())]

    def read_string_map(self) -> dict[str, str]:
        """Read a [string map]."""
        return {self.read_string(): self.read_string() for _ in range(self.read_short())}

    def read_string_multimap(self) -> dict[str, list[str]]:
        """Read a [string multimap]."""
        return {self.read_string(): self.read_string_list() for _ in range(self.read_short())}

    def read_bytes_map(self) -> dict[str, bytes | None]:
        """Read a [bytes map]."""
        return {self.read_string(): self.read_bytes() for _ in range(self.read_short())}

    def read_inet_address(self) -> IPv4Address | IPv6Address:
        """Read an [inetaddr]: an address without a port."""
        size = self.read_byte()
        if size not in _ADDRESS_SIZES:
            raise BrokenMessageError(f"Expected an address of 4 or 16 bytes, got {size}.")
        return ip_address(self.take(size))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise BrokenMessageError("A string isn't UTF-8.") from exc


def encode_string(text: str) -> bytes:
    """Encode a [string]."""
    return encode_short_bytes(text.encode())


def encode_long_string(text: str) -> bytes:
    """Encode a [long string]."""
    return encode_bytes(text.encode())


def encode_bytes(data: bytes) -> bytes:
    """Encode [bytes], or a [value]."""
    return INT.pack(len(data)) + data


def encode_short_bytes(data: bytes) -> bytes:
    """Encode [short bytes]."""
    return SHORT.pack(len(data)) + data


def encode_string_list(texts: Sequence[str]) -> bytes:
    """Encode a [string list]."""
    return _counted([encode_string(text) for text in texts])


def encode_string_map(texts: Mapping[str, str]) -> bytes:
    """Encode a [string map]."""
    return _counted([encode_string(key) + encode_string(text) for key, text in texts.items()])


def encode_string_multimap(lists: Mapping[str, Sequence[str]]) -> bytes:
    """Encode a [string multimap]."""
    return _counted([encode_string(key) + encode_string_list(texts) for key, texts in lists.items()])


def encode_bytes_map(values: Mapping[str, bytes]) -> bytes:
    """Encode a [bytes map]."""
    return _counted([encode_string(key) + encode_bytes(value) for key, value in values.items()])


def encode_inet_address(address: IPv4Address | IPv6Address) -> bytes:
    """Encode an [inetaddr]."""
    return bytes([len(address.packed)]) + address.packed


def _counted(items: Iterable[bytes]) -> bytes:
    """Return the items, prefixed with their number as a [short]."""
    items = list(items)
    return SHORT.pack(len(items)) + b"".join(items)
