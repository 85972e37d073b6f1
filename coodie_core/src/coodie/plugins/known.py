"""The backends that we know ourselves, whether they're installed or not."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KNOWN", "KnownBackend"]


@dataclass(frozen=True, slots=True)
class KnownBackend:
    """A backend that has a name, a distribution and an extra of coodie-core's.

    Args:
        driver_type: Its name, which is its distribution's alone.
        distribution: What announces it.
    """

    driver_type: str
    distribution: str

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f'pip install "coodie-core[{self.driver_type}]"'


#: driver_type → backend.
KNOWN = {
    backend.driver_type: backend
    for backend in (
        KnownBackend("scylla", "coodie-scylla"),
        KnownBackend("cassandra", "coodie-cassandra"),
        KnownBackend("local", "coodie-local"),
    )
}
