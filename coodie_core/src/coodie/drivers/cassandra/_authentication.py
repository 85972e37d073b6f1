"""Logins with credentials that are asked for anew for each connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cassandra.auth import Authenticator, AuthProvider, PlainTextAuthenticator

from coodie.options.credentials import current_credentials

if TYPE_CHECKING:
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
        return PlainTextAuthenticator(login.username, login.password)
