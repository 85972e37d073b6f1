"""Settings in the environment: ``COODIE__ANALYTICS__PORT`` is the key ``connections.analytics.port``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["PREFIX", "Variable", "as_in_variables", "variables"]

PREFIX = "COODIE__"


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """An environment variable of the configuration.

    Args:
        name: The full name.
        path: The parts between double underscores, in lower case: the connection, then the key.
        text: The value.
    """

    name: str
    path: tuple[str, ...]
    text: str = field(repr=False)


def variables(environ: Mapping[str, str]) -> Iterable[Variable]:
    """Yield the variables of the configuration, sorted by name."""
    for name in sorted(environ):
        if name.upper().startswith(PREFIX):
            path = tuple(name[len(PREFIX) :].lower().split("__"))
            yield Variable(name=name, path=path, text=environ[name])


def as_in_variables(name: str) -> str:
    """Return the name of a connection or profile as in variables, in lower case."""
    return name.lower().replace("-", "_")
