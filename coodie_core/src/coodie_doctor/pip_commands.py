"""The commands that messages suggest, and the words before them.

Before the first release, package indexes don't have the distributions of this project, so that pip has to
install them from a clone.
"""

from __future__ import annotations

import re

__all__ = ["CORE", "DOCTOR", "PUBLISHED", "pip_command", "reinstall", "to_run"]

#: Whether package indexes have the distributions of this project. Set it with the first release.
PUBLISHED = False

#: The distribution of the package ``coodie``.
CORE = "coodie-core"

#: The command to suggest if no single command fixes the problem.
DOCTOR = "python -m coodie_doctor"

#: The distributions of this project. Each one's directory in a clone has its name, with underscores.
_OURS = frozenset(
    f"coodie-{name}"
    for name in ("accel", "acsylla", "arrow", "cassandra", "core", "local", "rust", "scylla", "testing")
)

#: A valid name of a distribution, by the packaging specifications.
_DISTRIBUTION_NAME = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]*[A-Z0-9])?", re.IGNORECASE | re.ASCII)


def pip_command(arguments: str, *distributions: str) -> str:
    """Return a pip command for distributions; the doctor's command if a name is invalid.

    Args:
        arguments: pip's arguments before the names.
        distributions: The names, from metadata, an application or a user.
    """
    if not all(map(_DISTRIBUTION_NAME.fullmatch, distributions)):
        return DOCTOR
    names = distributions if arguments.startswith("uninstall") else map(_to_install, distributions)
    return f"pip {arguments} {' '.join(names)}"


def reinstall(distribution: str, version: str | None) -> str:
    """Return the command that reinstalls the installed version of a distribution."""
    wanted = _to_install(distribution)
    if version and wanted == distribution:
        wanted = f"{distribution}=={version}"
    return f"pip install --force-reinstall --no-deps {wanted}"


def to_run(command: str) -> str:
    """Return how a sentence that precedes a command ends: "run:", with the directory if it matters."""
    return "run in the root of a clone of coodie:" if " ./coodie_" in command else "run:"


def _to_install(distribution: str) -> str:
    """Return pip's argument for a distribution."""
    canonical = re.sub(r"[-_.]+", "-", distribution).lower()
    if PUBLISHED or canonical not in _OURS:
        return distribution
    return f"./{canonical.replace('-', '_')}"
