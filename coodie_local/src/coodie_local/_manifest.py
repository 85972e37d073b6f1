"""The lock files: exactly which jars one Cassandra version needs on one platform."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

from coodie_local.errors import UnsupportedPlatformError

__all__ = ["Jar", "Manifest", "load_manifest", "parse_manifest"]


@dataclass(frozen=True, slots=True)
class Jar:
    """One artifact by its Maven coordinates, pinned by its size in bytes and its SHA-256 (hex)."""

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
        """The bytes of all jars together."""
        return sum(jar.size for jar in self.jars)

    @cached_property
    def digest(self) -> str:
        """A short name (16 hex digits) for exactly these jars in exactly this order."""
        return hashlib.sha256("\n".join(jar.sha256 for jar in self.jars).encode()).hexdigest()[:16]


def parse_manifest(text: str, *, cassandra: str, platform: str) -> Manifest:
    """Read a lock file's text.

    Args:
        text: A JSON list of objects with g, a, v, c (classifier), size and sha256.
        cassandra: The Cassandra version that it is for.
        platform: The platform that it is for.

    Returns:
        The jars, in the file's order.
    """
    return Manifest(
        cassandra=cassandra,
        platform=platform,
        jars=tuple(
            Jar(
                group=entry["g"],
                artifact=entry["a"],
                version=entry["v"],
                classifier=entry["c"],
                size=entry["size"],
                sha256=entry["sha256"],
            )
            for entry in json.loads(text)
        ),
    )


def load_manifest(cassandra: str, platform: str) -> Manifest:
    """Load the lock file that ships with this distribution.

    Args:
        cassandra: A Cassandra version, such as ``5.0.9``.
        platform: As platform_tag() gives it.

    Raises:
        UnsupportedPlatformError: There is none for this version and platform.
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
        hint = "Use one of these, or give init_coodie the hosts of a server that runs elsewhere."
        raise UnsupportedPlatformError(msg, hint=hint, platform=platform)
    return parse_manifest(file.read_text(encoding="utf-8"), cassandra=cassandra, platform=platform)
