"""The installed and the known backends with their states, for ``coodie drivers`` and ``coodie doctor``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from coodie.capabilities import KNOWN
from coodie.diagnostics.probe import TIMEOUT, ProbeResult, probe
from coodie.exceptions import (
    CoodieError,
    DriverApiVersionError,
    DriverBlockedError,
    DuplicateDriverError,
)
from coodie.options.connection import build_config
from coodie.plugins.discovery import canonical_name
from coodie.plugins.loading import again
from coodie.plugins.selection import rejection
from coodie_doctor.pip_commands import pip_command, to_run
from coodie_doctor.words import plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coodie.plugins.discovery import DriverEntryPoint
    from coodie.plugins.host import PluginHost

__all__ = ["BackendReport", "BackendState", "take_inventory", "take_providers"]

#: The number of concurrent probes.
_CONCURRENCY = 4


class BackendState(str, Enum):
    """Whether a backend can be used."""

    #: It loads.
    READY = "ready"
    #: It fails to load, or its metadata can't be read.
    BROKEN = "broken"
    #: Its distribution is blocked.
    BLOCKED = "blocked"
    #: It declares another version of the plug-in contract.
    WRONG_VERSION = "wrong version"
    #: Another distribution provides the same name.
    DUPLICATE = "duplicate"
    #: It is a backend of this project, and not installed.
    NOT_INSTALLED = "not installed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, kw_only=True)
class BackendReport:
    """One backend.

    Args:
        driver_type: Its name; empty if its metadata can't be read.
        distribution: Its distribution.
        version: The distribution's version; None if it isn't installed.
        api_versions: The versions of the plug-in contract that it declares.
        state: Whether it can be used.
        reason: Why it can't be used, or None.
        command: The command that fixes this, or None.
        summary: Its summary.
        capabilities: Its capabilities.
        options: Its options.
        facts: Facts for diagnostics.
    """

    driver_type: str
    distribution: str
    version: str | None
    api_versions: tuple[int, ...] = ()
    state: BackendState
    reason: str | None = None
    command: str | None = None
    summary: str = ""
    capabilities: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {**asdict(self), "state": str(self.state)}

    def as_provider(self) -> dict[str, Any]:
        """Return the report of a credentials provider for JSON."""
        shown = ("distribution", "version", "api_versions", "state", "reason", "command")
        return {"name": self.driver_type, **{name: self.as_dict()[name] for name in shown}}


def take_inventory(host: PluginHost, *, timeout: float = TIMEOUT) -> list[BackendReport]:
    """Return the installed and the known backends, sorted by name.

    Each that its metadata don't rule out is loaded in a child process; those that the application has
    registered are already loaded.

    Args:
        host: The plug-ins' host.
        timeout: The timeout of each probe in seconds.
    """
    entries = host.index.entry_points()
    reports = [_registered(entry, host) for entry in host.registered()]
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        reports += pool.map(lambda entry: _report(entry, entries, host, timeout), entries)
    reports += [_unreadable(name) for name in host.index.unreadable()]
    missing = set(KNOWN) - {report.driver_type for report in reports}
    reports += [_not_installed(name) for name in missing]
    return sorted(reports, key=lambda report: (report.driver_type, report.distribution))


def take_providers(host: PluginHost, *, timeout: float = TIMEOUT) -> list[BackendReport]:
    """Return the installed credentials providers, as ``take_inventory`` does for backends.

    Args:
        host: The plug-ins' host.
        timeout: The timeout of each probe in seconds.
    """
    index = host.credentials.index
    entries = index.entry_points()
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        reports = list(pool.map(lambda entry: _report(entry, entries, host, timeout), entries))
    others = host.index.unreadable()  # reported with the backends
    return reports + [_unreadable(name) for name in index.unreadable() if name not in others]


def _report(
    entry: DriverEntryPoint, entries: list[DriverEntryPoint], host: PluginHost, timeout: float
) -> BackendReport:
    rivals = [other for other in entries if other.driver_type == entry.driver_type]
    error = rejection(entry, rivals, host.allowlist)
    known = _known(entry)
    if error is not None:
        return BackendReport(**known, state=_state(error), reason=_message(error), command=error.command)
    found = probe(entry.driver_type, entry.distribution, kind=entry.kind, timeout=timeout)
    if found.error is not None:
        command = found.command or again(entry)
        return BackendReport(**known, state=BackendState.BROKEN, reason=found.error, command=command)
    return BackendReport(**known, state=BackendState.READY, **_as_fields(found))


def _registered(entry: DriverEntryPoint, host: PluginHost) -> BackendReport:
    config = build_config(driver_type=entry.driver_type, distribution=entry.distribution or None)
    known = _known(entry)
    try:
        description = host.described(config)
        facts = {plain_text(name): plain_text(value) for name, value in host.inspect(config, None).items()}
    except CoodieError as exc:
        return BackendReport(**known, state=_state(exc), reason=_message(exc), command=exc.command)
    return BackendReport(
        **known,
        state=BackendState.READY,
        summary=description.summary,
        capabilities=tuple(sorted(str(one) for one in description.capabilities)),
        options=tuple(sorted(option.name for option in description.options)),
        facts=facts,
    )


def _known(entry: DriverEntryPoint) -> dict[str, Any]:
    return {
        "driver_type": entry.driver_type,
        "distribution": entry.distribution,
        "version": entry.version,
        "api_versions": entry.api_versions,
    }


def _as_fields(found: ProbeResult) -> dict[str, Any]:
    return {
        "summary": found.summary,
        "capabilities": found.capabilities,
        "options": found.options,
        "facts": found.facts,
    }


def _state(error: CoodieError) -> BackendState:
    if isinstance(error, DriverBlockedError):
        return BackendState.BLOCKED
    if isinstance(error, DriverApiVersionError):
        return BackendState.WRONG_VERSION
    if isinstance(error, DuplicateDriverError):
        return BackendState.DUPLICATE
    return BackendState.BROKEN


def _message(error: CoodieError) -> str:
    return str(error).removesuffix(f"\n{error.command}")


def _unreadable(distribution: str) -> BackendReport:
    ours = (name for name, backend in KNOWN.items() if backend.distribution == canonical_name(distribution))
    command = pip_command("install --force-reinstall --no-deps", distribution)
    return BackendReport(
        driver_type=next(ours, ""),
        distribution=distribution,
        version=None,
        state=BackendState.BROKEN,
        reason=f"Its metadata can't be read. To fix it, {to_run(command)}",
        command=command,
    )


def _not_installed(driver_type: str) -> BackendReport:
    backend = KNOWN[driver_type]
    return BackendReport(
        driver_type=driver_type,
        distribution=backend.distribution,
        version=None,
        state=BackendState.NOT_INSTALLED,
        reason=f"It isn't installed. To install it, {to_run(backend.install)}",
        command=backend.install,
        capabilities=tuple(sorted(str(one) for one in backend.capabilities)),
    )
