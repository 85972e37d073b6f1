"""A package on disk: rendered from the template, and there as a whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from coodie._version import __version__
from coodie.exceptions import ConfigurationError

if TYPE_CHECKING:
    from importlib.abc import Traversable

    from coodie.scaffold.names import DriverNames

__all__ = ["render_package", "write_package"]

#: What stands in the template, in names of files and in their text, for something of the driver's.
_PLACEHOLDER = re.compile(r"@([A-Z_]+)@")

#: The ending that keeps tools from taking the template's files for what they will be.
_SUFFIX = ".tmpl"


def render_package(names: DriverNames) -> dict[str, str]:
    """Return the files of a driver's package: path with slashes → text."""
    words = {
        "DRIVER_TYPE": names.driver_type,
        "DISTRIBUTION": names.distribution,
        "PACKAGE": names.package,
        "CLASS": names.stem,
        "COODIE": _compatible(__version__),
    }

    def replaced(text: str) -> str:
        return _PLACEHOLDER.sub(lambda match: words[match[1]], text)

    found = _texts(files("coodie.scaffold") / "template", "")
    return {replaced(path.removesuffix(_SUFFIX)): replaced(text) for path, text in sorted(found.items())}


def write_package(names: DriverNames, directory: Path) -> list[Path]:
    """Write a driver's package, or nothing.

    Args:
        names: The driver's.
        directory: Where; it must not exist, and its parent must.

    Returns:
        The files, in order.

    Raises:
        ConfigurationError: The directory exists, or can't be made there.
    """
    target = Path(os.path.abspath(directory))  # noqa: PTH100 - resolve() would follow a link that is in the way
    _refuse_existing(target)
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{names.distribution}-", dir=target.parent))
    except OSError as exc:
        raise _unwritable(target, exc) from exc
    try:
        written = _write(render_package(names), scratch / "package")
        # Somebody else may have made it meanwhile; renaming onto what isn't empty fails.
        _refuse_existing(target)
        (scratch / "package").rename(target)
    except OSError as exc:
        raise _unwritable(target, exc) from exc
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return [target / path for path in written]


def _write(rendered: dict[str, str], root: Path) -> list[str]:
    for path, text in rendered.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    return list(rendered)


def _texts(directory: Traversable, prefix: str) -> dict[str, str]:
    """Read all files of the template."""
    found: dict[str, str] = {}
    for entry in directory.iterdir():
        if entry.is_dir():
            found |= _texts(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            found[f"{prefix}{entry.name}"] = entry.read_text(encoding="utf-8")
    return found


def _compatible(version: str) -> str:
    """Return the requirement on coodie-core that a driver made with this version has."""
    major, minor = version.split(".")[:2]
    following = f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
    return f">={major}.{minor},<{following}"


def _refuse_existing(target: Path) -> None:
    # A link that leads nowhere is something, too.
    if os.path.lexists(target):
        message = f"{target} already exists, and isn't overwritten."
        raise ConfigurationError(message, hint="Give another --directory.", option="directory")


def _unwritable(target: Path, exc: OSError) -> ConfigurationError:
    message = f"{target} can't be created: {exc.strerror or exc}."
    hint = "Give a --directory whose parent exists and can be written to."
    return ConfigurationError(message, hint=hint, option="directory")
