"""Find the backends that are installed: one scan of metadata, which imports none of them."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Protocol

from coodie.exceptions import (
    DriverApiVersionError,
    DriverNotFoundError,
    DuplicateDriverError,
    OverwrittenModuleError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from importlib_metadata import EntryPoint

__all__ = ["DRIVER_API_VERSION", "Announcement", "DriverIndex", "InstalledDistribution"]

_log = logging.getLogger(__name__)

#: The version of the plug-in contract that this coodie-core speaks.
DRIVER_API_VERSION = 1

_GROUP = "coodie.drivers"
_API_GROUP_PREFIX = "coodie.driver_api."

#: The header Name of a METADATA file; parsing all headers of all distributions takes a hundred times longer.
_NAME = re.compile(r"^Name:[ \t]*(\S+)", re.MULTILINE | re.IGNORECASE)

#: The backends that we know, for those who haven't installed one: driver_type → extra of coodie-core.
_KNOWN = {"scylla": "scylla", "cassandra": "cassandra", "local": "local"}


class InstalledDistribution(Protocol):
    """What is read of an installed distribution, whatever importer found it."""

    @property
    def version(self) -> str:
        """The version in METADATA."""

    @property
    def entry_points(self) -> Any:
        """The parsed entry_points.txt."""

    def read_text(self, filename: str, /) -> str | None:
        """Return a metadata file's text, or None where there is no such file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Announcement:
    """A backend, as its distribution's metadata announces it.

    Args:
        driver_type: The entry point's name.
        entry_point: What loads it.
        distribution: The name of the distribution.
        version: The distribution's version.
        api_versions: The versions of the plug-in contract that it declares.
    """

    driver_type: str
    entry_point: EntryPoint
    distribution: str
    version: str
    api_versions: tuple[int, ...]


def _installed_distributions() -> Iterable[InstalledDistribution]:
    from importlib_metadata import distributions  # slow, and needed by discovery alone

    return distributions()


class DriverIndex:
    """The announcements of all installed distributions, read once, when first asked.

    Args:
        source: Gives the distributions; those of ``sys.path`` unless a test gives others.
    """

    def __init__(
        self, source: Callable[[], Iterable[InstalledDistribution]] = _installed_distributions
    ) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._found: dict[str, list[Announcement]] | None = None
        self._namesake: str | None = None

    def announcements(self) -> list[Announcement]:
        """Return all announcements, ordered by driver_type and distribution."""
        found = self._scanned()
        return [entry for name in sorted(found) for entry in found[name]]

    def find(self, driver_type: str) -> Announcement:
        """Return the one announcement of this driver_type.

        Raises:
            DriverNotFoundError: There is none.
            DuplicateDriverError: There is more than one.
            DriverApiVersionError: It doesn't declare the contract's version that core speaks.
            OverwrittenModuleError: PyPI's ``coodie`` is installed beside coodie-core.
        """
        found = self._scanned()
        if self._namesake is not None:
            message = (
                f"The distribution coodie {self._namesake} is installed beside coodie-core; "
                "both own the package coodie."
            )
            hint = "Run: pip uninstall --yes coodie && pip install --force-reinstall --no-deps coodie-core"
            both = ("coodie", "coodie-core")
            raise OverwrittenModuleError(
                message, hint=hint, driver_type=driver_type, module="coodie", distributions=both
            )
        entries = found.get(driver_type, [])
        if not entries:
            raise _not_found(driver_type, tuple(sorted(found)))
        if len(entries) > 1:
            owners = tuple(f"{entry.distribution} {entry.version}" for entry in entries)
            message = f"driver_type={driver_type!r} is announced by {' and '.join(owners)}."
            hint = f"Uninstall all but one, for example: pip uninstall {entries[-1].distribution}"
            raise DuplicateDriverError(message, hint=hint, driver_type=driver_type, distributions=owners)
        (entry,) = entries
        if DRIVER_API_VERSION not in entry.api_versions:
            declared = ", ".join(map(str, entry.api_versions)) or "none"
            message = (
                f"{entry.distribution} {entry.version} declares version {declared} of the driver API; "
                f"this coodie-core speaks {DRIVER_API_VERSION}."
            )
            raise DriverApiVersionError(
                message,
                hint=f"Run: pip install --upgrade coodie-core {entry.distribution}",
                driver_type=driver_type,
                distribution=entry.distribution,
                declared=entry.api_versions,
                supported=DRIVER_API_VERSION,
            )
        return entry

    def _scanned(self) -> dict[str, list[Announcement]]:
        with self._lock:
            if self._found is None:
                self._found = self._scan()
            return self._found

    def _scan(self) -> dict[str, list[Announcement]]:
        found: dict[str, list[Announcement]] = {}
        seen: set[str] = set()
        for distribution in self._source():
            name = ""
            try:
                name = _name(distribution)
                normalized = re.sub(r"[-_.]+", "-", name).lower()
                # The first on sys.path is what an import finds; a nameless one is half uninstalled.
                if not name or normalized in seen:
                    continue
                seen.add(normalized)
                if normalized == "coodie":
                    self._namesake = distribution.version
                announced = _announcements(distribution, name)
            except Exception:  # noqa: BLE001 - one distribution's broken metadata hides no other's backend
                _log.warning("Skipping %s: its metadata can't be read.", name or distribution, exc_info=True)
                continue
            for entry in announced:
                found.setdefault(entry.driver_type, []).append(entry)
        return {
            driver_type: sorted(entries, key=lambda entry: entry.distribution)
            for driver_type, entries in found.items()
        }


def _name(distribution: InstalledDistribution) -> str:
    """Return the distribution's name, or nothing where its metadata doesn't tell."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    match = _NAME.search(text.partition("\n\n")[0])
    return match[1] if match else ""


def _announcements(distribution: InstalledDistribution, name: str) -> list[Announcement]:
    if _GROUP not in (distribution.read_text("entry_points.txt") or ""):
        return []
    points = list(distribution.entry_points)
    return [
        Announcement(
            driver_type=point.name,
            entry_point=point,
            distribution=name,
            version=distribution.version,
            api_versions=_api_versions(points, point.name),
        )
        for point in points
        if point.group == _GROUP
    ]


def _api_versions(points: list[EntryPoint], name: str) -> tuple[int, ...]:
    versions = (
        point.group.removeprefix(_API_GROUP_PREFIX)
        for point in points
        if point.name == name and point.group.startswith(_API_GROUP_PREFIX)
    )
    return tuple(sorted(int(version) for version in versions if version.isdecimal()))


def _not_found(driver_type: str, installed: tuple[str, ...]) -> DriverNotFoundError:
    have = f"Installed: {', '.join(installed)}." if installed else "No backend is installed."
    message = f"No backend for driver_type={driver_type!r} is installed. {have}"
    if driver_type in _KNOWN:
        hint = f'Run: pip install "coodie-core[{_KNOWN[driver_type]}]"'
    else:
        close = get_close_matches(driver_type, [*installed, *_KNOWN], n=1)
        guess = f"Did you mean {close[0]!r}? " if close else ""
        ours = 'pip install "coodie-core[scylla]", [cassandra], [local]'
        hint = f"{guess}Install the distribution that has it; ours are: {ours}."
    return DriverNotFoundError(message, hint=hint, driver_type=driver_type, installed=installed)
