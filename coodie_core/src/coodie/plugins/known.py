"""The backends that we know ourselves, whether they're installed or not."""

from __future__ import annotations

from dataclasses import dataclass

from coodie.capabilities import Capability

__all__ = ["KNOWN", "KnownBackend"]


@dataclass(frozen=True, slots=True)
class KnownBackend:
    """A backend that has a name, a distribution and an extra of coodie-core's.

    Args:
        driver_type: Its name, which is its distribution's alone.
        distribution: What announces it.
        lacks: What it can't do of what its driver can.
    """

    driver_type: str
    distribution: str
    lacks: frozenset[Capability] = frozenset()

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What its description declares."""
        from coodie.drivers.cassandra.driver import CassandraDriver  # all of ours stand on it

        return CassandraDriver.capabilities - self.lacks

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
        KnownBackend(
            "local",
            "coodie-local",
            lacks=frozenset({Capability.SESSION, Capability.TLS, Capability.AUTHENTICATION}),
        ),
    )
}
