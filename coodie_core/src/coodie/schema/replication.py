"""Replication strategies of keyspaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coodie.exceptions import ConfigurationError
from coodie.schema.identifiers import quote, quote_literal

__all__ = [
    "NetworkTopologyStrategy",
    "SimpleStrategy",
    "create_keyspace",
    "parse_replication",
    "replication_differs",
]

_FACTOR = "replication_factor"


@dataclass(frozen=True, slots=True)
class SimpleStrategy:
    """A number of replicas regardless of data centres; for tests and clusters with one data centre.

    Args:
        replication_factor: The number of replicas, 1 or more.
    """

    replication_factor: int

    def __post_init__(self) -> None:
        """Validate the number of replicas."""
        _check_factor(_FACTOR, self.replication_factor, least=1)

    def as_map(self) -> dict[str, str]:
        """Return what CQL has behind ``replication =``."""
        return {"class": "SimpleStrategy", _FACTOR: str(self.replication_factor)}


@dataclass(frozen=True, slots=True)
class NetworkTopologyStrategy:
    """A number of replicas per data centre; for production.

    Args:
        data_centers: The number of replicas, 0 or more, by the server's name of the data centre.
        replication_factor: The number of replicas in all other data centres that exist when the keyspace is
            created.
    """

    data_centers: Mapping[str, int] | None = None
    replication_factor: int | None = None

    def __post_init__(self) -> None:
        """Validate the data centres and the numbers of replicas."""
        named = self.data_centers or {}
        if not isinstance(named, Mapping) or not (named or self.replication_factor is not None):
            raise ConfigurationError(
                f"NetworkTopologyStrategy has invalid data centres: {self.data_centers!r}.",
                hint="Give {'dc1': 3}, or replication_factor=3 for every data centre.",
                option="create_keyspace",
            )
        for name, factor in named.items():
            if not isinstance(name, str) or not name or name in ("class", _FACTOR):
                raise ConfigurationError(
                    f"{name!r} isn't the name of a data centre.",
                    hint="Give the server's names: SELECT data_center FROM system.local.",
                    option="create_keyspace",
                )
            _check_factor(name, factor, least=0)
        if self.replication_factor is not None:
            _check_factor(_FACTOR, self.replication_factor, least=1)

    def as_map(self) -> dict[str, str]:
        """Return what CQL has behind ``replication =``."""
        factors = {name: str(factor) for name, factor in (self.data_centers or {}).items()}
        if self.replication_factor is not None:
            factors[_FACTOR] = str(self.replication_factor)
        return {"class": "NetworkTopologyStrategy", **factors}


def _check_factor(name: str, factor: object, *, least: int) -> None:
    if not isinstance(factor, int) or isinstance(factor, bool) or factor < least:
        raise ConfigurationError(
            f"The replication of {name!r} is {factor!r}, not an integer of at least {least}.",
            hint="Give the number of replicas, such as 3.",
            option="create_keyspace",
        )


def parse_replication(given: object) -> dict[str, str]:
    """Return a replication as a map of texts, as in CQL's ``replication =``.

    Args:
        given: A strategy, or a mapping with a ``class``, which is passed through.

    Raises:
        ConfigurationError: The argument has another type.
    """
    if isinstance(given, (SimpleStrategy, NetworkTopologyStrategy)):
        return given.as_map()
    if isinstance(given, Mapping) and isinstance(given.get("class"), str):
        entries: dict[str, Any] = dict(given)
        if all(isinstance(key, str) and isinstance(value, (str, int)) for key, value in entries.items()):
            return {key: str(value) for key, value in entries.items()}
    raise ConfigurationError(
        f"create_keyspace={given!r} isn't a replication strategy.",
        hint="Give SimpleStrategy(1) or NetworkTopologyStrategy({'dc1': 3}) from coodie.schema.",
        option="create_keyspace",
    )


def create_keyspace(keyspace: str, replication: Mapping[str, str]) -> str:
    """Return CREATE KEYSPACE IF NOT EXISTS.

    Args:
        keyspace: The plain name.
        replication: The replication, from ``parse_replication``.
    """
    pairs = ", ".join(f"{quote_literal(key)}: {quote_literal(value)}" for key, value in replication.items())
    return f"CREATE KEYSPACE IF NOT EXISTS {quote(keyspace)} WITH replication = {{{pairs}}}"


def replication_differs(desired: Mapping[str, str], shown: Mapping[str, str]) -> bool:
    """Return whether the server's replication differs from the desired one.

    The server shows a factor for all data centres as an entry for each.
    """
    if _class(desired) != _class(shown):
        return True
    factors = {key: value for key, value in desired.items() if key not in ("class", _FACTOR)}
    general = desired.get(_FACTOR)
    present = {key: value for key, value in shown.items() if key != "class"}
    if any(present.get(key, "0") != value for key, value in factors.items()):
        return True
    rest = {key: value for key, value in present.items() if key not in factors}
    return any(value != (general or "0") for value in rest.values()) or (general is not None and not present)


def _class(replication: Mapping[str, str]) -> str:
    return replication["class"].rpartition(".")[2]
