"""The codec of the driver that is installed: what it writes, and how it reads what we write."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from cassandra.protocol import ProtocolHandler

from coodie.drivers.cassandra.fastpath.driver_internals import _features

__all__ = ["body_of", "read_by_driver"]


def body_of(message: Any, version: int) -> bytes:
    """Return the body that the driver writes for a request."""
    out = BytesIO()
    message.send_body(out, version)
    return out.getvalue()


def read_by_driver(opcode: int, body: bytes, version: int, flags: int = 0) -> Any:
    """Return the driver's object of an answer."""
    before = () if _features() is None else (_features(),)
    return ProtocolHandler.decode_message(version, *before, {}, 0, flags, opcode, body, None, None)
