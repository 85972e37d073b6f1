"""Find the distribution that owns the files of a package, by comparing hashes with RECORD.

The lines of RECORD are "path,sha256=urlsafe base64 without padding,size" (PEP 376, PEP 427). They are parsed
here because ``Distribution.files`` omits missing files. If pip installs one distribution over another, the
hashes are the only evidence: the contents of the modules may be mixed.
"""

from __future__ import annotations

import csv
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from coodie_doctor.pip_commands import CORE, reinstall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie_doctor.findings import Finding

__all__ = [
    "NAMESAKE",
    "Installed",
    "altered_files",
    "core_findings",
]

#: Another project's distribution that installs a package ``coodie``.
NAMESAKE = "coodie"

#: The maximum number of changed files in a message.
_NAMED = 3


class Installed(Protocol):
    """The interface of an installed distribution, of importlib.metadata or its backport."""

    @property
    def version(self) -> str:
        """The version in METADATA."""
        ...

    def read_text(self, filename: str, /) -> str | None:
        """Return the text of a metadata file; None if it doesn't exist."""
        ...

    def locate_file(self, path: Any, /) -> Any:
        """Return the path of a file of the distribution."""
        ...


def altered_files(distribution: Installed, *, only: str | None = None) -> Iterator[str]:
    """Yield the files of a distribution that have been changed or removed since their installation.

    A RECORD without hashes, such as that of an editable installation, yields none.

    Args:
        distribution: The distribution.
        only: Only check this path.

    Raises:
        OSError: A file can't be read now.
    """
    for entry in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        if not entry[1:2] or not entry[1].startswith("sha256=") or only not in (None, entry[0]):
            continue
        try:
            with open(distribution.locate_file(entry[0]), "rb") as file:  # noqa: PTH123 - what locate_file gives need not be a Path
                digest = urlsafe_b64encode(sha256(file.read()).digest()).rstrip(b"=").decode()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            yield entry[0]
            continue
        if digest != entry[1].removeprefix("sha256="):
            yield entry[0]


def core_findings(
    find: Callable[[str], Installed | None], *, only: str | None = f"{NAMESAKE}/__init__.py"
) -> list[Finding]:
    """Check whether all files of the package ``coodie`` are coodie-core's.

    Args:
        find: Returns the installed distribution of a name, or None.
        only: The only file to check; None for all.
    """
    core, namesake = find(CORE), find(NAMESAKE)
    altered = [] if core is None or namesake is not None else list(altered_files(core, only=only))
    if namesake is None and not altered:
        return []
    from coodie_doctor.findings import Finding  # slow, and for problems alone

    version = None if core is None else core.version
    again = reinstall(CORE, version)
    if namesake is not None:
        message = (
            f"The distribution {NAMESAKE} {namesake.version} is installed in addition to {CORE}; "
            f"both own the package {NAMESAKE}."
        )
        command = f"pip uninstall --yes {NAMESAKE} && {again}"
        return [Finding(subject=NAMESAKE, message=message, command=command)]
    more = f" and {len(altered) - _NAMED} more" if len(altered) > _NAMED else ""
    verb = "isn't the file" if len(altered) == 1 else "aren't the files"
    message = f"{', '.join(altered[:_NAMED])}{more} {verb} that {CORE} {version} installed."
    return [Finding(subject=NAMESAKE, message=message, command=again)]
