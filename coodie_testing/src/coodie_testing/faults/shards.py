"""A node that seems to be ScyllaDB with shards: what it says in SUPPORTED, and where requests should go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coodie_testing.faults.connection import ProxiedConnection

__all__ = ["IGNORED_BITS", "Sharding", "shard_of"]

#: As a ScyllaDB node says it by default: so many of the token's highest bits don't choose the shard.
IGNORED_BITS = 12


@dataclass
class Sharding:
    """What a node seems to have; may be changed while its proxies run.

    Args:
        count: How many shards there are.
        port: The port where clients choose a shard by their own port; None where there is none.
        tablets: It tells of tablets.
        missing: A shard that no connection comes to in turn.
    """

    count: int
    port: int | None = None
    tablets: bool = False
    missing: int | None = None

    def in_turn(self, connection: ProxiedConnection, options: dict[str, list[str]]) -> None:
        """Have connections end at the shards one after the other: a proxy's ``edit_supported``."""
        connection.shard = connection.number % self.count
        if connection.shard == self.missing:
            connection.shard = (connection.shard + 1) % self.count
        self._say(connection, options)

    def by_client_port(self, connection: ProxiedConnection, options: dict[str, list[str]]) -> None:
        """Have them end where the client's port says: ``edit_supported`` of the proxy at ``port``."""
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
    """Return the shard that a token belongs to, by ScyllaDB's biased-token-round-robin.

    Args:
        token: The Murmur3 token, -2**63 to 2**63 - 1.
        count: How many shards there are.
    """
    biased = (token + 2**63) << IGNORED_BITS & (2**64 - 1)
    return biased * count >> 64
