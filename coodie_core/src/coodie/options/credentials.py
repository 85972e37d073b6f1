"""Credentials that are asked for anew for each login, so that a rotated secret needs no restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from coodie.exceptions import AuthenticationError, ConfigurationError, CoodieError

__all__ = [
    "Authenticator",
    "Credentials",
    "CredentialsProvider",
    "NamedProvider",
    "ProviderName",
    "current_credentials",
]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and a password; the repr doesn't contain the password.

    Args:
        username: The user name.
        password: The password.
    """

    username: str
    password: str = field(repr=False)


class Authenticator(Protocol):
    """The client's side of one login with another mechanism than a user name and a password.

    Its methods must not block.
    """

    def initial_response(self) -> bytes:
        """Return the first response to the server, which asks for a login."""
        ...

    def evaluate_challenge(self, challenge: bytes) -> bytes:
        """Return the response to a challenge of the server."""
        ...


#: A function that returns the current credentials, or an authenticator for one login; it may block.
CredentialsProvider = Callable[[], Credentials | Authenticator]


@dataclass(frozen=True, slots=True)
class ProviderName:
    """The name of a provider that hasn't been looked up yet.

    Args:
        name: The name, optionally with @ and the distribution.
    """

    name: str

    def __call__(self) -> Credentials:
        """Raise: only the functions that open a driver look it up.

        Raises:
            ConfigurationError: Always.
        """
        message = f"The credentials provider {self.name!r} hasn't been looked up."
        hint = "Open the driver with init_coodie or open_driver."
        raise ConfigurationError(message, hint=hint, option="credentials")


@dataclass(frozen=True, slots=True)
class NamedProvider:
    """The provider of an installed distribution.

    Args:
        title: Its name and its distribution, for messages.
        function: The provider.
    """

    title: str
    function: CredentialsProvider = field(repr=False)

    def __call__(self) -> Credentials | Authenticator:
        """Return the current credentials."""
        return self.function()


def current_credentials(provider: CredentialsProvider) -> Credentials | Authenticator:
    """Ask a provider for the current credentials; may block.

    Raises:
        AuthenticationError: The provider raised. The error doesn't contain the text of its exception.
        ConfigurationError: The provider returned something else.
    """
    try:
        found = provider()
    except CoodieError:
        raise
    except Exception as exc:
        # The text may contain a secret.
        message = f"The credentials provider {_name(provider)} raised {type(exc).__name__}."
        raise AuthenticationError(message, hint="Check what credentials= is set to.") from exc
    if isinstance(found, Credentials):
        if isinstance(found.username, str) and isinstance(found.password, str):
            return found
    elif all(callable(getattr(found, name, None)) for name in ("initial_response", "evaluate_challenge")):
        return found
    message = f"The credentials provider {_name(provider)} returned a {type(found).__name__}."
    hint = "Return coodie.Credentials(username, password), both of type str, or an authenticator."
    raise ConfigurationError(message, hint=hint, option="credentials")


def _name(provider: object) -> str:
    if isinstance(provider, NamedProvider):
        return provider.title
    return getattr(provider, "__qualname__", None) or type(provider).__qualname__
