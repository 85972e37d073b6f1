"""Which distributions may serve as backends: an allow-list and a deny-list."""

from __future__ import annotations

import os
import re

from coodie.exceptions import ConfigurationError

__all__ = ["ALLOW_VARIABLE", "BLOCK_VARIABLE", "Blocking", "listed", "normalized"]

#: Environment variables with distributions, separated by commas; read at each look-up.
BLOCK_VARIABLE = "COODIE_BLOCK"
ALLOW_VARIABLE = "COODIE_ALLOW"


def normalized(distribution: str) -> str:
    """Return a distribution's name in the one spelling that all others are equal to (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def listed(variable: str) -> tuple[str, ...]:
    """Return the distributions that an environment variable lists; none where it's empty."""
    names = os.environ.get(variable, "").split(",")
    return tuple(normalized(name.strip()) for name in names if name.strip())


class Blocking:
    """The lists of the environment and of the application; a distribution has to pass all of them."""

    def __init__(self) -> None:
        self._blocked: frozenset[str] = frozenset()
        self._allowed: frozenset[str] | None = None

    def block(self, *distributions: str) -> None:
        """Add to the deny-list."""
        self._blocked |= set(map(_checked, distributions))

    def allow_only(self, *distributions: str) -> None:
        """Set the allow-list; whatever isn't on it is blocked from now on."""
        self._allowed = frozenset(map(_checked, distributions))

    def blocked_by(self, distribution: str) -> str | None:
        """Return what blocks a distribution, or None.

        Returns:
            The environment variable's name, or "block" or "allow_only".
        """
        name = normalized(distribution)
        if name in listed(BLOCK_VARIABLE):
            return BLOCK_VARIABLE
        allowed = listed(ALLOW_VARIABLE)
        if allowed and name not in allowed:
            return ALLOW_VARIABLE
        if name in self._blocked:
            return "block"
        if self._allowed is not None and name not in self._allowed:
            return "allow_only"
        return None


def _checked(distribution: object) -> str:
    """Return the name of a distribution that an application gives, normalized."""
    if not isinstance(distribution, str) or not distribution:
        message = f"{distribution!r} is not a distribution's name."
        raise ConfigurationError(message, hint="Give each as a str of its own, such as 'coodie-scylla'.")
    return normalized(distribution)
