"""How to get in: TLS and a password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["OPEN", "Access", "Credentials"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A role that may do everything, and its password, which no repr shows."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """What a client needs beside an address."""

    ssl_context: SSLContext | None = None
    credentials: Credentials | None = None


#: Neither TLS nor a password.
OPEN = Access()
