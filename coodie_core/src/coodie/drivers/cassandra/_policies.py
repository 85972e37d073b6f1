"""The drivers' retry and speculative execution policies, by name."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from cassandra import policies

from coodie.exceptions import ConfigurationError
from coodie.options.valuetypes import parse_speculation

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ExcludeHostPolicy", "RackAwarePolicy", "local_policy", "retry_policy", "speculation_policy"]


class ExcludeHostPolicy(policies.LoadBalancingPolicy):  # type: ignore[misc]  # the drivers have no types
    """A load-balancing policy that excludes one node from another policy's plan.

    Args:
        inner: The other policy, which is the cluster's, and gets the cluster's events.
        excluded: The node.
    """

    def __init__(self, inner: Any, excluded: Any) -> None:
        self._inner = inner
        self._excluded = excluded

    def distance(self, host: Any) -> Any:
        """Return the other policy's distance."""
        return self._inner.distance(host)

    def make_query_plan(self, working_keyspace: Any = None, query: Any = None) -> Any:
        """Return the other policy's plan without the node."""
        return (
            host for host in self._inner.make_query_plan(working_keyspace, query) if host != self._excluded
        )

    def _nothing(self, host: Any) -> None:
        """Ignore the event, which the other policy gets from the cluster."""

    on_up = on_down = on_add = on_remove = _nothing


class RackAwarePolicy(policies.TokenAwarePolicy):  # type: ignore[misc]  # the drivers have no types
    """TokenAwarePolicy for a data centre, with the nodes of a rack first, for cassandra-driver.

    scylla-driver's TokenAwarePolicy does this itself, if its child is a RackAwareRoundRobinPolicy.

    Args:
        local_dc: The data centre; nodes of others aren't used.
        local_rack: The rack.
    """

    def __init__(self, local_dc: str, local_rack: str) -> None:
        self.child = policies.DCAwareRoundRobinPolicy(local_dc)
        super().__init__(self.child)
        self.local_rack = local_rack

    def make_query_plan(self, working_keyspace: Any = None, query: Any = None) -> Iterator[Any]:
        """Yield the rack's replicas, the other replicas, the rack's nodes, and all others."""
        plan = list(super().make_query_plan(working_keyspace, query))
        keyspace = getattr(query, "keyspace", None) or working_keyspace
        key = getattr(query, "routing_key", None)
        replicas = []
        if keyspace is None or key is None:
            # Round-robin over the data centre isn't round-robin over the rack.
            random.shuffle(plan)
        else:
            replicas = self._cluster_metadata.get_replicas(keyspace, key)
        yield from sorted(plan, key=lambda host: (host not in replicas, host.rack != self.local_rack))


def local_policy(local_dc: str, local_rack: str | None) -> Any:
    """Return the token-aware policy that prefers a data centre, and a rack within it."""
    if local_rack is None:
        return policies.TokenAwarePolicy(policies.DCAwareRoundRobinPolicy(local_dc))
    if not hasattr(policies, "RackAwareRoundRobinPolicy"):  # cassandra-driver
        return RackAwarePolicy(local_dc, local_rack)
    return policies.TokenAwarePolicy(policies.RackAwareRoundRobinPolicy(local_dc, local_rack))


def _backoff() -> Any:
    """Return scylla-driver's backoff policy; cassandra-driver has none."""
    if not hasattr(policies, "ExponentialBackoffRetryPolicy"):
        message = "retry_policy='backoff' needs scylla-driver; cassandra-driver has no policy with a delay."
        hint = "Use 'default' or 'never', or driver_type='scylla'."
        raise ConfigurationError(message, hint=hint, option="retry_policy")
    return policies.ExponentialBackoffRetryPolicy(max_num_retries=3, min_interval=0.1)


#: Policies by the names of ``coodie.options.valuetypes.RETRY_POLICIES``.
_RETRIES = {"default": policies.RetryPolicy, "never": policies.FallthroughRetryPolicy, "backoff": _backoff}


def retry_policy(wanted: Any) -> Any:
    """Return the driver's policy of a name; return a policy object unchanged.

    Raises:
        ConfigurationError: This driver has no such policy.
    """
    return _RETRIES[wanted]() if isinstance(wanted, str) else wanted


def speculation_policy(wanted: Any) -> Any:
    """Return the driver's policy for a text such as ``"0.1x2"``; return a policy object unchanged."""
    if not isinstance(wanted, str):
        return wanted
    delay, attempts = parse_speculation(wanted)
    return policies.ConstantSpeculativeExecutionPolicy(delay, attempts)
