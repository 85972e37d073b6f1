"""Tell which distribution's files an import name really has: their hashes against RECORD.

RECORD's lines are "path,sha256=urlsafe base64 without padding,size" (PEP 376, PEP 427). They are read here,
because ``Distribution.files`` leaves out what doesn't exist any more. Distributions that pip installed over
one another leave no other trace: what the modules offer tells nothing after a mixed installation.
"""

from __future__ import annotations

import csv
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from coodie_doctor.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "CORE",
    "DOCTOR",
    "NAMESAKE",
    "Installed",
    "altered_files",
    "core_findings",
    "pip_command",
    "reinstall",
]

#: Our distribution, and the one of somebody else's that installs the package ``coodie``, too.
CORE = "coodie-core"
NAMESAKE = "coodie"

#: How many altered files a message names.
_NAMED = 3

#: A distribution's name, as the packaging specifications have it.
_DISTRIBUTION_NAME = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]*[A-Z0-9])?", re.IGNORECASE | re.ASCII)

#: The next step where no single command fixes the problem.
DOCTOR = "python -m coodie_doctor"


class Installed(Protocol):
    """What is read of an installed distribution; importlib.metadata's or the backport's."""

    @property
    def version(self) -> str:
        """The version in METADATA."""
        ...

    def read_text(self, filename: str, /) -> str | None:
        """Return a metadata file's text, or None where there is no such file."""
        ...

    def locate_file(self, path: Any, /) -> Any:
        """Return where a file of the distribution is."""
        ...


def pip_command(arguments: str, distribution: str) -> str:
    """Return the pip command about a distribution; the doctor's where the text can't be a name of one.

    Args:
        arguments: What pip is given before the name.
        distribution: As metadata, an application or a user names it.
    """
    return f"pip {arguments} {distribution}" if _DISTRIBUTION_NAME.fullmatch(distribution) else DOCTOR


def altered_files(distribution: Installed, *, only: str | None = None) -> Iterator[str]:
    """Yield the files that aren't as the distribution installed them: altered, or gone.

    A RECORD that has no hashes, as that of an editable installation, tells of no file.

    Args:
        distribution: The distribution.
        only: Look at this path alone.

    Raises:
        OSError: A file can't be read now, which says nothing of what is in it.
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
    """Find out whether the package ``coodie`` is coodie-core's, and coodie-core's alone.

    Args:
        find: Returns the installed distribution of a name, or None.
        only: The one file to look at; None for all of them.
    """
    core, namesake = find(CORE), find(NAMESAKE)
    again = reinstall(CORE, None if core is None else core.version)
    if namesake is not None:
        message = (
            f"The distribution {NAMESAKE} {namesake.version} is installed beside {CORE}; "
            f"both own the package {NAMESAKE}."
        )
        command = f"pip uninstall --yes {NAMESAKE} && {again}"
        return [Finding(subject=NAMESAKE, message=message, command=command)]
    if core is None:
        return []
    altered = list(altered_files(core, only=only))
    if not altered:
        return []
    more = f" and {len(altered) - _NAMED} more" if len(altered) > _NAMED else ""
    verb = "isn't the file" if len(altered) == 1 else "aren't the files"
    message = f"{', '.join(altered[:_NAMED])}{more} {verb} that {CORE} {core.version} installed."
    return [Finding(subject=NAMESAKE, message=message, command=again)]


def reinstall(distribution: str, version: str | None) -> str:
    """Return the command that puts a distribution's files back, in the version that is there."""
    return f"pip install --force-reinstall --no-deps {distribution}{f'=={version}' if version else ''}"
