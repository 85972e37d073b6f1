"""What the tests against a real server share."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from tests.features import Features

import coodie
from coodie.registry import DriverRegistry, using_registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from coodie.drivers.cassandra import CassandraDriver


class Api:
    """A driver through its sync or its async methods; either way the caller awaits.

    So one test case runs both ways.
    """

    def __init__(self, driver: CassandraDriver, *, is_async: bool) -> None:
        self.driver = driver
        self.is_async = is_async

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            if self.is_async:
                return await getattr(self.driver, f"{name}_async")(*args, **kwargs)
            return getattr(self.driver, name)(*args, **kwargs)

        return call

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Yield the rows of ``stream`` or ``stream_async``."""
        if self.is_async:
            async for row in self.driver.stream_async(*args, **kwargs):
                yield row
        else:
            for row in self.driver.stream(*args, **kwargs):
                yield row


#: While they connect, the drivers wait 5 and 2 seconds, too little on a machine that is busy with tests.
PATIENT: dict[str, Any] = {"connect_timeout": 30.0, "control_connection_timeout": 10.0}

#: The options of the kit's drivers: a CREATE TABLE waits until other suites' keyspaces are dropped.
KIT_OPTIONS: dict[str, Any] = PATIENT | {"request_timeout": 30.0}


def open_driver(backend: str, **options: Any) -> Any:
    """Open a connection with the options that all connections of these tests have."""
    patient = {} if "session" in options else PATIENT
    return coodie.init_coodie(driver_type=backend, **patient | options)


@pytest.fixture
def registry() -> Iterator[DriverRegistry]:
    """Give the test a registry of its own."""
    with using_registry(DriverRegistry()) as fresh:
        yield fresh


class Connector:
    """Open connections to the node; all are closed when the test ends."""

    def __init__(self, node: Any, backend: str) -> None:
        self._node = node
        self._backend = backend
        self._opened: list[Any] = []

    def __call__(self, **options: Any) -> Any:
        """Open one with the given options of ``init_coodie``."""
        if "session" not in options:
            options = self._node.connection_options() | options
        name = f"test-{len(self._opened)}"
        driver = open_driver(self._backend, name=name, **options)
        self._opened.append(driver)
        return driver

    def close(self) -> None:
        """Close all."""
        for driver in self._opened:
            driver.close()


@pytest.fixture
def connect(cassandra_node: Any, backend: str, registry: DriverRegistry) -> Iterator[Connector]:
    """Open connections to the node."""
    connector = Connector(cassandra_node, backend)
    yield connector
    connector.close()


@pytest.fixture(scope="module")
def driver(cassandra_driver: Any) -> Any:
    """Share one connection among the module's tests that don't change it."""
    return cassandra_driver


@pytest.fixture(scope="module")
def features(driver: Any) -> Features:
    """Tell which features the server has."""
    return Features(driver.execute_one("SELECT release_version FROM system.local WHERE key = 'local'", []))


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest) -> None:
    """Skip a test whose mark names a feature that the server doesn't have."""
    names = [name for mark in request.node.iter_markers("needs") for name in mark.args]
    if names:
        request.getfixturevalue("features").require(*names)


@pytest.fixture(scope="module")
def keyspace(cassandra_keyspace: str) -> str:
    """Give the test module's keyspace."""
    return cassandra_keyspace


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def table(driver: Any, keyspace: str, _numbers: Iterator[int]) -> Callable[[str], str]:
    """Make a table with the given columns; return its qualified name."""

    def make(columns: str) -> str:
        name = f"{keyspace}.t{next(_numbers)}"
        driver.execute(f"CREATE TABLE {name} ({columns})", [])
        return name

    return make


@pytest.fixture(params=["sync", "async"])
def api(driver: Any, request: pytest.FixtureRequest) -> Api:
    """Give the shared connection, once through its sync and once through its async methods."""
    return Api(driver, is_async=request.param == "async")
