"""Checks of logins: the server is a FakeCluster, since the kit's server has no passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import AuthenticationError, CoodieError
from coodie.options.credentials import Credentials
from coodie_testing.checking import check
from coodie_testing.fake.cluster import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coodie_testing.api import Api

__all__ = ["LoginsChecks"]

_READ = "SELECT v FROM shop.items"


class _Passwords:
    """The server's side of logins as ``kit``, whose password changes.

    Args:
        password: The current password.
    """

    def __init__(self, password: str) -> None:
        self.password = password
        self.logins: list[str] = []

    def __call__(self, tokens: Sequence[bytes]) -> None:
        """Accept only the current password.

        Raises:
            PermissionError: It is another one.
        """
        self.logins.append(self.password)
        if tokens != [b"\0kit\0" + self.password.encode()]:
            raise PermissionError("Provided username kit and/or password are incorrect")


async def _reads(api: Api) -> bool:
    """Return whether a read succeeds."""
    try:
        rows = await api.execute(_READ, [], timeout=2)
    except CoodieError:
        return False
    return bool(rows == [{"v": 1}])


class LoginsChecks:
    """Users, passwords, and credentials that change."""

    @check(Capability.AUTHENTICATION)
    async def test_users_and_passwords(self, api: Api) -> None:
        """``username`` and ``password`` are those of the login; others raise an AuthenticationError."""
        password = "pässwörd'\"\\ :/@"  # noqa: S105 - of a server in this process
        with FakeCluster(username="kit", password=password) as cluster:
            cluster.when(_READ).rows([{"v": 1}])
            where = {"hosts": cluster.hosts, "port": cluster.port, "username": "kit"}
            other = await api.open(**where, password=password)
            assert await _reads(other)
            await other.close()
            with pytest.raises(AuthenticationError) as caught:
                await api.open(**where, password="s3cret")  # noqa: S106 - a wrong one
            assert "s3cret" not in f"{caught.value}{caught.value!r}"

    @check(Capability.AUTHENTICATION)
    async def test_credentials_that_change(self, api: Api) -> None:
        """``credentials`` is called for each further login, so that a new password is used at once."""
        passwords = _Passwords("old")

        def current() -> Credentials:
            return Credentials("kit", passwords.password)

        with FakeCluster(login=passwords) as cluster:
            cluster.when(_READ).rows([{"v": 1}])
            other = await api.open(hosts=cluster.hosts, port=cluster.port, credentials=current)
            assert await _reads(other)
            passwords.password = "new"  # noqa: S105 - as above
            cluster.disconnect()

            async def logs_in_again() -> bool:
                return "new" in passwords.logins and await _reads(other)

            await other.until(logs_in_again, "the driver logs in with the new password", 30)
            await other.close()
