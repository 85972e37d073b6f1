"""A request is sent again only where it can't have been applied, or where that does no harm."""

from __future__ import annotations

from typing import Any

import pytest
from cassandra.connection import ConnectionShutdown
from cassandra.policies import RetryPolicy
from cassandra.protocol import IsBootstrappingErrorMessage, OverloadedErrorMessage, ServerError

from coodie.drivers.cassandra._retries import SafeRetryPolicy
from coodie.drivers.cassandra._server_errors import keep
from coodie.protocol.error_codes import Write
from coodie.protocol.server_errors import ServerError as Said


class _Always(RetryPolicy):  # type: ignore[misc]  # the driver has no types
    """Wants everything again."""

    def _again(self, *_args: Any, **_kwargs: Any) -> Any:
        return self.RETRY, None

    on_read_timeout = on_write_timeout = on_unavailable = on_request_error = _again


_AGAIN = (RetryPolicy.RETRY, None)
_NOT = (RetryPolicy.RETHROW, None)


@pytest.mark.parametrize("repeatable", [True, False])
def test_after_it_may_have_been_applied(repeatable: bool) -> None:
    """Time-outs, lost connections and failed coordinators are rethrown unless it's repeatable."""
    policy = SafeRetryPolicy(_Always(), repeatable=repeatable, write=Write.SINGLE)
    wanted = _AGAIN if repeatable else _NOT
    assert policy.on_write_timeout(None, 1, "SIMPLE", 1, 0, 0) == wanted
    for error in (ConnectionShutdown("x"), ServerError(0, "m", None)):
        assert policy.on_request_error(None, 1, error=error, retry_num=0) == wanted
    assert (policy.in_doubt, policy.has_lost, policy.failed_attempts) == (repeatable, repeatable, 3)


@pytest.mark.parametrize("write", [Write.LOGGED, Write.PARTS, Write.CONDITIONAL])
def test_what_is_refused_in_parts(write: Write) -> None:
    """An overloaded coordinator may have begun with the other parts, or with the agreement."""
    policy = SafeRetryPolicy(_Always(), repeatable=False, write=write)
    shed = OverloadedErrorMessage(0x1001, "m", None)
    assert policy.on_request_error(None, 1, error=shed, retry_num=0) == _NOT
    unavailable = policy.on_unavailable(None, 1, 1, 0, 0)
    assert unavailable == (_AGAIN if write is Write.LOGGED else _NOT)


def test_the_rate_limit_of_a_partition() -> None:
    """The drivers' default isn't asked, since it goes on at once; another policy is, where that is safe."""
    said = ServerError(0x4321, "m", None)
    keep(said, Said(0x4321, "m", {"op_type": 1, "rejected_by_coordinator": True}))
    for inner, wanted in ((RetryPolicy(), _NOT), (_Always(), _AGAIN)):
        policy = SafeRetryPolicy(inner, repeatable=False, write=Write.SINGLE)
        assert policy.on_request_error(None, 1, error=said, retry_num=0) == wanted
        assert policy.failed_attempts == 1
    keep(said, Said(0x4321, "m", {"op_type": 1, "rejected_by_coordinator": False}))
    policy = SafeRetryPolicy(_Always(), repeatable=False, write=Write.SINGLE)
    assert policy.on_request_error(None, 1, error=said, retry_num=0) == _NOT


@pytest.mark.parametrize("repeatable", [True, False])
def test_where_nothing_was_applied_the_policy_decides(repeatable: bool) -> None:
    """Too few alive, an overloaded node, one that still starts: the inner policy is asked."""
    policy = SafeRetryPolicy(_Always(), repeatable=repeatable, write=Write.SINGLE)
    shed = OverloadedErrorMessage(0x1001, "m", None)
    assert policy.on_request_error(None, 1, error=shed, retry_num=0) == _AGAIN
    assert policy.on_read_timeout(None, 1, 1, 0, False, 0) == _AGAIN
    starting = IsBootstrappingErrorMessage(0x1002, "m", None)
    assert policy.on_unavailable(None, 1, 1, 0, 0) == _AGAIN
    assert policy.on_request_error(None, 1, error=starting, retry_num=0) == _AGAIN


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_condition_may_be_met_where_too_few_are_alive(repeatable: bool) -> None:
    """The replicas may have agreed before the commit was refused; a node that still starts began nothing."""
    policy = SafeRetryPolicy(_Always(), repeatable=repeatable, write=Write.CONDITIONAL)
    assert policy.on_read_timeout(None, 1, 1, 0, False, 0) == (_AGAIN if repeatable else _NOT)
    starting = IsBootstrappingErrorMessage(0x1002, "m", None)
    assert policy.on_unavailable(None, 1, 1, 0, 0) == (_AGAIN if repeatable else _NOT)
    assert policy.on_request_error(None, 1, error=starting, retry_num=0) == _AGAIN


class _Elsewhere(RetryPolicy):  # type: ignore[misc]  # as above
    """Wants the next node to be asked."""

    def _next(self, *_args: Any, **_kwargs: Any) -> Any:
        return self.RETRY_NEXT_HOST, None

    on_read_timeout = on_write_timeout = on_unavailable = on_request_error = _next


@pytest.mark.parametrize("pinned", [True, False])
def test_a_pinned_request_has_no_next_node(pinned: bool) -> None:
    """Where only one node is to be asked, what would go to the next one is rethrown."""
    policy = SafeRetryPolicy(_Elsewhere(), repeatable=True, write=Write.SINGLE, pinned=pinned)
    wanted = _NOT if pinned else (RetryPolicy.RETRY_NEXT_HOST, None)
    assert policy.on_read_timeout(None, 1, 1, 0, False, 0) == wanted
    assert policy.on_write_timeout(None, 1, "SIMPLE", 1, 0, 0) == wanted
    assert policy.on_unavailable(None, 1, 1, 0, 0) == wanted
    assert policy.on_request_error(None, 1, error=ConnectionShutdown("x"), retry_num=0) == wanted
    same = SafeRetryPolicy(_Always(), repeatable=True, write=Write.SINGLE, pinned=True)
    assert same.on_unavailable(None, 1, 1, 0, 0) == _AGAIN


@pytest.mark.parametrize("pinned", [True, False])
def test_after_a_wait_the_nodes_are_asked_again(pinned: bool) -> None:
    """A policy with delays may go back to nodes that were asked, also to a single one."""

    class Waiting(RetryPolicy):  # type: ignore[misc]  # as above
        def on_request_error(self, *_args: Any, **_kwargs: Any) -> Any:
            return self.RETRY_NEXT_HOST, None, 0.1

    policy = SafeRetryPolicy(Waiting(), repeatable=True, write=Write.SINGLE, pinned=pinned)
    assert not policy.is_delayed
    decision = policy.on_request_error(None, 1, error=ConnectionShutdown("x"), retry_num=0)
    assert decision == (RetryPolicy.RETRY_NEXT_HOST, None, 0.1)
    assert policy.is_delayed
