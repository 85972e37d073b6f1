"""Find and parse the configuration file, and locate its keys."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coodie.config.problems import Problem, raise_problems
from coodie.exceptions import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PATH_VARIABLE", "TomlFile", "find_file", "read_file"]

#: The environment variable with the file's path.
PATH_VARIABLE = "COODIE_CONFIG"

_OWN_NAME = "coodie.toml"
_PROJECT = "pyproject.toml"

_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, kw_only=True, slots=True)
class TomlFile:
    """A parsed file.

    Args:
        path: The path.
        table: The path of coodie's table: () for the whole file, ("tool", "coodie") in pyproject.toml.
        data: The contents of that table.
        text: The text of the whole file.
    """

    path: Path
    table: tuple[str, ...]
    data: Mapping[str, Any] = field(repr=False)
    text: str = field(repr=False)

    def location(self, key: Sequence[str]) -> str:
        """Return a key's location, such as ``coodie.toml:12``; without a line if it doesn't exist."""
        line = _line_of(self.text, (*self.table, *key))
        return self.path.name if line is None else f"{self.path.name}:{line}"


def find_file(path: str | Path | None, environ: Mapping[str, str], start: Path) -> Path | None:
    """Return the file's path: the argument, $COODIE_CONFIG, or the nearest file in the parent directories.

    Args:
        path: The caller's path, or None.
        environ: The environment.
        start: The first directory. In each directory, coodie.toml takes precedence over a pyproject.toml with
            ``[tool.coodie]``.

    Raises:
        ConfigurationError: The file doesn't exist, or the path has the wrong type.
    """
    named = path if path is not None else environ.get(PATH_VARIABLE) or None
    if named is not None:
        found = _as_path(named)
        if not _is_file(found):
            by = "" if path is not None else f", which {PATH_VARIABLE} names,"
            message = f"The configuration file {str(found)!r}{by} doesn't exist."
            hint = "To write an example: coodie config init"
            raise ConfigurationError(message, hint=hint, option=PATH_VARIABLE)
        return found
    for directory in (start, *start.parents):
        own, project = directory / _OWN_NAME, directory / _PROJECT
        if own.is_file():
            return own
        if project.is_file() and "tool.coodie" in project.read_text(encoding="utf-8", errors="replace"):
            return project
    return None


def _as_path(path: object) -> Path:
    if not isinstance(path, (str, Path)):
        message = f"The configuration file's path: expected str or Path, got {type(path).__name__}."
        raise ConfigurationError(message, option="path")
    return Path(path)


def _is_file(path: Path) -> bool:
    """Return whether a file exists; False for an invalid path, such as one that is too long."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_file(path: Path) -> TomlFile:
    """Parse a file.

    Raises:
        ConfigFileError: The file isn't TOML, or coodie's key isn't a table.
        ConfigurationError: The file can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it isn't UTF-8"
        raise ConfigurationError(f"{path} can't be read: {reason}.") from exc
    table = ("tool", "coodie") if path.name == _PROJECT else ()
    try:
        data: Any = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # huge numbers, deeply nested lists
        line = _AT_LINE.search(str(exc))
        where = f"{path.name}:{line[1]}" if line else path.name
        reason = _AT_LINE.sub("", str(exc)).strip()
        # "from None": the parser's error contains the whole text, with passwords.
        error = Problem(where=where, key="", message=f"it isn't TOML: {reason}.")
        raise_problems(str(path), [error])
    for part in table:
        data = data.get(part, {}) if isinstance(data, dict) else {}
    if not isinstance(data, dict):
        raise_problems(
            str(path), [Problem(where=path.name, key=".".join(table), message="it isn't a table.")]
        )
    return TomlFile(path=path, table=table, data=data, text=text)


def _line_of(text: str, key: Sequence[str]) -> int | None:
    """Return the first line of the statement that defines a key.

    The parser doesn't report lines. But each prefix of the text that ends with a statement is a valid
    document, and a key exists from a certain prefix on, which bisection finds.
    """
    lines = text.splitlines(keepends=True)
    low, high = 0, len(lines)
    if not _has(_before(lines, high)[1], key):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if _has(_before(lines, middle)[1], key):
            high = middle
        else:
            low = middle
    # The statement ends on this line, and begins after the longest valid document before it.
    return _before(lines, high - 1)[0] + 1


def _before(lines: Sequence[str], count: int) -> tuple[int, Any]:
    """Return the longest valid document within the first lines: its number of lines, and its contents."""
    while count:
        try:
            return count, tomllib.loads("".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            count -= 1
    return 0, {}


def _has(data: Any, key: Sequence[str]) -> bool:
    for part in key:
        if not isinstance(data, dict) or part not in data:
            return False
        data = data[part]
    return True
