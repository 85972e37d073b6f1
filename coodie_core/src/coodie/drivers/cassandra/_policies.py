"""Retry and speculative execution policies by name, as the drivers' own classes."""

from __future__ import annotations

from typing import Any

from cassandra import policies

from coodie.exceptions import ConfigurationError
from coodie.valuetypes import parse_speculation

__all__ = ["retry_policy", "speculation_policy"]


def _backoff() -> Any:
    """Return scylla-driver's policy; cassandra-driver has nothing that waits before it sends again."""
    if not hasattr(policies, "ExponentialBackoffRetryPolicy"):
        message = "retry_policy='backoff' needs scylla-driver; cassandra-driver sends again at once, or not."
        hint = "Give 'default' or 'never', or connect with driver_type='scylla'."
        raise ConfigurationError(message, hint=hint, option="retry_policy")
    return policies.ExponentialBackoffRetryPolicy(max_num_retries=3, min_interval=0.1)


#: Name → the policy; the names are those of ``coodie.valuetypes.RETRY_POLICIES``.
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
