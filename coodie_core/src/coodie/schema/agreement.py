"""Whether the nodes agree on the schema, and the wait until they do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from coodie.effects import Sleep
from coodie.schema.requests import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from coodie.effects import Effect

__all__ = ["AGREEMENT_TIMEOUT", "VERSION_QUERIES", "await_agreement", "versions"]

#: Seconds to wait where nothing else is said; the drivers' own default.
AGREEMENT_TIMEOUT = 10.0

#: The version that the node has which is asked, and those that it knows of the others.
VERSION_QUERIES = (
    Query("SELECT host_id, schema_version FROM system.local WHERE key = ?", ("local",)),
    Query("SELECT host_id, schema_version FROM system.peers"),
)

#: Seconds between two looks.
_POLL_INTERVAL = 0.1


def versions(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the schema versions of these nodes; a node that is just joining has none."""
    return {str(row["schema_version"]) for row in rows if row["schema_version"] is not None}


def await_agreement(
    look: Callable[[], Generator[Effect, Any, set[str]]], seconds: float
) -> Generator[Effect, Any, str | None]:
    """Look until there is one version only.

    Args:
        look: Returns the versions that there are now.
        seconds: How long to go on looking.

    Returns:
        None; or, where time is over, a sentence that says so.
    """
    deadline = time.monotonic() + seconds
    while len(found := (yield from look())) > 1:
        if time.monotonic() >= deadline:
            listing = ", ".join(sorted(found))
            return f"the nodes don't agree on the schema after {seconds:g} s: versions {listing}"
        yield Sleep(_POLL_INTERVAL)
    return None
