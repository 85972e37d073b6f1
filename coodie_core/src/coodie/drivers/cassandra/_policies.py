"""The drivers' retry and speculative execution policies, by name."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from cassandra import policies

from coodie.options.valuetypes import parse_speculation

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "BackoffRetryPolicy",
    "ExcludeHostPolicy",
    "RackAwarePolicy",
    "local_policy",
    "retry_policy",
    "speculation_policy",
]

#: The maximum number of retries with backoff, and the seconds before the first one, which double each time.
_MAX_RETRIES = 3
_FIRST_DELAY = 0.1


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


class BackoffRetryPolicy(policies.RetryPolicy):  # type: ignore[misc]  # the drivers have no types
    """Retry up to three times, after about 0.1, 0.2 and 0.4 seconds, on the next host.

    A decision has the delay as its third value, as in scylla-driver's ExponentialBackoffRetryPolicy. Each
    delay is between half and one and a half of its nominal value, to spread the retries of requests that
    failed at the same time.
    """

    def on_read_timeout(self, *args: Any, **kwargs: Any) -> Any:
        """Retry on the same host if enough replicas have responded, but not the one with the data."""
        return self._delayed(super().on_read_timeout(*args, **_first_time(kwargs)), kwargs["retry_num"])

    def on_write_timeout(self, *args: Any, **kwargs: Any) -> Any:
        """Retry a logged batch on the same host if its log couldn't be written in time."""
        return self._delayed(super().on_write_timeout(*args, **_first_time(kwargs)), kwargs["retry_num"])

    def on_unavailable(self, *_args: Any, retry_num: int, **_kwargs: Any) -> Any:
        """Retry on the next host: a node may be back, or this one may be out of date."""
        return self._delayed((self.RETRY_NEXT_HOST, None), retry_num)

    def on_request_error(self, *_args: Any, retry_num: int, **_kwargs: Any) -> Any:
        """Retry on the next host after a lost connection or an error of the coordinator."""
        return self._delayed((self.RETRY_NEXT_HOST, None), retry_num)

    def _delayed(self, decision: Any, retry_num: int) -> Any:
        what, level = decision[:2]
        if what == self.RETHROW or retry_num >= _MAX_RETRIES:
            return self.RETHROW, None, None
        jitter = random.uniform(0.5, 1.5)  # noqa: S311 - nothing secret about it
        return what, level, _FIRST_DELAY * 2**retry_num * jitter


def _first_time(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a first failure, after which alone the drivers' policy retries."""
    return {**arguments, "retry_num": 0}


#: Policies by the names of ``coodie.options.valuetypes.RETRY_POLICIES``.
_RETRIES = {
    "default": policies.RetryPolicy,
    "never": policies.FallthroughRetryPolicy,
    "backoff": BackoffRetryPolicy,
}


def retry_policy(wanted: Any) -> Any:
    """Return the policy of a name; return a policy object unchanged."""
    return _RETRIES[wanted]() if isinstance(wanted, str) else wanted


def speculation_policy(wanted: Any) -> Any:
    """Return the driver's policy for a text such as ``"0.1x2"``; return a policy object unchanged."""
    if not isinstance(wanted, str):
        return wanted
    delay, attempts = parse_speculation(wanted)
    return policies.ConstantSpeculativeExecutionPolicy(delay, attempts)
