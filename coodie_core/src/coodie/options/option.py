"""What is declared of an option."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from coodie.capabilities import Capability

__all__ = ["Option", "Scope"]


class Scope(str, Enum):
    """What an option applies to."""

    #: Connections: ``init_coodie``, URLs, connections of a file.
    CONNECTION = "connection"
    #: Requests, and request profiles.
    REQUEST = "request"
    #: Both; the request's value takes precedence.
    BOTH = "both"
    #: A whole configuration file.
    FILE = "file"

    def __str__(self) -> str:
        return self.value


class Option(NamedTuple):
    """The declaration of one option; every attribute is required.

    Args:
        name: The argument of ``init_coodie``, of a driver's method or of ``RequestOptions``.
        type: One of ``coodie.options.VALUE_TYPES``.
        default: The default, in words.
        unit: The unit of its value, or "".
        help: One line.
        scope: What it applies to.
        capability: The capability that a backend needs for it; None if all backends support it.
        secret: Its value is never shown.
        connecting: It only applies to new connections, and so not to an existing session.
        key: The key in a file; in capitals, the last part of an environment variable. "" if it can only be
            set in Python.
        url: An example of its form in a URL; "" if it has none.
        instead: The alternative to a form that it doesn't have; "" if it has all.
    """

    name: str
    type: str
    default: str
    unit: str
    help: str
    scope: Scope
    capability: Capability | None
    secret: bool
    connecting: bool
    key: str
    url: str
    instead: str

    @property
    def for_connections(self) -> bool:
        """Whether it applies to connections."""
        return self.scope in (Scope.CONNECTION, Scope.BOTH)
