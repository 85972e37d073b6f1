"""Reject packages whose files have been overwritten by another distribution.

scylla-driver and cassandra-driver both install the package ``cassandra``: the second overwrites the files of
the first, without a warning of pip. ``coodie_doctor.ownership`` finds the owner of files; it also works if
the package ``coodie`` has been overwritten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.capabilities import KNOWN
from coodie.exceptions import DriverDependencyError, OverwrittenModuleError
from coodie.plugins.discovery import find_installed
from coodie_doctor.ownership import NAMESAKE, altered_files, core_findings
from coodie_doctor.pip_commands import CORE, reinstall

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_core", "check_module_owner"]

_LEAVE_ONE = "They can't be installed in the same environment. Run:"


def check_core(find: Callable[[str], Any], driver_type: str) -> None:
    """Check that all files of the package ``coodie`` are coodie-core's.

    Args:
        find: Returns the installed distribution of a name, or None.
        driver_type: The requested backend.

    Raises:
        OverwrittenModuleError: PyPI's ``coodie`` is also installed, or a file has been changed.
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
    """Check that the files of a package are a distribution's.

    A program without metadata, such as a frozen one, passes.

    Args:
        module: The package's import name.
        distribution: The required distribution.
        rivals: Distributions with the same import name.
        driver_type: The requested backend.

    Raises:
        DriverDependencyError: The distribution isn't installed.
        OverwrittenModuleError: A rival is also installed, or the file has been changed.
    """
    installed = {
        name: found for name in (distribution, *rivals) if (found := find_installed(name)) is not None
    }
    mine = installed.pop(distribution, None)
    if mine is None:
        if not installed and find_installed(CORE) is None:
            return
        import shlex  # for the error alone

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
    if installed:
        owners = (distribution, *installed)
        raise OverwrittenModuleError(
            f"{' and '.join(owners)} are both installed, and both contain the package {module}.",
            hint=_LEAVE_ONE,
            command=_repair(reinstall(distribution, mine.version), installed),
            driver_type=driver_type,
            module=module,
            distributions=owners,
        )
    for path in altered_files(mine, only=f"{module}/__init__.py"):
        raise OverwrittenModuleError(
            f"{path} isn't the file that {distribution} {mine.version} installed.",
            command=reinstall(distribution, mine.version),
            driver_type=driver_type,
            module=module,
            distributions=(distribution,),
        )


def _requirement(driver_type: str, distribution: str) -> str:
    """Return the requirement of a backend of this project for a distribution."""
    from coodie.plugins.requirements import (
        requirement_of,  # imports packaging, which is only needed for errors
    )

    known = KNOWN.get(driver_type)
    asked = None if known is None else requirement_of(known.distribution, distribution)
    return distribution if asked is None else f"{asked.name}{asked.specifier}"


def _repair(install: str, others: Any) -> str:
    return f"pip uninstall --yes {' '.join(others)} && {install}" if others else install
