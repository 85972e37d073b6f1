"""A node that seems to be ScyllaDB with shards: what it says in SUPPORTED, and where requests should go."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["IGNORED_BITS", "shard_of", "with_shards"]

#: As a ScyllaDB node says it by default: so many of the token's highest bits don't choose the shard.
IGNORED_BITS = 12


def with_shards(count: int) -> Callable[[int, dict[str, list[str]]], None]:
    """Return what makes a proxy's connections seem to end at shards, one after the other.

    Args:
        count: How many shards there are.
    """

    def change(connection: int, options: dict[str, list[str]]) -> None:
        options |= {
            "SCYLLA_SHARD": [str(connection % count)],
            "SCYLLA_NR_SHARDS": [str(count)],
            "SCYLLA_PARTITIONER": ["org.apache.cassandra.dht.Murmur3Partitioner"],
            "SCYLLA_SHARDING_ALGORITHM": ["biased-token-round-robin"],
            "SCYLLA_SHARDING_IGNORE_MSB": [str(IGNORED_BITS)],
        }

    return change


def shard_of(token: int, count: int) -> int:
    """Return the shard that a token belongs to, by ScyllaDB's biased-token-round-robin.

    Args:
        token: The Murmur3 token, -2**63 to 2**63 - 1.
        count: How many shards there are.
    """
    biased = (token + 2**63) << IGNORED_BITS & (2**64 - 1)
    return biased * count >> 64
