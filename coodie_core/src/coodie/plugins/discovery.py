"""Find the installed plug-ins of a kind: one scan of metadata, without importing them."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from coodie._forks import forget_in_children
from coodie.plugins.kinds import BACKENDS, PluginKind, PluginName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from importlib_metadata import EntryPoint

__all__ = [
    "DRIVER_API_VERSION",
    "DriverEntryPoint",
    "DriverIndex",
    "InstalledDistribution",
    "canonical_name",
    "explicit_entry_point",
    "find_installed",
    "headers_of",
    "installed_version",
]

_log = logging.getLogger(__name__)

#: The version of the plug-in contract that this coodie-core supports, for each kind of plug-in.
DRIVER_API_VERSION = 1

#: The Name and Version headers of a METADATA file, if they are valid; parsing all headers of all
#: distributions takes a hundred times longer, and needs modules that are slow to import.
_NAME = re.compile(
    r"^Name:[ \t]*([A-Z0-9](?:[A-Z0-9._-]*[A-Z0-9])?)[ \t]*\r?$", re.MULTILINE | re.IGNORECASE | re.ASCII
)
_VERSION = re.compile(r"^Version:[ \t]*(\S+)[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)


def canonical_name(distribution: str) -> str:
    """Return the canonical form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


class InstalledDistribution(Protocol):
    """The interface of an installed distribution, of any importer."""

    @property
    def version(self) -> str:
        """The version in METADATA."""
        ...

    @property
    def entry_points(self) -> Any:
        """The parsed entry_points.txt."""
        ...

    def read_text(self, filename: str, /) -> str | None:
        """Return the text of a metadata file; None if it doesn't exist."""
        ...

    def locate_file(self, path: Any, /) -> Any:
        """Return the path of a file of the distribution."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class DriverEntryPoint:
    """The entry point of a backend, or of another kind of plug-in.

    Args:
        driver_type: The entry point's name.
        entry_point: The entry point of importlib.metadata.
        distribution: The name of the distribution; empty if the application registered the plug-in.
        version: The distribution's version.
        api_versions: The versions of the plug-in contract that the distribution declares.
        canonical: The canonical name of the distribution.
        installed: The distribution; None if the application registered the plug-in.
        kind: The kind of the plug-in.
    """

    driver_type: str
    entry_point: EntryPoint
    distribution: str
    version: str
    api_versions: tuple[int, ...]
    canonical: str
    installed: InstalledDistribution | None = field(default=None, repr=False, compare=False)
    kind: PluginKind = field(default=BACKENDS, repr=False, compare=False)

    @property
    def plugin_name(self) -> PluginName:
        """The name and the kind, for messages."""
        return PluginName(self.driver_type, self.kind)

    @property
    def owner(self) -> str:
        """The distribution's name and version, for messages."""
        return f"{self.distribution} {self.version}" if self.distribution else "The application's own plug-in"


def _installed_distributions(**context: Any) -> Iterable[InstalledDistribution]:
    from importlib_metadata import distributions  # a slow import, for discovery only

    return distributions(**context)


