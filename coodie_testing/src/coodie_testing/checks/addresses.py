"""Checks of addresses: hosts with ports of their own, and Unix sockets."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from coodie.capabilities import Capability
from coodie_testing.checking import check
from coodie_testing.faults.proxy import FaultProxy

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.suite import Server

__all__ = ["AddressesChecks"]

_LOCAL = "SELECT key FROM system.local WHERE key = ?"


class AddressesChecks:
    """Addresses other than names with one port."""

    @check(Capability.HOST_PORTS)
    async def test_a_host_with_its_port(self, api: Api, proxy: FaultProxy, closed_port: int) -> None:
        """The port of a host is its own, instead of ``port``; another host has that one."""
        for hosts, port in (
            ([f"{proxy.host}:{proxy.port}"], closed_port),
            ([f"{proxy.host}:{closed_port}", proxy.host], proxy.port),
        ):
            accepted = proxy.accepted
            other = await api.open(hosts=hosts, port=port)
            for _ in range(2):
                assert await other.execute_one(_LOCAL, ["local"]) == "local"
            assert proxy.accepted > accepted
            await other.close()

    @check(Capability.UNIX_SOCKETS)
    async def test_a_unix_socket(self, api: Api, server: Server) -> None:
        """A host that is an absolute path is a Unix socket, for all connections."""
        with tempfile.TemporaryDirectory(prefix="kit-") as folder:
            path = str(Path(folder, "cql.sock"))
            with FaultProxy(server.host, server.port, listen=(path, 0)) as proxy:
                other = await api.open(hosts=[path])
                for _ in range(2):
                    assert await other.execute_one(_LOCAL, ["local"]) == "local"
                sent = [one for one in tuple(proxy.requests) if one.statement == _LOCAL]
                assert len(sent) >= 2
                await other.close()
