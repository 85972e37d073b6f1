"""The fixtures of a suite: the server, the driver, and the data of the checks."""

from __future__ import annotations

import socket
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from coodie.capabilities import Capability
from coodie_testing.api import Api, Openers
from coodie_testing.checking import check_of
from coodie_testing.faults.proxy import FaultProxy
from coodie_testing.loop import CheckLoop
from coodie_testing.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from coodie.contract.driver import AbstractDriver
    from coodie.options.connection import ConnectionConfig

__all__ = ["Server", "Suite"]

#: One workspace per server, shared by all suites of a test session.
_WORKSPACES: pytest.StashKey[dict[Server, Workspace]] = pytest.StashKey()

_NO_SERVER = (
    "The kit needs a Cassandra, and no fixture provides one. Install coodie-local, which "
    "starts one, or override the fixture `server` to return coodie_testing.Server(host, port)."
)
_NO_OPENER = (
    "The kit doesn't know how the driver is opened. Set driver_type = '…' on the class, or override the "
    "fixture `open_driver` to return a function that takes options of init_coodie and returns an open driver."
)


@dataclass(frozen=True, slots=True)
class Server:
    """The address of the checks' server."""

    host: str
    port: int


class Suite:
    """The attributes and fixtures of a suite."""

    #: The driver_type for init_coodie; or override the fixture ``open_driver``.
    driver_type: ClassVar[str | None] = None
    #: Options of init_coodie for all connections, except those with session=.
    driver_options: ClassVar[Mapping[str, Any]] = {}
    #: Waived checks and the reasons; they are skipped, and the report shows the reason.
    waived: ClassVar[Mapping[str, str]] = {}
    #: The maximum size of the driver's statement cache.
    statement_cache_bound: ClassVar[int] = 1000

    @classmethod
    def _config(cls, server: Server, options: Mapping[str, Any]) -> ConnectionConfig:
        """Return the options of a driver."""
        from coodie.options.connection import build_config

        given: dict[str, Any] = {"driver_type": cls.driver_type}
        if "session" not in options:  # a session is connected already
            given |= {"hosts": [server.host], "port": server.port, **cls.driver_options}
        return build_config(**(given | dict(options)))

    # --- what a suite may override ------------------------------------------------------

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, request: pytest.FixtureRequest) -> Server:
        """Return the server's address; by default, that of coodie-local's Cassandra."""
        try:
            node = request.getfixturevalue("cassandra_node")
        except pytest.FixtureLookupError:
            pytest.fail(_NO_SERVER, pytrace=False)
        return Server(node.host, node.port)

    @pytest.fixture(scope="class")
    @classmethod
    def open_driver(cls, server: Server) -> Callable[..., AbstractDriver]:
        """Return a function that opens a driver with options of init_coodie."""
        if cls.driver_type is None:
            pytest.fail(_NO_OPENER, pytrace=False)
        from coodie.registry.registry import open_driver as open_plugin

        def open_(**options: Any) -> AbstractDriver:
            return open_plugin(cls._config(server, options))

        return open_

    @pytest.fixture(scope="class")
    @classmethod
    def open_driver_async(cls, server: Server) -> Callable[..., Coroutine[Any, Any, AbstractDriver]] | None:
        """Return an async function that opens a driver; None if there is none.

        Without it, async checks open further drivers in a thread.
        """
        if cls.driver_type is None:
            return None
        from coodie.registry.registry import open_driver_async as open_plugin

        async def open_(**options: Any) -> AbstractDriver:
            return await open_plugin(cls._config(server, options))

        return open_

    @pytest.fixture(scope="class")
    @classmethod
    def driver(cls, open_driver: Callable[..., AbstractDriver]) -> Iterator[AbstractDriver]:
        """Return the shared driver; checks that close a driver open their own."""
        opened = open_driver()
        yield opened
        opened.close()

    # --- the data of the checks ---------------------------------------------------------

    @pytest.fixture(autouse=True)
    def _applies(self, request: pytest.FixtureRequest, driver: AbstractDriver) -> None:
        """Skip checks of undeclared capabilities, waived checks, and those that the server can't pass."""
        described = check_of(request.function)
        if described is None:
            return
        if described.name in self.waived:
            pytest.skip(f"waived: {self.waived[described.name]}")
        lacking = [need for need in described.needs if need not in driver.capabilities]
        if lacking:
            names = ", ".join(f"Capability.{need.name}" for need in lacking)
            pytest.skip(f"the driver doesn't declare {names}")
        if Capability.VECTORS in described.needs:
            space: Workspace = request.getfixturevalue("space")
            if space.no_vectors:
                pytest.skip(f"the server has no vectors: {space.no_vectors}")

    @pytest.fixture(scope="class")
    @classmethod
    def loop(cls) -> Iterator[CheckLoop]:
        """Return the event loop of the async checks."""
        loop = CheckLoop()
        yield loop
        loop.close()

    @pytest.fixture
    def openers(
        self,
        open_driver: Callable[..., AbstractDriver],
        open_driver_async: Callable[..., Coroutine[Any, Any, AbstractDriver]] | None,
    ) -> Iterator[Openers]:
        """Return functions that open further drivers; they are closed when the check ends."""
        openers = Openers(open_driver, open_driver_async)
        yield openers
        openers.close_all()

    @pytest.fixture(params=["sync", "async"])
    def api(
        self, request: pytest.FixtureRequest, driver: AbstractDriver, loop: CheckLoop, openers: Openers
    ) -> Api:
        """Return the driver, once with its sync and once with its async methods."""
        return Api(driver, loop if request.param == "async" else None, openers)

    @pytest.fixture
    def sync_api(self, driver: AbstractDriver, openers: Openers) -> Api:
        """Return the driver with its sync methods."""
        return Api(driver, None, openers)

    @pytest.fixture
    def async_api(self, driver: AbstractDriver, loop: CheckLoop, openers: Openers) -> Api:
        """Return the driver with its async methods."""
        return Api(driver, loop, openers)

    @pytest.fixture(scope="class")
    @classmethod
    def space(
        cls,
        request: pytest.FixtureRequest,
        server: Server,
        driver: AbstractDriver,
        open_driver: Callable[..., AbstractDriver],
    ) -> Workspace:
        """Return the kit's keyspace and tables; they are dropped at the end of the session."""
        spaces = request.config.stash.setdefault(_WORKSPACES, {})
        space = spaces.get(server)
        if space is None:
            space = spaces[server] = Workspace()
            request.session.addfinalizer(partial(_drop, space, open_driver))
        space.prepare(driver)
        return space

    @pytest.fixture
    def key(self) -> str:
        """Return a unique key."""
        return uuid.uuid4().hex

    @pytest.fixture
    def closed_port(self) -> int:
        """Return a closed port of 127.0.0.1."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        return port

    @pytest.fixture
    def proxy(self, server: Server, openers: Openers) -> Iterator[FaultProxy]:
        """Return a proxy for the server; drivers that use it are closed before it is."""
        with FaultProxy(server.host, server.port) as running:
            yield running
            running.heal()
            openers.close_all()


def _drop(space: Workspace, open_driver: Callable[..., AbstractDriver]) -> None:
    """Drop the kit's keyspaces with a new connection: those of the suites are closed."""
    driver = open_driver()
    try:
        space.drop(driver)
    finally:
        driver.close()
