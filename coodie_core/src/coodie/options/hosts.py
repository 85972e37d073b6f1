"""Contact points as text: a name or an address, optionally with a port, or the path of a Unix socket."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["MAX_PORT", "ContactPoint", "parse_host"]

MAX_PORT = 65535

_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::(.*))?")
#: Characters that neither a host name nor an address contains.
_NO_HOST = re.compile(r"[\s/\\@\[\]?#]")


class ContactPoint(NamedTuple):
    """A host and its port; the text has the form that ``parse_host`` takes.

    Attributes:
        host: The name or address, without brackets; or the absolute path of a Unix socket.
        port: The port; None for the connection's, and for a Unix socket.
    """

    host: str
    port: int | None

    @property
    def is_path(self) -> bool:
        """Whether it is the path of a Unix socket."""
        return self.host.startswith("/")

    def __str__(self) -> str:
        if self.port is None or self.is_path:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host(text: str) -> ContactPoint:
    """Parse ``db1``, ``db1:9042``, ``::1``, ``[::1]``, ``[::1]:9042`` or ``/run/cassandra.sock``.

    Raises:
        ValueError: The text is something else; the error is the form to give instead.
    """
    if text.startswith(("unix:", "/")):
        return ContactPoint(_checked_path(text), None)
    if "://" in text:
        raise ValueError("a name or an address, and not a URL")
    if "," in text:
        raise ValueError(f"one str per host: hosts={[part.strip() for part in text.split(',')]!r}")
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed is not None:
        host, port = bracketed.groups()
        if ":" not in host:
            raise ValueError(f"{host!r} without brackets, which are for IPv6 addresses")
    elif _NO_HOST.search(text) is not None:
        raise ValueError("names or addresses, without spaces and slashes, or absolute paths")
    elif text.count(":") > 1:
        host, port = text, None
    else:
        host, colon, after = text.partition(":")
        port = after if colon else None
    if not host:
        raise ValueError("a name or an address before the port")
    if ":" in host:
        _check_address(host)
    return ContactPoint(host, None if port is None else _port(port))


def _checked_path(text: str) -> str:
    if not text.startswith("/") or text.endswith("/") or "\0" in text or "," in text:
        raise ValueError("the absolute path of a Unix socket, such as '/run/cassandra.sock'")
    return text


def _check_address(text: str) -> None:
    from ipaddress import IPv6Address  # a slow import

    try:
        IPv6Address(text)
    except ValueError:
        raise ValueError("an IPv6 address in full, such as '2001:db8::1' or '[2001:db8::1]:9042'") from None


def _port(text: str) -> int:
    # Not int() of other texts, which accepts "1_0" and " 1".
    if text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PORT)) and 0 < int(text) <= MAX_PORT:
        return int(text)
    raise ValueError(f"an integer from 1 to {MAX_PORT} as the port, such as 'db1:9042'")
