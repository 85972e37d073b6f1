"""The drivers' retry and speculative execution policies, by name."""

from __future__ import annotations

from typing import Any

from cassandra import policies

from coodie.exceptions import ConfigurationError
from coodie.options.valuetypes import parse_speculation

__all__ = ["ExcludeHostPolicy", "retry_policy", "speculation_policy"]


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
