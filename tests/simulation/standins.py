"""Replace clocks, threads, locks and sockets in coodie and in the drivers during a run.

The names of ``time``, ``threading``, ``random`` and so on in their modules refer to the world's objects
during a run. The driver's reactor, scheduler and connections, which own threads, are replaced as a whole.
"""

from __future__ import annotations

import concurrent.futures
import concurrent.futures._base
import importlib
import itertools
import pkgutil
import queue
import random
import select
import socket
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import cassandra.cluster
import cassandra.connection
import cassandra.io
from cassandra.cluster import ResponseFuture
from cassandra.connection import Connection, ConnectionShutdown
from cassandra.policies import HostStateListener
from cassandra.pool import HostConnection
from tests.simulation.network import Network, Poll
from tests.simulation.world import (
    Condition,
    Event,
    Executor,
    Handle,
    Local,
    Lock,
    SimpleQueue,
    World,
    enter,
    world,
)

from coodie.drivers.cassandra._concurrency import _Waiting
from coodie.drivers.cassandra.fastpath import driver_internals
from coodie.drivers.cassandra.fastpath.async_connection import AsyncConnection
from coodie.drivers.cassandra.fastpath.sync_connection import SyncConnection
from coodie_testing.fake.node import NodeConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Driver", "simulated"]

_PACKAGES = ("coodie", "cassandra", "concurrent.futures")
_MISSING = object()
_numbers = itertools.count()


def _import_all() -> None:
    """Import the modules that requests would import later, after the replacements."""
    for package in ("coodie.drivers", "coodie.contract", "coodie.observers", "coodie.plugins"):
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if found.name != "coodie.observers.otel":
                importlib.import_module(found.name)


_import_all()

#: What is in sets, and has no hash but its address.
_IN_SETS = (
    AsyncConnection,
    SyncConnection,
    NodeConnection,
    concurrent.futures.Future,
    Connection,
    HostConnection,
    HostStateListener,
    ResponseFuture,
)


def _now() -> float:
    return world().now


def _ident() -> int:
    return world().get_ident()


def _sleep(seconds: float) -> None:
    world().sleep(seconds)


def _random(name: str) -> Callable[..., Any]:
    def draw(*args: Any, **kwargs: Any) -> Any:
        return getattr(world().random, name)(*args, **kwargs)

    return draw


_RANDOM = {name: _random(name) for name in ("random", "randint", "randrange", "choice", "shuffle", "sample")}
_RANDOM |= {"getrandbits": _random("getrandbits"), "uniform": _random("uniform")}


class _Stuck:
    """A module in which some names are replaced."""

    def __init__(self, module: ModuleType, **names: Any) -> None:
        self.__dict__.update(names)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _stand_ins(network: Network) -> dict[int, Any]:
    """Return the replacements, by the replaced objects."""
    clocks = {"time": _now, "monotonic": _now, "perf_counter": _now, "sleep": _sleep}
    threads: dict[str, Any] = {"Lock": Lock, "RLock": Lock, "Condition": Condition, "Event": Event}
    threads |= {"local": Local, "get_ident": _ident}
    sockets = _Stuck(socket, socket=SimpleNamespace(shutdown=lambda sock, how: sock.shutdown(how)))
    found: list[tuple[Any, Any]] = [
        (time, _Stuck(time, **clocks)),
        (threading, _Stuck(threading, **threads)),
        (random, _Stuck(random, **_RANDOM)),
        (select, _Stuck(select, poll=partial(Poll, network))),
        (concurrent.futures.ThreadPoolExecutor, Executor),
        (queue.SimpleQueue, SimpleQueue),
        (cassandra.cluster._Scheduler, _Scheduler),
        (cassandra.cluster.ConnectionHeartbeat, _Heartbeat),
    ]
    found += [(getattr(time, name), clock) for name, clock in clocks.items()]
    found += [(getattr(threading, name), one) for name, one in threads.items()]
    found += [(getattr(random, name), one) for name, one in _RANDOM.items()]
    made = {id(real): fake for real, fake in found}
    made[-1] = sockets
    return made


@contextmanager
def simulated(seed: int | str) -> Iterator[tuple[World, Network]]:
    """Run coodie and the driver in a world."""
    here, network = World(seed), Network()
    stand_ins = _stand_ins(network)
    changed: list[tuple[Any, str, Any]] = []

    def put(owner: Any, name: str, value: Any) -> None:
        changed.append((owner, name, vars(owner).get(name, _MISSING)))
        setattr(owner, name, value)

    for module_name, module in tuple(sys.modules.items()):
        if module is None or not module_name.startswith(_PACKAGES):
            continue
        for name, value in tuple(vars(module).items()):
            fake = stand_ins.get(id(value), _MISSING)
            if fake is not _MISSING and not name.startswith("__"):
                put(module, name, fake)
    for name in ("sync_connection", "driver_internals"):
        put(sys.modules[f"coodie.drivers.cassandra.fastpath.{name}"], "socket", stand_ins[-1])
    put(driver_internals._Handshake, "_connect_socket", _connect_socket)
    for kind in _IN_SETS:
        put(kind, "__hash__", _numbered)
    put(_Waiting, "__hash__", lambda waiting: waiting.index)
    here.network = network  # type: ignore[attr-defined]
    enter(here)
    try:
        yield here, network
    finally:
        for owner, name, value in reversed(changed):
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
        enter(None)


