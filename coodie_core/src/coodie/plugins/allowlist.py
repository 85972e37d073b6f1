"""The allow-list and the deny-list of distributions that may provide backends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError
from coodie.plugins.discovery import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coodie.plugins.discovery import DriverEntryPoint

__all__ = ["ALLOW_VARIABLE", "BLOCK_VARIABLE", "DistributionAllowlist", "from_environment"]

#: Environment variables with distributions, separated by commas; read on each lookup.
BLOCK_VARIABLE = "COODIE_BLOCK"
ALLOW_VARIABLE = "COODIE_ALLOW"


def from_environment(variable: str) -> tuple[str, ...]:
    """Return the distributions of an environment variable; none if it is empty."""
    names = os.environ.get(variable, "").split(",")
    return tuple(canonical_name(name.strip()) for name in names if name.strip())


class DistributionAllowlist:
    """The lists of the environment and of the application; all of them have to allow a distribution."""

    def __init__(self) -> None:
        self._blocked: frozenset[str] = frozenset()
        self._allowed: frozenset[str] | None = None

    def block(self, *distributions: str) -> None:
        """Add to the deny-list."""
        self._blocked |= set(map(_checked, distributions))

    def allow_only(self, *distributions: str) -> None:
        """Set the allow-list; all other distributions are blocked."""
        self._allowed = frozenset(map(_checked, distributions))

    def blocked_by(self, canonical: str) -> str | None:
        """Return what blocks a distribution, or None.

        Args:
            canonical: The canonical name of the distribution.

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
        """Return what blocks the distribution of each entry point, or None; in the same order."""
        return [self.blocked_by(entry.canonical) for entry in entries]


def _checked(distribution: object) -> str:
    """Validate the name of a distribution, and return its canonical form."""
    if not isinstance(distribution, str) or not distribution:
        message = f"{distribution!r} isn't a valid distribution name."
        raise ConfigurationError(message, hint="Give each as a str, such as 'coodie-scylla'.")
    return canonical_name(distribution)
