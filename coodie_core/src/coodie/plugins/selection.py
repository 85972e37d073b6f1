"""Select the entry point of a plug-in, or raise an error with the reason.

Checks:

- A pinned name (``scylla@coodie-scylla``) and a known one (``scylla``) are looked up by the distribution's
name,
  without a scan. A known name belongs to its distribution; another distribution can't provide it.
- Any other name, and a known one whose distribution isn't installed, needs the scan, and the check for
  duplicates.
- The allow-list and the API version are always checked; for backends, PyPI's ``coodie`` in addition to
  coodie-core, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.exceptions import DriverBlockedError
from coodie.plugins.discovery import DRIVER_API_VERSION, canonical_name
from coodie.plugins.errors import (
    blocked,
    duplicate,
    no_metadata,
    not_announced,
    not_found,
    not_installed,
    unreadable,
    unusable_name,
    wrong_version,
)
from coodie.plugins.integrity import check_core
from coodie.plugins.kinds import BACKENDS, PluginName

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from coodie.exceptions import DriverLoadError
    from coodie.plugins.allowlist import DistributionAllowlist
    from coodie.plugins.discovery import DriverEntryPoint, DriverIndex

__all__ = ["rejection", "select"]


def select(
    index: DriverIndex,
    allowlist: DistributionAllowlist,
    driver_type: str,
    distribution: str | None = None,
    *,
    failed: Collection[str] = (),
) -> DriverEntryPoint:
    """Return the entry point of a plug-in.

    Args:
        index: The index of installed plug-ins of a kind.
        allowlist: The allow-list and the deny-list.
        driver_type: The plug-in's name.
        distribution: The pinned distribution, or None.
        failed: The driver_types that failed to load before; listed in the error if the name isn't found.

    Raises:
        DriverNotFoundError: No installed distribution provides the backend.
        DriverBlockedError: Its distribution is blocked.
        DuplicateDriverError: Several entry points have this name.
        DriverApiVersionError: The backend doesn't declare coodie-core's version of the contract.
        OverwrittenModuleError: PyPI's ``coodie`` is installed in addition to coodie-core.
        DriverLoadError: Its metadata can't be read.
        OSError: Metadata can't be read now.
    """
    if index.kind is BACKENDS:
        check_core(index.distribution, driver_type)
    if distribution is not None:
        entries = _pinned(index, driver_type, distribution)
    else:
        entries = _known(index, driver_type)
    reasons = allowlist.reasons(entries)
    if distribution is None and (not entries or reasons[0] is not None):
        entries = index.named(driver_type)
        reasons = allowlist.reasons(entries)
    if not entries:
        raise _not_found(index, allowlist, driver_type, failed)
    chosen = entries[reasons.index(None) if None in reasons else 0]
    if reasons == [None] and "@" not in driver_type and DRIVER_API_VERSION in chosen.api_versions:
        return chosen  # nearly always
    error = _rejection(chosen, entries, reasons)
    if error is not None:
        raise error
    return chosen


def rejection(
    entry: DriverEntryPoint, entries: Sequence[DriverEntryPoint], allowlist: DistributionAllowlist
) -> DriverLoadError | None:
    """Return the error for an entry point that can't be used according to its metadata, or None.

    Args:
        entry: The entry point.
        entries: All entry points of its driver_type.
        allowlist: The allow-list and the deny-list.
    """
    return _rejection(entry, entries, allowlist.reasons(entries))


def _rejection(
    entry: DriverEntryPoint, entries: Sequence[DriverEntryPoint], reasons: Sequence[str | None]
) -> DriverLoadError | None:
    reason = reasons[entries.index(entry)]
    if reason is not None:
        return blocked(entry, reason)
    if "@" in entry.driver_type:
        return unusable_name(entry)
    rivals = [other for other, why in zip(entries, reasons, strict=True) if why is None]
    twins = [rival for rival in rivals if rival.canonical == entry.canonical]
    if len(twins) > 1:
        return duplicate(twins)
    if len(rivals) > 1:
        owner = next((rival for rival in rivals if _is_official(rival)), None)
        if owner is not entry:
            return duplicate(rivals if owner is None else [owner, entry])
    if DRIVER_API_VERSION not in entry.api_versions:
        return wrong_version(entry)
    return None


def check_open(entry: DriverEntryPoint, allowlist: DistributionAllowlist) -> None:
    """Check whether the distribution of a loaded plug-in has been blocked since.

    Raises:
        DriverBlockedError: The distribution is blocked.
    """
    reason = allowlist.blocked_by(entry.canonical) if entry.canonical else None
    if reason is not None:
        raise blocked(entry, reason)


def is_pinned_to(entry: DriverEntryPoint, distribution: str | None) -> bool:
    """Return whether an entry point belongs to the pinned distribution; True without a pin."""
    return distribution is None or canonical_name(distribution) == entry.canonical


def _is_official(entry: DriverEntryPoint) -> bool:
    known = entry.plugin_name.known
    return known is not None and entry.canonical == known.distribution


def _known(index: DriverIndex, driver_type: str) -> list[DriverEntryPoint]:
    """Look up a known backend in its distribution."""
    known = index.kind.known.get(driver_type)
    return [] if known is None else _announced(index, driver_type, known.distribution)


def _pinned(index: DriverIndex, driver_type: str, distribution: str) -> list[DriverEntryPoint]:
    entries = _announced(index, driver_type, distribution)
    if entries:
        return entries
    index.named(driver_type)
    index.check_complete()
    wanted = PluginName(driver_type, index.kind)
    if index.is_unreadable(distribution):
        raise unreadable(wanted, distribution)
    if index.distribution(distribution) is None:
        for entry in index.named(f"{driver_type}@{distribution}"):
            raise unusable_name(entry)  # a distribution provides a name that looks like a pin
        raise not_installed(wanted, distribution, [entry.owner for entry in index.named(driver_type)])
    others = [entry.driver_type for entry in index.entry_points_of(distribution)]
    raise not_announced(wanted, distribution, others)


def _announced(index: DriverIndex, driver_type: str, distribution: str) -> list[DriverEntryPoint]:
    try:
        return index.entry_points_of(distribution, driver_type)
    except OSError:
        raise
    except Exception as exc:
        raise unreadable(PluginName(driver_type, index.kind), distribution) from exc


def _not_found(
    index: DriverIndex, allowlist: DistributionAllowlist, driver_type: str, failed: Collection[str]
) -> DriverLoadError:
    entries = index.entry_points()
    index.check_complete()
    wanted = PluginName(driver_type, index.kind)
    if not entries and index.distribution("coodie-core") is None:
        return no_metadata(wanted)
    known = wanted.known
    if known is not None and index.is_unreadable(known.distribution):
        return unreadable(wanted, known.distribution)
    installed: set[str] = set()
    broken: set[str] = {*failed, *index.unreadable()}
    denied: set[str] = set()
    for entry in entries:
        error = rejection(entry, index.named(entry.driver_type), allowlist)
        names = denied if isinstance(error, DriverBlockedError) else installed if error is None else broken
        names.add(entry.driver_type)
    return not_found(
        wanted,
        installed=tuple(sorted(installed - broken)),
        broken=tuple(sorted(broken)),
        blocked=tuple(sorted(denied - installed)),
    )
