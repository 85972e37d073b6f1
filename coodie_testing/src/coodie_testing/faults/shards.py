"""A simulated ScyllaDB node with shards: the options of SUPPORTED, and the shards of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coodie_testing.faults.connection import ProxiedConnection

__all__ = ["IGNORED_BITS", "Sharding", "shard_of"]

#: ScyllaDB's default: the number of the token's highest bits that are ignored.
IGNORED_BITS = 12


@dataclass
class Sharding:
    """The simulated shards of a node; may be changed while its proxies run.

    Args:
        count: The number of shards.
        port: The shard-aware port, where clients choose a shard by their local port; None for none.
        tablets: Whether tablets are supported.
        missing: A shard that ``in_turn`` leaves out.
    """

    count: int
    port: int | None = None
    tablets: bool = False
    missing: int | None = None

    def in_turn(self, connection: ProxiedConnection, options: dict[str, list[str]]) -> None:
        """Assign connections to the shards in turn; for ``edit_supported`` of a proxy."""
        connection.shard = connection.number % self.count
        if connection.shard == self.missing:
            connection.shard = (connection.shard + 1) % self.count
        self._say(connection, options)

    def by_client_port(self, connection: ProxiedConnection, options: dict[str, list[str]]) -> None:
        """Assign connections by the client's port; for ``edit_supported`` of the proxy at ``port``."""
        connection.shard = connection.client_port % self.count
        self._say(connection, options)

    def _say(self, connection: ProxiedConnection, options: dict[str, list[str]]) -> None:
        options |= {
            "SCYLLA_SHARD": [str(connection.shard)],
            "SCYLLA_NR_SHARDS": [str(self.count)],
            "SCYLLA_PARTITIONER": ["org.apache.cassandra.dht.Murmur3Partitioner"],
            "SCYLLA_SHARDING_ALGORITHM": ["biased-token-round-robin"],
            "SCYLLA_SHARDING_IGNORE_MSB": [str(IGNORED_BITS)],
        }
        if self.port is not None:
            options["SCYLLA_SHARD_AWARE_PORT"] = [str(self.port)]
        if self.tablets:
            options["TABLETS_ROUTING_V1"] = []


def shard_of(token: int, count: int) -> int:
    """Return the shard of a token, by ScyllaDB's biased-token-round-robin.

    Args:
        token: The Murmur3 token, -2**63 to 2**63 - 1.
        count: The number of shards.
    """
    biased = (token + 2**63) << IGNORED_BITS & (2**64 - 1)
    return biased * count >> 64
