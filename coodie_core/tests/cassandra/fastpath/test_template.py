"""Bound templates: kept by their connection from tick to tick, for as long as they apply."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.fastpath import template as module
from coodie.drivers.cassandra.fastpath.template import bind_template

if TYPE_CHECKING:
    import pytest


def made(host: object | None) -> Any:
    """Return a template whose requests go to a node."""
    return SimpleNamespace(
        only_node=lambda: host, encode=bytes, before=b"", after=b"", timestamps=None, compiled=None
    )


def pool_of(connection: Any) -> Any:
    """Return a pool that has one connection."""
    return SimpleNamespace(connection=lambda _host: connection)


def connected() -> Any:
    """Return a connection, as far as templates use it."""
    return SimpleNamespace(bound_templates={}, takes_templates=False)


def test_a_bound_template_is_found_again() -> None:
    """The next tick has the same object, with the same connection."""
    template, connection = made("node"), connected()
    first = bind_template("key", template, pool_of(connection), 10.0)
    assert first.connection is connection
    assert bind_template("key", template, pool_of(connection), 10.0) is first
    assert bind_template("other key", template, pool_of(connection), 10.0) is not first


def test_a_change_makes_another_one() -> None:
    """Another template for the key, another node of the same address, another connection."""
    connection, replaced = connected(), connected()
    first = bind_template("key", made("node"), pool_of(connection), 10.0)
    template = made("node")
    second = bind_template("key", template, pool_of(connection), 10.0)
    assert second is not first
    assert second.template is template
    again = ["node"]
    template.only_node = lambda: again
    third = bind_template("key", template, pool_of(connection), 10.0)
    assert third.host is again
    fourth = bind_template("key", template, pool_of(replaced), 10.0)
    assert fourth is not third
    assert fourth.connection is replaced


def test_what_has_no_connection_of_its_own_is_not_kept() -> None:
    """Requests that are routed one by one, and a node without a connection."""
    connection = connected()
    for template, found in ((made(None), connection), (made("node"), None)):
        first = bind_template("key", template, pool_of(found), 10.0)
        assert first.connection is None
        assert bind_template("key", template, pool_of(found), 10.0) is not first
    assert not connection.bound_templates


def test_a_connection_keeps_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with ever new statements doesn't fill the memory."""
    monkeypatch.setattr(module, "_MAX_BOUND", 3)
    connection = connected()
    for number in range(10):
        bind_template(number, made("node"), pool_of(connection), 10.0)
        assert len(connection.bound_templates) <= 3
