"""Logins with other mechanisms than a user name and a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.ways import Ways

import coodie
from coodie.exceptions import AuthenticationError
from coodie_testing import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coodie.registry import DriverRegistry

_SELECT = "SELECT key FROM system.local WHERE key = ?"


class _Reversing:
    """Answers a challenge with its bytes in reverse order."""

    def initial_response(self) -> bytes:
        return b"reverse"

    def evaluate_challenge(self, challenge: bytes) -> bytes:
        return challenge[::-1]


async def test_an_authenticator(backend: str, registry: DriverRegistry) -> None:
    """All connections answer the server's challenge: the session's and the fast path's, sync and async."""
    logins: list[int] = []

    def login(tokens: Sequence[bytes]) -> bytes | None:
        if tokens[0] != b"reverse" or tokens[1:] not in ([], [b"7ecnon"]):
            raise PermissionError("Not reversed")
        logins.append(len(tokens))
        return b"nonce7" if len(tokens) == 1 else None

    with FakeCluster(login=login) as cluster:
        options = {**cluster.connection_options(), "driver_type": backend, "fast_path": True}
        driver = coodie.init_coodie(credentials=_Reversing, **options)
        ways = Ways(driver)
        ways.warm(_SELECT, ["local"])
        session_alone = len(logins)
        await ways.warm_async(_SELECT, ["local"])
        driver.close()
        assert logins.count(1) == logins.count(2) >= session_alone // 2 + 1
        with pytest.raises(AuthenticationError, match="Not reversed"):
            coodie.init_coodie(username="ada", password="marker-51c9", **options)
