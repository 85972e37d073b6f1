"""Retry and speculative execution policies by name, as the drivers' own classes."""

from __future__ import annotations

from typing import Any

from cassandra.policies import (
    ConstantSpeculativeExecutionPolicy,
    ExponentialBackoffRetryPolicy,
    FallthroughRetryPolicy,
    RetryPolicy,
)

from coodie.valuetypes import parse_speculation

__all__ = ["retry_policy", "speculation_policy"]

#: Name → the policy; the names are those of ``coodie.valuetypes.RETRY_POLICIES``.
_RETRIES = {
    "default": RetryPolicy,
    "never": FallthroughRetryPolicy,
    "backoff": lambda: ExponentialBackoffRetryPolicy(max_num_retries=3, min_interval=0.1),
}


def retry_policy(wanted: Any) -> Any:
    """Return the driver's policy of that name; a policy object as it is."""
    return _RETRIES[wanted]() if isinstance(wanted, str) else wanted


def speculation_policy(wanted: Any) -> Any:
    """Return the driver's policy for a text such as ``"0.1x2"``; a policy object as it is."""
    if not isinstance(wanted, str):
        return wanted
    delay, attempts = parse_speculation(wanted)
    return ConstantSpeculativeExecutionPolicy(delay, attempts)
