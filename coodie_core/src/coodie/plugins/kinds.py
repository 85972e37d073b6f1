"""The kinds of plug-ins that are selected by name: backends, and credentials providers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.capabilities import KNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coodie.capabilities import KnownBackend

__all__ = ["BACKENDS", "CREDENTIALS", "PluginKind", "PluginName"]


class PluginKind(NamedTuple):
    """What differs between kinds of plug-ins.

    Args:
        noun: What a plug-in provides, for messages.
        option: The option that names one.
        contract: The name of the contract, for messages.
        group: The entry-point group.
        api_group: The prefix of the entry-point groups that declare the versions of the contract.
        known: This project's own, by name.
    """

    noun: str
    option: str
    contract: str
    group: str
    api_group: str
    known: Mapping[str, KnownBackend]


#: Backends, named by ``driver_type``.
BACKENDS = PluginKind(
    noun="backend",
    option="driver_type",
    contract="driver API",
    group="coodie.drivers",
    api_group="coodie.driver_api.",
    known=KNOWN,
)

#: Credentials providers, named by ``credentials``.
CREDENTIALS = PluginKind(
    noun="credentials provider",
    option="credentials",
    contract="credentials API",
    group="coodie.credentials",
    api_group="coodie.credentials_api.",
    known={},
)


class PluginName(NamedTuple):
    """The name of a plug-in, for messages and errors.

    Args:
        name: The name.
        kind: The kind.
    """

    name: str
    kind: PluginKind = BACKENDS

    @property
    def known(self) -> KnownBackend | None:
        """This project's backend of the name, or None."""
        return self.kind.known.get(self.name)

    @property
    def details(self) -> dict[str, Any]:
        """The attributes of an error about the plug-in."""
        if self.kind is BACKENDS:
            return {"driver_type": self.name}
        return {"option": self.kind.option}

    def __str__(self) -> str:
        return f"{self.kind.option}={self.name!r}"
