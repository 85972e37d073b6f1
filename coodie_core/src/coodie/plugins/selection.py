"""Choose the one announcement of a backend, or say why there is none to be used.

What is checked when:

- A pinned name (``scylla@coodie-scylla``) and a known one (``scylla``) are looked up by their distribution's
  name: no scan. A known name is its distribution's alone; another that announces it never takes its place.
- Any other name, and a known one whose distribution isn't there, needs the scan, and with it the check for
  duplicates.
- Blocking, the API version, and PyPI's ``coodie`` beside coodie-core are checked always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.capabilities import KNOWN
from coodie.exceptions import DriverBlockedError
from coodie.plugins.allowlist import normalized
from coodie.plugins.discovery import DRIVER_API_VERSION
from coodie.plugins.errors import (
    blocked,
    duplicate,
    no_metadata,
    not_announced,
    not_found,
    not_installed,
    unreadable,
    wrong_version,
)
from coodie.plugins.integrity import check_core

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from coodie.exceptions import DriverLoadError
    from coodie.plugins.allowlist import Blocking
    from coodie.plugins.discovery import Announcement, DriverIndex

__all__ = ["objection", "select"]


def select(
    index: DriverIndex,
    blocking: Blocking,
    driver_type: str,
    distribution: str | None = None,
    *,
    failed: Collection[str] = (),
) -> Announcement:
    """Return the one announcement that is meant and may be used.

    Args:
        index: What is installed.
        blocking: What may be used of it.
        driver_type: The backend's name.
        distribution: The distribution that it is pinned to.
        failed: The driver_types that failed to load before; told of where the name isn't found.

    Raises:
        DriverNotFoundError: There is none.
        DriverBlockedError: Its distribution is blocked.
        DuplicateDriverError: There is more than one.
        DriverApiVersionError: It doesn't declare the contract's version that core speaks.
        OverwrittenModuleError: PyPI's ``coodie`` is installed beside coodie-core.
        DriverLoadError: Its metadata can't be read.
    """
    check_core(index.distribution, driver_type)
    if distribution is not None:
        entries = _pinned(index, driver_type, distribution)
    else:
        entries = _own(index, driver_type)
        if not entries or blocking.blocked_by(entries[0].distribution) is not None:
            entries = index.named(driver_type)
    if not entries:
        raise _nowhere(index, blocking, driver_type, failed)
    open_to_us = [entry for entry in entries if blocking.blocked_by(entry.distribution) is None]
    chosen = open_to_us[0] if open_to_us else entries[0]
    error = objection(chosen, entries, blocking)
    if error is not None:
        raise error
    return chosen


def objection(
    entry: Announcement, entries: Sequence[Announcement], blocking: Blocking
) -> DriverLoadError | None:
    """Return why an announcement can't be used, as far as metadata tells; None where it can.

    Args:
        entry: The announcement.
        entries: All of its driver_type.
        blocking: What may be used.
    """
    reason = blocking.blocked_by(entry.distribution)
    if reason is not None:
        return blocked(entry, reason)
    rivals = [other for other in entries if blocking.blocked_by(other.distribution) is None]
    if len(rivals) > 1:
        owner = next((rival for rival in rivals if _is_owner(rival)), None)
        if owner is not entry:
            return duplicate(rivals if owner is None else [owner, entry])
    if DRIVER_API_VERSION not in entry.api_versions:
        return wrong_version(entry)
    return None


def check_open(entry: Announcement, blocking: Blocking) -> None:
    """Refuse a backend that was loaded before and whose distribution is blocked by now.

    Raises:
        DriverBlockedError: It is.
    """
    reason = blocking.blocked_by(entry.distribution) if entry.distribution else None
    if reason is not None:
        raise blocked(entry, reason)


def is_pinned_to(entry: Announcement, distribution: str | None) -> bool:
    """Tell whether an announcement is of the distribution that a name is pinned to, if it is pinned."""
    return distribution is None or normalized(distribution) == normalized(entry.distribution)


def _is_owner(entry: Announcement) -> bool:
    known = KNOWN.get(entry.driver_type)
    return known is not None and normalized(entry.distribution) == known.distribution


def _own(index: DriverIndex, driver_type: str) -> list[Announcement]:
    """Look a known backend up in its own distribution."""
    if driver_type not in KNOWN:
        return []
    return _announced(index, driver_type, KNOWN[driver_type].distribution)


def _pinned(index: DriverIndex, driver_type: str, distribution: str) -> list[Announcement]:
    entries = _announced(index, driver_type, distribution)
    if entries:
        return entries
    if index.distribution(distribution) is None:
        raise not_installed(driver_type, distribution, [entry.owner for entry in index.named(driver_type)])
    others = [entry.driver_type for entry in index.announced_by(distribution)]
    raise not_announced(driver_type, distribution, others)


def _announced(index: DriverIndex, driver_type: str, distribution: str) -> list[Announcement]:
    try:
        announced = index.announced_by(distribution)
    except Exception as exc:
        raise unreadable(driver_type, distribution) from exc
    return [entry for entry in announced if entry.driver_type == driver_type]


def _nowhere(
    index: DriverIndex, blocking: Blocking, driver_type: str, failed: Collection[str]
) -> DriverLoadError:
    entries = index.announcements()
    if not entries and index.distribution("coodie-core") is None:
        return no_metadata(driver_type)
    installed: set[str] = set()
    broken: set[str] = {*failed, *index.unreadable()}
    shut: set[str] = set()
    for entry in entries:
        error = objection(entry, index.named(entry.driver_type), blocking)
        names = shut if isinstance(error, DriverBlockedError) else installed if error is None else broken
        names.add(entry.driver_type)
    return not_found(
        driver_type,
        installed=tuple(sorted(installed - broken)),
        broken=tuple(sorted(broken)),
        blocked=tuple(sorted(shut - installed)),
    )
