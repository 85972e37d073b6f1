"""A driver that lacks something of what driver_internals.py uses is noticed before that is used."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from cassandra.cluster import Cluster

from coodie.drivers.cassandra.fastpath import driver_probe
from coodie.drivers.cassandra.fastpath.driver_probe import (
    ATTRIBUTES,
    CALLS,
    SHARD_ATTRIBUTES,
    SHARD_CALLS,
    unknown_internals,
)
from coodie.drivers.cassandra.values.lenient_decoding import exact_protocol_handler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SHARDS = driver_probe._shard_owners() is not None
_CALLS = (*CALLS, *(SHARD_CALLS if _SHARDS else ()))
_ATTRIBUTES = [
    (owner, name)
    for owner, names in (*ATTRIBUTES.items(), *(SHARD_ATTRIBUTES.items() if _SHARDS else ()))
    for name in names
]


class _Changed:
    """All that an object has, but for one name."""

    def __init__(self, of: Any, name: str, instead: Any = None) -> None:
        self._of, self._name, self._instead = of, name, instead
        self.__dict__["__init__"] = instead if name == "__init__" else of.__init__

    def __getattr__(self, name: str) -> Any:
        if name == self._name:
            if self._instead is None:
                raise AttributeError(name)
            return self._instead
        return getattr(self._of, name)


@pytest.fixture
def session() -> Iterator[Any]:
    """What is looked at of a session; no server is asked."""
    cluster = Cluster(["127.0.0.1"])
    yield SimpleNamespace(
        cluster=cluster,
        client_protocol_handler=exact_protocol_handler(),
        _request_init_callbacks=[],
        _lock=None,
    )
    cluster.shutdown()


@pytest.fixture
def change(session: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Give what changes a name of one of the driver's objects, and returns the session."""

    def change(owner: str, name: str, instead: Any = None) -> Any:
        if owner == "Session":
            return _Changed(session, name, instead)
        if owner == "Cluster":
            session.cluster = _Changed(session.cluster, name, instead)
        elif owner == "Metadata":
            session.cluster = _Changed(session.cluster, "metadata", _Changed(object(), name, instead))
        else:
            owners = driver_probe._owners()
            owners = owners if owner in owners else driver_probe._shard_owners() or {}
            monkeypatch.setitem(owners, owner, _Changed(owners[owner], name, instead))
        return session

    return change


def test_the_installed_driver_has_all(session: Any) -> None:
    """So it does, in whichever release is installed."""
    assert unknown_internals(session) is None


def test_signatures_are_read_once(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the installed release's, and reading them takes longer than connecting."""
    unknown_internals(session)
    monkeypatch.setattr(driver_probe, "signature", None)
    assert unknown_internals(session) is None


@pytest.mark.parametrize(("owner", "name"), _ATTRIBUTES)
def test_an_attribute_is_missing(owner: str, name: str, change: Callable[..., Any]) -> None:
    """The reason names it, and the release."""
    found = unknown_internals(change(owner, name))
    assert found is not None
    assert found.startswith("in version 3.")
    assert found.endswith(f"{owner} has no {name}")


@pytest.mark.parametrize("call", _CALLS, ids=lambda call: f"{call.owner}.{call.name}")
def test_a_function_takes_other_arguments(call: driver_probe.Call, change: Callable[..., Any]) -> None:
    """One more that is required, or fewer than it is called with."""
    changed = [lambda *_, required, **__: required, lambda *, optional=None: optional]
    for other in changed[: 1 if not call.positional and not call.keywords else 2]:
        found = unknown_internals(change(call.owner, call.name, other))
        assert found is not None
        assert found.endswith(f"{call.owner}.{call.name} takes other arguments")


@pytest.mark.parametrize(
    "call", [call for call in _CALLS if call.name != "__init__"], ids=lambda call: call.name
)
def test_a_function_is_missing(call: driver_probe.Call, change: Callable[..., Any]) -> None:
    """So is that."""
    assert f"{call.owner} has no {call.name}" in str(unknown_internals(change(call.owner, call.name)))


def test_the_decoder_takes_other_arguments(session: Any) -> None:
    """It belongs to the session, which may have another."""
    session.client_protocol_handler = SimpleNamespace(decode_message=lambda version, body: (version, body))
    assert "ProtocolHandler.decode_message has other parameters" in str(unknown_internals(session))


def test_a_function_without_a_signature(change: Callable[..., Any]) -> None:
    """Compiled code may have none; then it is enough that it's there."""
    assert unknown_internals(change("Connection", "defunct", type)) is None
