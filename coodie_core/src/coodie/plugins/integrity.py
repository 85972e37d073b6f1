"""Tell which distribution's files an import name really has.

scylla-driver and cassandra-driver both install the package ``cassandra``: the later overwrites the
earlier's files, and pip says nothing. What the modules offer doesn't tell them apart after a mixed
install; the hash of a file against each distribution's RECORD does.
"""

from __future__ import annotations

import csv
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from coodie.exceptions import DriverDependencyError, OverwrittenModuleError

__all__ = ["check_module_owner"]


def check_module_owner(module: str, distribution: str, rivals: tuple[str, ...], *, driver_type: str) -> None:
    """Make sure that the import name's files are this distribution's.

    Args:
        module: The package's import name.
        distribution: The distribution that is wanted.
        rivals: Distributions that install the same import name.
        driver_type: The backend on whose behalf this is asked.

    Raises:
        DriverDependencyError: The distribution isn't installed.
        OverwrittenModuleError: A rival is installed as well, or the file isn't what was installed.
    """
    installed = {name: found for name in (distribution, *rivals) if (found := _find(name)) is not None}
    mine = installed.pop(distribution, None)
    if mine is None:
        beside = f", but {' and '.join(installed)} is" if installed else ""
        message = f"driver_type={driver_type!r} needs {distribution}, which isn't installed{beside}."
        hint = _repair(distribution, tuple(installed))
        raise DriverDependencyError(message, hint=hint, driver_type=driver_type, missing=distribution)
    if installed:
        owners = (distribution, *installed)
        message = f"{' and '.join(owners)} are both installed, and both own the package {module}."
        hint = _repair(distribution, tuple(installed))
        raise OverwrittenModuleError(
            message, hint=hint, driver_type=driver_type, module=module, distributions=owners
        )
    if not _intact(mine, f"{module}/__init__.py"):
        message = f"{module}/__init__.py isn't the file that {distribution} {mine.version} installed."
        hint = _repair(distribution, ())
        raise OverwrittenModuleError(
            message, hint=hint, driver_type=driver_type, module=module, distributions=(distribution,)
        )


def _find(name: str) -> Any:
    from importlib_metadata import PackageNotFoundError  # slow, and needed by discovery alone
    from importlib_metadata import distribution as find  # as above

    try:
        return find(name)
    except PackageNotFoundError:
        return None


def _intact(distribution: Any, path: str) -> bool:
    """Tell whether the file is as RECORD has it; a RECORD that lists no hash can't tell otherwise.

    RECORD's lines are "path,sha256=urlsafe base64 without padding,size" (PEP 376, PEP 427). They are read
    here, because ``Distribution.files`` leaves out what doesn't exist any more.
    """
    for entry in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        if entry[:1] == [path] and entry[1:2] and entry[1].startswith("sha256="):
            located = distribution.locate_file(path)
            if not located.exists():
                return False
            digest = urlsafe_b64encode(sha256(located.read_bytes()).digest()).rstrip(b"=").decode()
            return digest == entry[1].removeprefix("sha256=")
    return True


def _repair(wanted: str, others: tuple[str, ...]) -> str:
    install = f"pip install --force-reinstall --no-deps {wanted}"
    if not others:
        return f"Run: {install}"
    return f"One environment holds one of them. Run: pip uninstall --yes {' '.join(others)} && {install}"
