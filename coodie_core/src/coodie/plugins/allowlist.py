"""Which distributions may be used as backends: an allow-list and a deny-list."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError
from coodie.plugins.discovery import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coodie.plugins.discovery import DriverEntryPoint

__all__ = ["ALLOW_VARIABLE", "BLOCK_VARIABLE", "DistributionAllowlist", "from_environment"]

#: Environment variables with distributions, separated by commas; read at each look-up.
BLOCK_VARIABLE = "COODIE_BLOCK"
ALLOW_VARIABLE = "COODIE_ALLOW"


def from_environment(variable: str) -> tuple[str, ...]:
    """Return the distributions that an environment variable lists; none where it's empty."""
    names = os.environ.get(variable, "").split(",")
    return tuple(canonical_name(name.strip()) for name in names if name.strip())


class DistributionAllowlist:
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

    def blocked_by(self, canonical: str) -> str | None:
        """Return what blocks a distribution, or None.

        Args:
            canonical: Its name, as ``canonical_name`` spells it.

        Returns:
            The environment variable's name, or "block" or "allow_only".
        """
        if canonical in from_environment(BLOCK_VARIABLE):
            return BLOCK_VARIABLE
        allowed = from_environment(ALLOW_VARIABLE)
        if allowed and canonical not in allowed:
            return ALLOW_VARIABLE
        if canonical in self._blocked:
            return "block"
        if self._allowed is not None and canonical not in self._allowed:
            return "allow_only"
        return None

    def reasons(self, entries: Iterable[DriverEntryPoint]) -> list[str | None]:
        """Return what blocks the distribution of each entry point, or None, in order."""
        return [self.blocked_by(entry.canonical) for entry in entries]


def _checked(distribution: object) -> str:
    """Return the name of a distribution that an application gives, in its canonical spelling."""
    if not isinstance(distribution, str) or not distribution:
        message = f"{distribution!r} is not a distribution's name."
        raise ConfigurationError(message, hint="Give each as a str of its own, such as 'coodie-scylla'.")
    return canonical_name(distribution)
