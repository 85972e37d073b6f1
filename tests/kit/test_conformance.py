"""The backend of this environment passes the kit, and so does a LazyDriver around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from tests.conftest import KIT_OPTIONS

from coodie.drivers import LazyDriver
from coodie.plugins import installed_drivers
from coodie_testing import DriverConformance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coodie_testing import Server

pytestmark = pytest.mark.server

(BACKEND,) = {entry.driver_type for entry in installed_drivers()} & {"scylla", "cassandra"}

_FIRST = "SELECT key FROM system.local"


class TestBackend(DriverConformance):
    """The driver that users get from init_coodie."""

    driver_type = BACKEND
    driver_options: ClassVar[Mapping[str, Any]] = KIT_OPTIONS


@pytest.mark.extended
class TestVersion4(DriverConformance):
    """The protocol's version that ScyllaDB speaks."""

    driver_type = BACKEND
    driver_options: ClassVar[Mapping[str, Any]] = KIT_OPTIONS | {"protocol_version": 4}


def _lazy(server: Server, options: dict[str, Any]) -> LazyDriver:
    where = {} if "session" in options else {"hosts": [server.host], "port": server.port}
    given: dict[str, Any] = {"hosts": None, "keyspace": None, "ssl_context": None} | where | options
    hosts, keyspace, context = (given.pop(name) for name in ("hosts", "keyspace", "ssl_context"))
    return LazyDriver(hosts, keyspace, context, KIT_OPTIONS | {"driver_type": BACKEND} | given)


@pytest.mark.extended
class TestLazy(DriverConformance):
    """A LazyDriver, connected by a first request, is as good as what it stands for."""

    driver_type = BACKEND
    waived: ClassVar[Mapping[str, str]] = {
        "test_streams_refuse_bad_sizes_at_once": "its stream_async connects, and refuses, with the first row"
    }

    @pytest.fixture(scope="class")
    @classmethod
    def open_driver(cls, server: Server) -> Callable[..., Any]:
        """Make one and connect it."""

        def open_(**options: Any) -> LazyDriver:
            driver = _lazy(server, options)
            driver.execute(_FIRST, [])
            return driver

        return open_

    @pytest.fixture(scope="class")
    @classmethod
    def open_driver_async(cls, server: Server) -> Any:
        """Make one and connect it, on the event loop."""

        async def open_(**options: Any) -> LazyDriver:
            driver = _lazy(server, options)
            try:
                await driver.execute_async(_FIRST, [])
            except BaseException:
                driver.close()  # its connect goes on for others that may wait
                raise
            return driver

        return open_
