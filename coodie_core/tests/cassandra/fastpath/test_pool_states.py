"""The connections to a node that threads take in turn, through anything that may happen to them."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coodie.drivers.cassandra.fastpath import pool

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.extended, pytest.mark.timeout(600)]

LIMIT = 3
SHARDS = st.sampled_from([None, 0, 1])


@dataclass(eq=False)
class Connection:
    """A connection, as far as the pool looks at it."""

    link: Any
    max_idle: float = 0.0
    is_closed: bool = False
    is_stale: bool = False
    is_broken: bool = False
    is_retired: bool = False

    @property
    def shard(self) -> int | None:
        """Where it ends."""
        shard: int | None = self.link.shard
        return shard

    def is_usable(self) -> bool:
        """Look at the socket."""
        return not (self.is_closed or self.is_broken or self.is_retired)

    def close(self) -> None:
        """Close."""
        self.is_closed = True

    def abort(self) -> None:
        """Wake who waits on it; that one drops it."""
        self.is_broken = True


class FakeConnector:
    """What opens connections, when the test says so."""

    def __init__(self, *_: object) -> None:
        self.asked: list[tuple[Callable[[Any], None], int | None]] = []

    def open(self, deliver: Callable[[Any], None], shard: int | None) -> None:
        """Note that one is wanted."""
        self.asked.append((deliver, shard))

    def reset(self) -> None:
        """Forget failures."""


class PoolMachine(RuleBasedStateMachine):
    """A pool of three connections at most, and its shards'."""

    @initialize()
    def begin(self) -> None:
        """Begin with none."""
        self.patch = pytest.MonkeyPatch()
        self.made: list[Connection] = []
        self.patch.setattr(pool, "SyncConnection", self.make)
        self.patch.setattr(pool, "Connector", FakeConnector)
        self.patch.setattr(pool, "MAX_CONNECTIONS", LIMIT)
        cluster: Any = SimpleNamespace(idle_heartbeat_interval=30)
        nothing: Any = Mock()
        self.pool: Any = pool.SyncPool(cluster, nothing, nothing, lambda _: None, nothing)
        self.connector: Any = self.pool._connector
        self.in_hand: list[Connection] = []
        self.is_over = False

    def teardown(self) -> None:
        """Give all back and end: none stays open."""
        self.pool.close()
        for connection in self.in_hand:
            self.pool.release(connection) if connection.is_usable() else self.pool.discard(connection)
        self.patch.undo()
        assert all(connection.is_closed for connection in self.made)
        assert not self.pool._all

    def make(self, link: Any, max_idle: float) -> Connection:
        """Make a connection, as the pool does of what it is delivered."""
        self.made.append(Connection(link, max_idle))
        return self.made[-1]

    @rule(shard=SHARDS)
    def acquire(self, shard: int | None) -> None:
        """Take one: nobody else has it, and it works. Where there is none, one is asked for."""
        asked = len(self.connector.asked)
        good = [each for each in self.idle if each.is_usable() and each.shard == shard]
        spoiled = sum(each.is_broken for each in self.idle)
        connection = self.pool.acquire(shard)
        if connection is None:
            assert not good
            wanted = len(self.connector.asked) - asked
            assert wanted <= 1 + spoiled  # others that it found broken are replaced, too
            assert not self.is_over or wanted == 0
            assert len(self.pool._all) >= LIMIT or self.is_over or wanted
            return
        assert isinstance(connection, Connection)
        assert connection not in self.in_hand
        assert connection.is_usable()
        assert connection.shard == shard if good else shard is not None
        self.in_hand.append(connection)

    @precondition(lambda self: self.connector.asked)
    @rule()
    def deliver(self) -> None:
        """Deliver one that was asked for, late perhaps."""
        deliver, shard = self.connector.asked.pop(0)
        deliver(SimpleNamespace(shard=shard, sock=SimpleNamespace(close=lambda: None)))

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data(), breaks=st.booleans())
    def release(self, data: st.DataObject, breaks: bool) -> None:
        """Give one back with its answers taken, or drop it."""
        connection = data.draw(st.sampled_from(self.in_hand))
        self.in_hand.remove(connection)
        if breaks or connection.is_broken:
            self.pool.discard(connection)
            assert connection.is_closed
        else:
            self.pool.release(connection)
            assert connection.is_closed is (self.is_over or connection.is_retired)

    @property
    def idle(self) -> list[Connection]:
        """Those that are open and in nobody's hand."""
        return [each for each in self.made if not each.is_closed and each not in self.in_hand]

    @precondition(lambda self: self.idle)
    @rule(data=st.data(), is_stale=st.booleans())
    def spoil(self, data: st.DataObject, is_stale: bool) -> None:
        """Let the server close an idle one, or let one be idle for long."""
        connection = data.draw(st.sampled_from(self.idle))
        if is_stale:
            connection.is_stale = True
        else:
            connection.is_broken = True

    @rule(is_up=st.booleans())
    def change_host(self, is_up: bool) -> None:
        """Let the node go down or come up: idle connections are closed, and requests in flight may finish."""
        broken = [connection for connection in self.in_hand if connection.is_broken]
        self.pool.host_changed(is_up=is_up)
        if not is_up:
            assert not self.idle
            assert all(connection.is_retired for connection in self.in_hand)
        assert broken == [connection for connection in self.in_hand if connection.is_broken]

    @rule()
    def close(self) -> None:
        """Close the driver."""
        self.pool.close()
        self.is_over = True
        assert not self.idle
        assert all(connection.is_broken for connection in self.in_hand)

    @invariant()
    def none_is_lost(self) -> None:
        """Each is idle where it can be taken, in one hand, or closed; and they are few."""
        there = [one for idle in self.pool._idle.values() for one in idle]
        assert len(set(map(id, there))) == len(there)
        assert {id(each) for each in self.idle} == {id(each) for each in there}
        assert set(self.pool._all) >= {each for each in self.made if not each.is_closed}


def test_pool() -> None:
    """No connection is in two hands, lost or given out broken, and none is open once the driver is closed."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        PoolMachine, settings=settings(max_examples=150, stateful_step_count=30, deadline=None)
    )
