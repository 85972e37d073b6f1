"""Checks of warm: it prepares statements and executes none, or isn't supported."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.contract.driver import AbstractDriver
from coodie.exceptions import (
    ConfigurationError,
    DriverClosedError,
    InvalidQueryError,
    RequestTimeoutError,
    UnsupportedError,
)
from coodie.protocol.frames import Opcode
from coodie_testing.checking import check
from coodie_testing.methods import calls_of, requests_of

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["WarmingChecks"]


def _is_supported(driver: Any) -> bool:
    return type(driver).warm is not AbstractDriver.warm


class WarmingChecks:
    """A driver that doesn't override ``warm`` raises UnsupportedError."""

    @check()
    async def test_warm(self, api: Api, space: Workspace, proxy: FaultProxy, key: str) -> None:
        """Requests needn't prepare what warm has prepared, without executing it; or it is unsupported."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        stmts = [
            f"SELECT c FROM {space.items} WHERE p = ? /* {key} */",
            f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */",
        ]
        if not _is_supported(api.driver):
            with pytest.raises(UnsupportedError) as caught:
                await through.warm(stmts)
            assert caught.value.feature == "warm"
            return
        await through.warm()
        await through.warm(iter(stmts))
        assert requests_of(proxy, key) == []
        assert await api.execute(stmts[0], [key]) == []
        prepared = proxy.count(key, Opcode.PREPARE)
        assert prepared >= len(stmts)
        for stmt in stmts:
            for call in calls_of(through, stmt, [key]).values():
                await call()
        # A batch may be one text, which isn't that of a statement.
        own = [one for one in proxy.requests if one.opcode == Opcode.PREPARE and one.statement in stmts]
        assert len(own) == prepared

    @check()
    async def test_warm_fails_as_requests_do(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """If it is supported, warm raises the errors of preparing, a timeout, and those of arguments."""
        if not _is_supported(api.driver):
            pytest.skip("the driver doesn't override warm")
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        good = f"SELECT c FROM {space.items} WHERE p = ? /* {key} */"
        with pytest.raises(InvalidQueryError) as caught:
            await through.warm([f"SELECT nothing FROM {space.items}"])
        assert "nothing" in (caught.value.statement or "")
        for timeout in (0, "5", True):
            with pytest.raises(ConfigurationError):
                await through.warm(timeout=timeout)
        await through.warm()
        proxy.mute = True
        with pytest.raises(RequestTimeoutError):
            await through.warm([good], timeout=0.4)
        proxy.mute = False
        await through.close()
        for call in (partial(through.warm), partial(through.warm, [good])):
            with pytest.raises(DriverClosedError):
                await call()
