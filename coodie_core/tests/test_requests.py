"""What one request may ask for."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from coodie import BatchType, RequestOptions
from coodie.exceptions import ConfigurationError
from coodie.requests import parse_batch_type


def test_defaults_change_nothing() -> None:
    """Without arguments nothing is asked for: not idempotent, not traced, no policy."""
    options = RequestOptions()
    assert dataclasses.asdict(options) == {
        "idempotent": False,
        "serial_consistency": None,
        "trace": False,
        "custom_payload": None,
        "retry_policy": None,
        "speculative_execution_policy": None,
        "routing_token": None,
        "profile": None,
        "rows": None,
        "node": None,
        "timestamp": None,
        "keyspace": None,
        "total_timeout": None,
    }


def test_frozen() -> None:
    """Options can be shared among requests: nobody can change them."""
    options = RequestOptions(idempotent=True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.idempotent = False  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        options.colour = "blue"  # type: ignore[attr-defined]


def test_serial_consistency_in_any_case() -> None:
    """The serial consistency is kept by its name in capitals."""
    assert RequestOptions(serial_consistency="local_serial").serial_consistency == "LOCAL_SERIAL"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("idempotent", 1),
        ("idempotent", "yes"),
        ("trace", None),
        ("serial_consistency", "QUORUM"),
        ("serial_consistency", 8),
        ("custom_payload", [("a", b"b")]),
        ("custom_payload", {"a": "text"}),
        ("custom_payload", {1: b"b"}),
        ("speculative_execution_policy", object()),
        ("speculative_execution_policy", "often"),
        ("retry_policy", "often"),
        ("routing_token", 2**63),
        ("routing_token", True),
        ("profile", ""),
        ("node", ""),
        ("timestamp", 1.5),
        ("timestamp", 2**63),
        ("timestamp", -(2**63)),
        ("timestamp", True),
        ("keyspace", ""),
        ("total_timeout", 0),
        ("total_timeout", "soon"),
    ],
)
def test_refused(option: str, value: Any) -> None:
    """A value of the wrong kind is refused when the options are made, and the error names its option."""
    with pytest.raises(ConfigurationError) as caught:
        RequestOptions(**{option: value})
    assert caught.value.option == option
    assert caught.value.hint


def test_speculation_with_idempotence() -> None:
    """A speculative execution policy goes with idempotent=True."""
    policy = object()
    options = RequestOptions(idempotent=True, speculative_execution_policy=policy, custom_payload={"a": b"b"})
    assert options.speculative_execution_policy is policy


@pytest.mark.parametrize("kind", BatchType)
def test_batch_type_by_name(kind: BatchType) -> None:
    """A kind of batch is known by itself and by its name in any case."""
    assert parse_batch_type(kind) is kind
    assert parse_batch_type(kind.value.lower()) is kind


@pytest.mark.parametrize("wrong", ["", "LOGED", None, 1])
def test_unknown_batch_type(wrong: Any) -> None:
    """Anything else is refused with the three names."""
    with pytest.raises(ConfigurationError, match=r"(?m)LOGGED, UNLOGGED, COUNTER\.$") as caught:
        parse_batch_type(wrong)
    assert caught.value.option == "batch_type"
