"""Credentials that are asked for anew for each login, so that a rotated secret needs no restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from coodie.exceptions import AuthenticationError, ConfigurationError, CoodieError

__all__ = ["Credentials", "CredentialsProvider", "current_credentials"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and a password; the repr doesn't contain the password.

    Args:
        username: The user name.
        password: The password.
    """

    username: str
    password: str = field(repr=False)


#: A function that returns the current credentials.
CredentialsProvider = Callable[[], Credentials]


def current_credentials(provider: CredentialsProvider) -> Credentials:
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
    if isinstance(found, Credentials) and all(
        isinstance(part, str) for part in (found.username, found.password)
    ):
        return found
    message = f"The credentials provider {_name(provider)} returned a {type(found).__name__}."
    hint = "Return coodie.Credentials(username, password), both of type str."
    raise ConfigurationError(message, hint=hint, option="credentials")


def _name(provider: object) -> str:
    return getattr(provider, "__qualname__", None) or type(provider).__qualname__