class DriverIndex:
    """The entry points of installed distributions.

    A distribution with a known name is looked up directly. A scan of all distributions is made once, and only
    if a direct lookup isn't enough.

    Args:
        source: Returns the distributions, or with the keyword ``name`` at least those of that name, in the
            order of ``sys.path``; ``importlib_metadata.distributions``, except in tests.
        kind: The kind of the plug-ins.
    """

    def __init__(
        self,
        source: Callable[..., Iterable[InstalledDistribution]] = _installed_distributions,
        kind: PluginKind = BACKENDS,
    ) -> None:
        self.kind = kind
        #: Distributions that provide a plug-in, even if their entry_points.txt is missing.
        self._ours = frozenset(known.distribution for known in kind.known.values())
        self._source = source
        self._lock = threading.Lock()
        self._found: dict[str, list[DriverEntryPoint]] | None = None
        #: The error that made the last scan incomplete; such a scan isn't cached.
        self._passing: OSError | None = None
        self._unreadable: tuple[str, ...] = ()
        forget_in_children(self, DriverIndex._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()

    def of_kind(self, kind: PluginKind) -> DriverIndex:
        """Return an index of the same distributions for another kind of plug-in."""
        return DriverIndex(self._source, kind)

    def entry_points(self) -> list[DriverEntryPoint]:
        """Return all entry points, ordered by driver_type and distribution."""
        found = self._scanned()
        return [entry for name in sorted(found) for entry in found[name]]

    def named(self, driver_type: str) -> list[DriverEntryPoint]:
        """Return the entry points of this driver_type, ordered by distribution."""
        return list(self._scanned().get(driver_type, ()))

    def unreadable(self) -> tuple[str, ...]:
        """Return the distributions that may provide a plug-in, but whose metadata can't be read."""
        self._scanned()
        return self._unreadable

    def is_unreadable(self, name: str) -> bool:
        """Return whether a distribution is one of ``unreadable``."""
        return canonical_name(name) in map(canonical_name, self.unreadable())

    def distribution(self, name: str) -> InstalledDistribution | None:
        """Return the installed distribution of a name, the first on ``sys.path``; without a scan."""
        found: InstalledDistribution | None = find_installed(name, self._source)
        return found

    def entry_points_of(self, name: str, driver_type: str | None = None) -> list[DriverEntryPoint]:
        """Return the entry points of a distribution; without a scan.

        Args:
            name: The distribution's name.
            driver_type: Only return the entry points of this name.

        Raises:
            Exception: The metadata can't be read.
        """
        distribution = self.distribution(name)
        found = [] if distribution is None else _entry_points(distribution, self.kind)
        return found if driver_type is None else [one for one in found if one.driver_type == driver_type]

    def check_complete(self) -> None:
        """Raise the error that made the last scan incomplete.

        Raises:
            OSError: The error, which may be temporary: the next call scans again.
        """
        if self._passing is not None:
            raise self._passing

    def _scanned(self) -> dict[str, list[DriverEntryPoint]]:
        with self._lock:
            if self._found is not None:
                return self._found
            found = self._scan()
            if self._passing is None:
                self._found = found
            return found

    def _read(self, name: str) -> list[DriverEntryPoint]:
        """Return the entry points of a distribution, the first of its name on ``sys.path``."""
        announced = self.entry_points_of(name)
        if not announced and canonical_name(name) in self._ours:
            raise MissingMetadataError("entry_points.txt")
        return announced

    def _scan(self) -> dict[str, list[DriverEntryPoint]]:
        found: dict[str, list[DriverEntryPoint]] = {}
        seen: set[str] = set()
        unreadable: dict[str, str] = {}
        self._passing, distribution = None, None
        for distribution in self._source():
            name = ""
            try:
                # Most distributions don't have this file, and few mention coodie in it.
                text = distribution.read_text("entry_points.txt") or ""
                if self.kind.group not in text and _directory_name(distribution) not in self._ours:
                    continue
                name = _required_name(distribution)
                if canonical_name(name) in seen:
                    continue
                seen.add(canonical_name(name))
                announced = self._read(name)
            except Exception as exc:  # noqa: BLE001 - one distribution's broken metadata hides no other's plug-in
                name = name or _directory_name(distribution) or "a distribution without a name"
                if isinstance(exc, OSError):
                    self._passing = exc
                _log.warning("Skipping %s: its metadata can't be read (%s).", name, type(exc).__name__)
                unreadable.setdefault(canonical_name(name), name)
                continue
            for entry in announced:
                found.setdefault(entry.driver_type, []).append(entry)
        if distribution is None:
            self._passing = _listing_failure()
        # The first on sys.path is readable, so others of that name don't matter.
        readable = {entry.canonical for entries in found.values() for entry in entries}
        self._unreadable = tuple(sorted(name for key, name in unreadable.items() if key not in readable))
        return {
            driver_type: sorted(entries, key=lambda entry: entry.distribution)
            for driver_type, entries in found.items()
        }


def explicit_entry_point(
    driver_type: str, plugin: object, distribution: str, version: str
) -> DriverEntryPoint:
    """Return the entry point of a plug-in that the application has imported itself."""
    from importlib_metadata import EntryPoint  # a slow import, for discovery only

    module = getattr(plugin, "__name__", None) or type(plugin).__module__
    return DriverEntryPoint(
        driver_type=driver_type,
        entry_point=EntryPoint(name=driver_type, value=str(module), group=BACKENDS.group),
        distribution=distribution,
        version=version,
        api_versions=(DRIVER_API_VERSION,),
        canonical=canonical_name(distribution),
    )


def find_installed(
    name: str, source: Callable[..., Iterable[InstalledDistribution]] = _installed_distributions
) -> Any:
    """Return the installed distribution of a name, the first on ``sys.path``, or None.

    Args:
        name: The name, in any form.
        source: As in ``DriverIndex``.

    Raises:
        OSError: The metadata can't be read now.
    """
    wanted = canonical_name(name)
    for distribution in source(name=name):
        try:
            # A distribution without a name is partly uninstalled.
            if canonical_name(_name(headers_of(distribution))) == wanted:
                return distribution
        except OSError:
            raise
        except Exception as exc:  # noqa: BLE001 - as in the scan: it's as good as not there
            _log.warning("Skipping %s: its metadata can't be read (%s).", name, type(exc).__name__)
    return None


def installed_version(distribution: InstalledDistribution) -> str:
    """Return the version in METADATA; "" if it is empty.

    Raises:
        KeyError: There is none.
    """
    return _version(distribution, headers_of(distribution))


def headers_of(distribution: InstalledDistribution) -> str:
    """Return the headers in METADATA, without the description; "" if there are none."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    return text.partition("\n\n")[0]


def _version(distribution: InstalledDistribution, headers: str) -> str:
    match = _VERSION.search(headers)
    return match[1] if match else distribution.version


def _name(headers: str) -> str:
    """Return the name in a distribution's headers; "" if they have none."""
    match = _NAME.search(headers)
    return match[1] if match else ""


def _listing_failure() -> OSError | None:
    """Return the error of listing a directory of ``sys.path``, or None.

    importlib-metadata treats such a directory as empty, and caches that; this clears its cache.
    """
    from importlib_metadata import MetadataPathFinder

    MetadataPathFinder.invalidate_caches()
    for path in sys.path:
        try:
            os.scandir(path or ".").close()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        except OSError as exc:
            return exc
    return None


class MissingMetadataError(Exception):
    """A file of metadata, or a required part of it, is missing."""


def _required_name(distribution: InstalledDistribution) -> str:
    name = _name(headers_of(distribution))
    if not name:
        raise MissingMetadataError("METADATA")
    return name


def _directory_name(distribution: InstalledDistribution) -> str:
    """Return the name in the metadata directory's name; "" if there is no directory."""
    directory = getattr(getattr(distribution, "_path", None), "name", "")
    return canonical_name(str(directory).rpartition(".")[0].partition("-")[0])


def _entry_points(distribution: InstalledDistribution, kind: PluginKind) -> list[DriverEntryPoint]:
    if kind.group not in (distribution.read_text("entry_points.txt") or ""):
        return []
    # Ignore duplicate lines.
    points = list(
        {(point.group, point.name, point.value): point for point in distribution.entry_points}.values()
    )
    headers = headers_of(distribution)
    name, version = _name(headers), _version(distribution, headers)
    canonical = canonical_name(name)
    if not version:
        raise MissingMetadataError("Version")
    return [
        DriverEntryPoint(
            driver_type=point.name,
            entry_point=point,
            distribution=name,
            version=version,
            api_versions=_api_versions(points, point.name, kind),
            canonical=canonical,
            installed=distribution,
            kind=kind,
        )
        for point in points
        if point.group == kind.group
    ]


def _api_versions(points: list[EntryPoint], name: str, kind: PluginKind) -> tuple[int, ...]:
    versions = {
        point.group.removeprefix(kind.api_group)
        for point in points
        if point.name == name and point.group.startswith(kind.api_group)
    }
    return tuple(sorted(int(version) for version in versions if version.isdecimal()))
