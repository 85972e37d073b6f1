"""Policies by name, on the classes of the driver that is installed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from cassandra import policies
from cassandra.policies import ConstantSpeculativeExecutionPolicy, FallthroughRetryPolicy, RetryPolicy

from coodie.config import build_config
from coodie.consistency import CONSISTENCY_LEVELS
from coodie.drivers.cassandra._policies import retry_policy, speculation_policy
from coodie.drivers.cassandra.backend import _profile
from coodie.exceptions import ConfigurationError
from coodie.options.valuetypes import RETRY_POLICIES

#: Whether the driver that is installed has a policy that waits before it sends again.
BACKS_OFF = hasattr(policies, "ExponentialBackoffRetryPolicy")


def test_each_name_is_a_policy() -> None:
    """Each name that the options take has a policy of the driver's; a policy object stays itself."""
    names = set(RETRY_POLICIES) - (set() if BACKS_OFF else {"backoff"})
    assert all(isinstance(retry_policy(name), RetryPolicy) for name in names)
    assert isinstance(retry_policy("never"), FallthroughRetryPolicy)
    own = RetryPolicy()
    assert retry_policy(own) is own


def test_backoff_waits_longer_each_time_and_ends() -> None:
    """Three more attempts, each after about twice the time; cassandra-driver, which can't, is told so."""
    if not BACKS_OFF:
        with pytest.raises(ConfigurationError, match="needs scylla-driver") as caught:
            retry_policy("backoff")
        assert caught.value.option == "retry_policy"
        return
    policy = retry_policy("backoff")
    decisions = [policy.on_request_error(None, None, error=None, retry_num=number) for number in range(4)]
    delays = [decision[2] for decision in decisions[:3]]
    assert 0 < delays[0] < delays[2] < 1
    assert decisions[3][0] == RetryPolicy.RETHROW


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
