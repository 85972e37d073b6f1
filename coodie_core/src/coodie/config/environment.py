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
    """One variable of ours.

    Args:
        name: The whole name.
        path: What stands between double underscores, in small letters: the connection, then the key.
        text: Its value.
    """

    name: str
    path: tuple[str, ...]
    text: str = field(repr=False)


def variables(environ: Mapping[str, str]) -> Iterable[Variable]:
    """Yield our variables, in the order of their names."""
    for name in sorted(environ):
        if name.upper().startswith(PREFIX):
            path = tuple(name[len(PREFIX) :].lower().split("__"))
            yield Variable(name=name, path=path, text=environ[name])


def as_in_variables(name: str) -> str:
    """Return a connection's or profile's name as it is written in variables, in small letters."""
    return name.lower().replace("-", "_")