def _numbered(one: Any) -> int:
    """Return a number instead of the memory address, which would determine the order of sets."""
    number: int | None = vars(one).get("_simulated_number")
    if number is None:
        number = one._simulated_number = next(_numbers)
    return number


def _connect_socket(connection: Any) -> None:
    network: Network = world().network  # type: ignore[attr-defined]
    endpoint = connection.endpoint
    connection._socket = network.connect((endpoint.address, endpoint.port), connection.connect_timeout)


class _Scheduler:
    """The driver's task scheduler."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self._tasks: set[Any] = set()
        self.is_shutdown = False

    def shutdown(self) -> None:
        self.is_shutdown = True

    def schedule(self, delay: float, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
        return self.schedule_with_shutdown(delay, None, fn, *args, **kwargs)

    def schedule_unique(self, delay: float, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        task = (fn, args, tuple(kwargs.items()))
        if task not in self._tasks:
            self._tasks.add(task)

            def run() -> None:
                self._tasks.discard(task)
                fn(*args, **kwargs)

            self.schedule(delay, run)

    def schedule_with_shutdown(
        self, delay: float, on_shutdown: Any, fn: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> bool:
        def due() -> None:
            if not self.is_shutdown:
                with suppress(RuntimeError):  # the executor has been shut down
                    self._executor.submit(fn, *args, **kwargs)
                    return
            if on_shutdown is not None:
                Reactor.here().call(on_shutdown)

        if self.is_shutdown:
            if on_shutdown is not None:
                on_shutdown()
            return False
        world().at(max(0.0, delay), due)
        return True


class _Heartbeat:
    """The driver's heartbeats, which aren't simulated; those of the fast path are."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.is_stopped = False

    def stop(self) -> None:
        self.is_stopped = True


class Reactor:
    """The driver's reactor thread: reads received data, and runs timers."""

    def __init__(self) -> None:
        self._due: deque[Callable[[], object]] = deque()
        self._event = Event()
        world().start(self._run, "reactor")

    @staticmethod
    def here() -> Reactor:
        """Return the world's reactor; start it on the first call."""
        one = world()
        found: Reactor | None = getattr(one, "reactor", None)
        if found is None:
            found = Reactor()
            one.reactor = found  # type: ignore[attr-defined]
        return found

    def call(self, work: Callable[[], object]) -> None:
        """Call a function in the reactor's thread."""
        self._due.append(work)
        self._event.set()

    def _run(self) -> None:
        while True:
            self._event.clear()
            while self._due:
                self._due.popleft()()
            self._event.wait()


class _Timer:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True
        self._handle.cancel()


class Driver(Connection):  # type: ignore[misc]  # the drivers have no types
    """The driver's connection on a simulated socket, read in the reactor's thread."""

    is_closed: bool

    @classmethod
    def initialize_reactor(cls) -> None:
        """Do nothing."""

    @classmethod
    def handle_fork(cls) -> None:
        """Do nothing."""

    @classmethod
    def create_timer(cls, timeout: float, callback: Callable[[], object]) -> _Timer:
        """Call a function in the reactor's thread after a delay."""
        reactor = Reactor.here()

        def due() -> None:
            reactor.call(lambda: None if timer.is_cancelled else callback())

        timer = _Timer(world().at(max(0.0, timeout), due))
        return timer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _connect_socket(self)
        self._socket.settimeout(0)
        self._is_reading = False
        self._watch()
        self._send_options_message()

    def _watch(self) -> None:
        self._socket.watch(self._readable)

    def _readable(self) -> None:
        if not self._is_reading and not self.is_closed:
            self._is_reading = True
            Reactor.here().call(self.handle_read)

    def handle_read(self) -> None:
        """Read the received data."""
        self._is_reading = False
        if self.is_closed:
            return
        try:
            data = self._socket.recv(self.in_buffer_size)
        except BlockingIOError:
            self._watch()
            return
        except OSError as exc:
            self.defunct(exc)
            return
        if not data:
            self.defunct(ConnectionShutdown(f"Connection to {self.endpoint} was closed by server"))
            return
        self._iobuf.write(data)
        self.process_io_buffer()
        if not self.is_closed:
            self._watch()
            if self._socket.is_readable:
                self._readable()

    def push(self, data: bytes) -> None:
        """Send."""
        self._socket.sendall(data)

    def close(self) -> None:
        """Close."""
        with self.lock:
            if self.is_closed:
                return
            self.is_closed = True
        self._socket.close()
        if not self.is_defunct:
            self.error_all_requests(ConnectionShutdown(f"Connection to {self.endpoint} was closed"))
            self.connected_event.set()


# The fast path's handshake is that of the drivers' own connections alone.
Driver.__module__ = "cassandra.io.asyncioreactor"
