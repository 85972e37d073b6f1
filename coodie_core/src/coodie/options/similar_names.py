"""The option that an unknown name was meant to be: one with a similar name, or another name elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["similar_name"]

#: Names of the drivers, of URLs and of requests → the name of the option here.
_ELSEWHERE = {
    "consistency_level": "consistency",
    "database": "keyspace",
    "datacenter": "local_dc",
    "db": "keyspace",
    "dc": "local_dc",
    "default_timeout": "request_timeout",
    "host": "hosts",
    "ssl": "ssl_enabled",
    "timeout": "request_timeout",
    "user": "username",
}


def similar_name(name: object, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known name that an unknown one was probably meant to be, or None.

    Args:
        name: The unknown name.
        known: All names that can be given.
        cutoff: The minimum similarity, 0 to 1.
    """
    from difflib import get_close_matches  # a slow import, only needed for an error

    names = list(known)
    if _ELSEWHERE.get(str(name)) in names:
        return _ELSEWHERE[str(name)]
    close = get_close_matches(str(name), names, n=1, cutoff=cutoff)
    return close[0] if close else None
