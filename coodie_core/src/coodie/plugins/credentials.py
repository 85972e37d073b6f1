"""Credentials providers of installed distributions, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from coodie.exceptions import NotADriverError
from coodie.plugins.errors import reading_metadata
from coodie.plugins.kinds import CREDENTIALS, PluginName
from coodie.plugins.loading import load_object, report
from coodie.plugins.selection import check_open, select

if TYPE_CHECKING:
    from coodie.options.credentials import CredentialsProvider, NamedProvider
    from coodie.plugins.allowlist import DistributionAllowlist
    from coodie.plugins.discovery import DriverEntryPoint, DriverIndex

__all__ = ["CredentialsPlugins"]


class CredentialsPlugins:
    """The credentials providers of one registry; each is imported once, on first use.

    Args:
        index: The index of the installed backends, for the same distributions.
        allowlist: The allow-list and the deny-list.
    """

    def __init__(self, index: DriverIndex, allowlist: DistributionAllowlist) -> None:
        self.index = index.of_kind(CREDENTIALS)
        self._allowlist = allowlist
        self._loaded: dict[str, tuple[DriverEntryPoint, NamedProvider]] = {}

    def provider(self, name: str) -> NamedProvider:
        """Return the provider of a name, ``acme-vault`` or ``acme-vault@distribution``.

        Raises:
            DriverLoadError: No provider can be used.
        """
        if name not in self._loaded:
            self._loaded[name] = self._found(name)
        entry, provider = self._loaded[name]
        check_open(entry, self._allowlist)  # it may have been blocked since
        return provider

    def _found(self, name: str) -> tuple[DriverEntryPoint, NamedProvider]:
        from coodie.options.credentials import NamedProvider

        plain, _, distribution = name.partition("@")
        with reading_metadata(PluginName(plain, CREDENTIALS)):
            entry = select(self.index, self._allowlist, plain, distribution or None)
        provider = load_object(entry)
        if not callable(provider):
            kind = type(provider).__name__
            message = f"{entry.entry_point.value!r} of {entry.owner} is a {kind}, not a function."
            raise NotADriverError(message, **report(entry))
        return entry, NamedProvider(f"{plain!r} of {entry.owner}", cast("CredentialsProvider", provider))
