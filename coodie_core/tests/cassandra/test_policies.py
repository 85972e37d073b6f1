"""Policies by name, on the classes of the driver that is installed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cassandra.policies import (
    ConstantSpeculativeExecutionPolicy,
    FallthroughRetryPolicy,
    RetryPolicy,
    WriteType,
)

from coodie.config import build_config
from coodie.consistency import CONSISTENCY_LEVELS
from coodie.drivers.cassandra._policies import retry_policy, speculation_policy
from coodie.drivers.cassandra.backend import _profile
from coodie.options.valuetypes import RETRY_POLICIES


def test_each_name_is_a_policy() -> None:
    """Each name that the options take has a policy; a policy object stays itself."""
    assert all(isinstance(retry_policy(name), RetryPolicy) for name in RETRY_POLICIES)
    assert isinstance(retry_policy("never"), FallthroughRetryPolicy)
    own = RetryPolicy()
    assert retry_policy(own) is own


_FAILURES: dict[str, Any] = {
    "on_read_timeout": {"required_responses": 1, "received_responses": 1, "data_retrieved": False},
    "on_write_timeout": {"write_type": WriteType.BATCH_LOG, "required_responses": 1, "received_responses": 0},
    "on_unavailable": {"required_replicas": 2, "alive_replicas": 1},
    "on_request_error": {"error": None},
}


@pytest.mark.parametrize("method", _FAILURES)
def test_backoff_delays_are_jittered_and_bounded(method: str) -> None:
    """Three retries, after 0.1, 0.2 and 0.4 s, each with up to half of it more or less; then the error."""
    decide, failure = getattr(retry_policy("backoff"), method), _FAILURES[method]
    for number, nominal in enumerate((0.1, 0.2, 0.4)):
        made = [decide(None, consistency=1, retry_num=number, **failure) for _ in range(300)]
        same = method in ("on_read_timeout", "on_write_timeout")
        assert {decision[0] for decision in made} == {
            RetryPolicy.RETRY if same else RetryPolicy.RETRY_NEXT_HOST
        }
        delays = [decision[2] for decision in made]
        assert nominal / 2 <= min(delays) < nominal * 0.7
        assert nominal * 1.3 < max(delays) <= nominal * 1.5
    assert decide(None, consistency=1, retry_num=3, **failure)[0] == RetryPolicy.RETHROW


def test_backoff_keeps_to_what_may_help() -> None:
    """As with the drivers' default: no retry of a read without enough responses, or of a plain write."""
    policy = retry_policy("backoff")
    read = {**_FAILURES["on_read_timeout"], "received_responses": 0}
    write = {**_FAILURES["on_write_timeout"], "write_type": WriteType.SIMPLE}
    assert policy.on_read_timeout(None, consistency=1, retry_num=0, **read)[0] == RetryPolicy.RETHROW
    assert policy.on_write_timeout(None, consistency=1, retry_num=0, **write)[0] == RetryPolicy.RETHROW


def test_speculation() -> None:
    """The text's delay and attempts arrive in the driver's policy."""
    policy = speculation_policy("0.25x3")
    assert isinstance(policy, ConstantSpeculativeExecutionPolicy)
    assert (policy.delay, policy.max_attempts) == (0.25, 3)
    own = SimpleNamespace()
    assert speculation_policy(own) is own


def test_a_connections_defaults_go_into_its_profile() -> None:
    """Each default of requests is set where the driver looks for it."""
    config = build_config(
        hosts=["a"],
        consistency="quorum",
        serial_consistency="local_serial",
        request_timeout=3,
        retry_policy="never",
        speculative_execution_policy="0.1x2",
    )
    profile = _profile(config, {})
    assert profile.consistency_level == CONSISTENCY_LEVELS["QUORUM"]
    assert profile.serial_consistency_level == CONSISTENCY_LEVELS["LOCAL_SERIAL"]
    assert profile.request_timeout == 3
    assert isinstance(profile.retry_policy, FallthroughRetryPolicy)
    assert profile.speculative_execution_policy.delay == 0.1
