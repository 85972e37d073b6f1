"""Whether the nodes agree on the schema, and the wait until they do."""

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

#: Seconds to wait where nothing else is said; the drivers' own default.
AGREEMENT_TIMEOUT = 10.0

#: The version that the node has which is asked, and those that it knows of the others.
VERSION_QUERIES = (
    Query("SELECT host_id, rpc_address, schema_version FROM system.local WHERE key = ?", ("local",)),
    Query("SELECT host_id, rpc_address, schema_version FROM system.peers"),
)

#: Seconds between two looks.
POLL_INTERVAL = 0.1


class Agreement:
    """Whether the nodes agree on the schema, for the time of one sync.

    A node that didn't agree in time is named once; after that nobody waits for it.

    Args:
        seconds: How long to wait.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._late: set[str] = set()

    def reached(self, local: Sequence[Mapping[str, Any]], peers: Sequence[Mapping[str, Any]]) -> bool:
        """Tell whether there is nothing to wait for, from the rows of ``VERSION_QUERIES``."""
        return self.seconds <= 0 or len(self._versions(local, peers)) <= 1

    def wait(
        self, look: Callable[[float], Generator[Effect, Any, Any]]
    ) -> Generator[Effect, Any, str | None]:
        """Look until there is one version only.

        Args:
            look: Reads the ``VERSION_QUERIES``; called with the seconds that are left.

        Returns:
            None; or, where time is over, a sentence that says so and names the nodes.
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
                return f"the nodes don't agree on the schema after {self.seconds:g} s: {listing}"
            yield Sleep(POLL_INTERVAL)

    def _versions(
        self, local: Sequence[Mapping[str, Any]], peers: Sequence[Mapping[str, Any]]
    ) -> dict[str, list[str]]:
        """Return each version with its nodes; a node that is just joining has none."""
        found: dict[str, list[str]] = {}
        for row in chain(local, peers):
            if row["schema_version"] is not None and _name(row) not in self._late:
                found.setdefault(str(row["schema_version"]), []).append(_name(row))
        return found


def _name(row: Mapping[str, Any]) -> str:
    return str(row.get("rpc_address") or row["host_id"])
