"""Logins with credentials that are asked for anew for each connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cassandra.auth import Authenticator, AuthProvider, PlainTextAuthenticator

from coodie.options.credentials import Credentials, current_credentials

if TYPE_CHECKING:
    from coodie.options.credentials import Authenticator as CoodieAuthenticator
    from coodie.options.credentials import CredentialsProvider

__all__ = ["CurrentCredentials"]


class CurrentCredentials(AuthProvider):  # type: ignore[misc]  # the drivers have no types
    """An AuthProvider for the drivers, whose authenticators have no credentials yet.

    The drivers create one authenticator for all attempts to reconnect to a node, and use it on the thread of
    their event loop, which a provider must not block. So each connection asks for its credentials when it is
    created, which the drivers do in other threads: see ``NamedClient``.

    Args:
        provider: Returns the current credentials.
    """

    def __init__(self, provider: CredentialsProvider) -> None:
        self._provider = provider

    def new_authenticator(self, host: str) -> Any:  # noqa: ARG002 - the drivers' interface
        """Return an authenticator without credentials; called by the driver."""
        return _Unasked(self._provider)


class _Unasked(Authenticator):  # type: ignore[misc]  # the drivers have no types
    def __init__(self, provider: CredentialsProvider) -> None:
        self._provider = provider

    def renewed(self) -> Any:
        """Return an authenticator with the current credentials; may block."""
        login = current_credentials(self._provider)
        if isinstance(login, Credentials):
            return PlainTextAuthenticator(login.username, login.password)
        return _Adapted(login)


class _Adapted(Authenticator):  # type: ignore[misc]  # the drivers have no types
    """The driver's authenticator for coodie's."""

    def __init__(self, login: CoodieAuthenticator) -> None:
        self._login = login

    def initial_response(self) -> bytes:
        """Return the first response; called by the driver."""
        return self._login.initial_response()

    def evaluate_challenge(self, challenge: bytes | None) -> bytes:
        """Return the response to a challenge; called by the driver."""
        return self._login.evaluate_challenge(challenge or b"")
