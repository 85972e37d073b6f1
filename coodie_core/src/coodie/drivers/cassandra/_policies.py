"""Retry and speculative execution policies by name, as the drivers' own classes."""

from __future__ import annotations

from typing import Any

from cassandra import policies

from coodie.exceptions import ConfigurationError
from coodie.options.valuetypes import parse_speculation

__all__ = ["ExcludeHostPolicy", "retry_policy", "speculation_policy"]


class ExcludeHostPolicy(policies.LoadBalancingPolicy):  # type: ignore[misc]  # the drivers have no types
    """Ask another policy, and leave one node out: it has been tried.

    Args:
        inner: The policy to ask; it is the cluster's, which tells it of its nodes.
        tried: The node.
    """

    def __init__(self, inner: Any, tried: Any) -> None:
        self._inner = inner
        self._tried = tried

    def distance(self, host: Any) -> Any:
        """As the other policy has it."""
        return self._inner.distance(host)

    def make_query_plan(self, working_keyspace: Any = None, query: Any = None) -> Any:
        """Yield the other policy's nodes, but for the one."""
        return (host for host in self._inner.make_query_plan(working_keyspace, query) if host != self._tried)

    def _nothing(self, host: Any) -> None:
        """Leave it to the other policy, which is told by the cluster."""

    on_up = on_down = on_add = on_remove = _nothing


def _backoff() -> Any:
    """Return scylla-driver's policy; cassandra-driver has nothing that waits before it sends again."""
    if not hasattr(policies, "ExponentialBackoffRetryPolicy"):
        message = "retry_policy='backoff' needs scylla-driver; cassandra-driver sends again at once, or not."
        hint = "Give 'default' or 'never', or connect with driver_type='scylla'."
        raise ConfigurationError(message, hint=hint, option="retry_policy")
    return policies.ExponentialBackoffRetryPolicy(max_num_retries=3, min_interval=0.1)


#: Name → the policy; the names are those of ``coodie.options.valuetypes.RETRY_POLICIES``.
_RETRIES = {"default": policies.RetryPolicy, "never": policies.FallthroughRetryPolicy, "backoff": _backoff}


def retry_policy(wanted: Any) -> Any:
    """Return the driver's policy of that name; a policy object as it is.

    Raises:
        ConfigurationError: This driver has no such policy.
    """
    return _RETRIES[wanted]() if isinstance(wanted, str) else wanted


def speculation_policy(wanted: Any) -> Any:
    """Return the driver's policy for a text such as ``"0.1x2"``; a policy object as it is."""
    if not isinstance(wanted, str):
        return wanted
    delay, attempts = parse_speculation(wanted)
    return policies.ConstantSpeculativeExecutionPolicy(delay, attempts)
