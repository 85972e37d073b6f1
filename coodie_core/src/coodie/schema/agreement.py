"""Wait for schema agreement between the nodes."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING, Any

from coodie.effects import Sleep
from coodie.schema.requests import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from coodie.effects import Effect

__all__ = ["AGREEMENT_TIMEOUT", "POLL_INTERVAL", "VERSION_QUERIES", "Agreement"]

#: The default timeout in seconds, which is also the drivers' default.
AGREEMENT_TIMEOUT = 10.0

#: The schema version of the queried node, and of its peers as it knows them.
VERSION_QUERIES = (
    Query("SELECT host_id, rpc_address, schema_version FROM system.local WHERE key = ?", ("local",)),
    Query("SELECT host_id, rpc_address, schema_version FROM system.peers"),
)

#: Seconds between two polls.
POLL_INTERVAL = 0.1


class Agreement:
    """The schema agreement of the nodes during one sync.

    A node that doesn't agree within the timeout is reported once, and not waited for again.

    Args:
        seconds: The timeout in seconds.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._late: set[str] = set()

    def reached(self, local: Sequence[Mapping[str, Any]], peers: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether all nodes agree, by the rows of ``VERSION_QUERIES``."""
        return self.seconds <= 0 or len(self._versions(local, peers)) <= 1

    def wait(
        self, look: Callable[[float], Generator[Effect, Any, Any]]
    ) -> Generator[Effect, Any, str | None]:
        """Poll until all nodes have the same schema version.

        Args:
            look: Executes the ``VERSION_QUERIES``; called with the remaining seconds.

        Returns:
            None; after the timeout, a sentence with the nodes' versions.
        """
        deadline = time.monotonic() + self.seconds
        while True:
            local, peers = yield from look(max(deadline - time.monotonic(), POLL_INTERVAL))
            found = self._versions(local, peers)
            if len(found) <= 1:
                return None
            if time.monotonic() >= deadline:
                here = {str(row["schema_version"]) for row in local}
                self._late |= {name for one in found.keys() - here for name in found[one]}
                listing = ", ".join(f"version {one} on {' and '.join(found[one])}" for one in sorted(found))
                return f"no schema agreement after {self.seconds:g} s: {listing}"
            yield Sleep(POLL_INTERVAL)

    def _versions(
        self, local: Sequence[Mapping[str, Any]], peers: Sequence[Mapping[str, Any]]
    ) -> dict[str, list[str]]:
        """Return each schema version with its nodes; a joining node has none."""
        found: dict[str, list[str]] = {}
        for row in chain(local, peers):
            if row["schema_version"] is not None and _name(row) not in self._late:
                found.setdefault(str(row["schema_version"]), []).append(_name(row))
        return found


def _name(row: Mapping[str, Any]) -> str:
    return str(row.get("rpc_address") or row["host_id"])
