"""Refuse packages whose files are another distribution's than the one that is asked for.

scylla-driver and cassandra-driver both install the package ``cassandra``: the later overwrites the
earlier's files, and pip says nothing. Whose files are there is found out in ``coodie_doctor.ownership``,
which works where our own package was overwritten.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from coodie.capabilities import KNOWN
from coodie.exceptions import DriverDependencyError, OverwrittenModuleError
from coodie.plugins.discovery import find_installed
from coodie_doctor.ownership import CORE, NAMESAKE, altered_files, core_findings, reinstall

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_core", "check_module_owner"]

_LEAVE_ONE = "One environment holds one of them. Run:"


def check_core(find: Callable[[str], Any], driver_type: str) -> None:
    """Make sure that the package ``coodie`` is coodie-core's alone.

    Args:
        find: Returns the installed distribution of a name, or None.
        driver_type: The backend that was asked for.

    Raises:
        OverwrittenModuleError: PyPI's ``coodie`` is installed as well, or a file isn't what was installed.
    """
    for finding in core_findings(find):
        raise OverwrittenModuleError(
            finding.message,
            command=finding.command,
            driver_type=driver_type,
            module=NAMESAKE,
            distributions=(NAMESAKE, CORE),
        )


def check_module_owner(module: str, distribution: str, rivals: tuple[str, ...], *, driver_type: str) -> None:
    """Make sure that the import name's files are this distribution's.

    A program without any metadata, as a frozen one may be, can't be told, and is let through.

    Args:
        module: The package's import name.
        distribution: The distribution that is wanted.
        rivals: Distributions that install the same import name.
        driver_type: The backend on whose behalf this is asked.

    Raises:
        DriverDependencyError: The distribution isn't installed.
        OverwrittenModuleError: A rival is installed as well, or the file isn't what was installed.
    """
    installed = {
        name: found for name in (distribution, *rivals) if (found := find_installed(name)) is not None
    }
    mine = installed.pop(distribution, None)
    if mine is None:
        if not installed and find_installed(CORE) is None:
            return
        beside = f", but {' and '.join(installed)} is" if installed else ""
        message = f"driver_type={driver_type!r} needs {distribution}, which isn't installed{beside}."
        wanted = _requirement(driver_type, distribution)
        raise DriverDependencyError(
            message,
            hint=_LEAVE_ONE if installed else None,
            command=_repair(f"pip install --force-reinstall --no-deps {shlex.quote(wanted)}", installed),
            driver_type=driver_type,
            missing=distribution,
            requirement=wanted,
        )
    again = reinstall(distribution, mine.version)
    if installed:
        owners = (distribution, *installed)
        raise OverwrittenModuleError(
            f"{' and '.join(owners)} are both installed, and both own the package {module}.",
            hint=_LEAVE_ONE,
            command=_repair(again, installed),
            driver_type=driver_type,
            module=module,
            distributions=owners,
        )
    for path in altered_files(mine, only=f"{module}/__init__.py"):
        raise OverwrittenModuleError(
            f"{path} isn't the file that {distribution} {mine.version} installed.",
            command=again,
            driver_type=driver_type,
            module=module,
            distributions=(distribution,),
        )


def _requirement(driver_type: str, distribution: str) -> str:
    """Return what a backend of ours asks for of a distribution, with its versions."""
    from coodie.plugins.requirements import (
        requirement_of,  # packaging, where there is something to complain of
    )

    known = KNOWN.get(driver_type)
    asked = None if known is None else requirement_of(known.distribution, distribution)
    return distribution if asked is None else f"{asked.name}{asked.specifier}"


def _repair(install: str, others: Any) -> str:
    return f"pip uninstall --yes {' '.join(others)} && {install}" if others else install
