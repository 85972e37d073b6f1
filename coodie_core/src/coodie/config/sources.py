"""The file with the configuration: found, read, and the lines of its keys."""

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
    """A file that was read.

    Args:
        path: Where it is.
        table: The table that is ours: () for all of it, ("tool", "coodie") in pyproject.toml.
        data: What that table holds.
        text: The whole file.
    """

    path: Path
    table: tuple[str, ...]
    data: Mapping[str, Any] = field(repr=False)
    text: str = field(repr=False)

    def location(self, key: Sequence[str]) -> str:
        """Return where a key stands, as ``coodie.toml:12``; without a line where it isn't there."""
        line = _line_of(self.text, (*self.table, *key))
        return self.path.name if line is None else f"{self.path.name}:{line}"


def find_file(path: str | Path | None, environ: Mapping[str, str], start: Path) -> Path | None:
    """Return the file's path: the argument, COODIE_CONFIG, or the nearest one from here upwards.

    Args:
        path: What the caller gave.
        environ: The environment.
        start: The directory to begin in. In each one, coodie.toml goes before a pyproject.toml with
            ``[tool.coodie]``.

    Raises:
        ConfigurationError: A file that was named isn't there, or what was given is no path.
    """
    named = path if path is not None else environ.get(PATH_VARIABLE) or None
    if named is not None:
        found = _as_path(named)
        if not _is_file(found):
            by = "" if path is not None else f", which {PATH_VARIABLE} names,"
            message = f"The configuration file {str(found)!r}{by} doesn't exist."
            hint = "Name one that does. To write an example: coodie config init"
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
        message = f"The configuration file's path is of type {type(path).__name__}."
        raise ConfigurationError(message, hint="Give a str or a Path.", option="path")
    return Path(path)


def _is_file(path: Path) -> bool:
    """Tell whether there is a file; a path that the system refuses, such as one too long, names none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_file(path: Path) -> TomlFile:
    """Read a file.

    Raises:
        ConfigFileError: It isn't TOML, or our table isn't one.
        ConfigurationError: It can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it isn't UTF-8"
        raise ConfigurationError(f"{path} can't be read: {reason}.") from exc
    table = ("tool", "coodie") if path.name == _PROJECT else ()
    try:
        data: Any = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # of numbers with thousands of digits, of lists in lists in …
        line = _AT_LINE.search(str(exc))
        where = f"{path.name}:{line[1]}" if line else path.name
        reason = _AT_LINE.sub("", str(exc)).strip()
        # "from None": the parser's own error carries the whole text, passwords and all.
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
    """Return the line on which the statement begins that makes the key exist.

    The parser tells no lines. But the beginnings of the text that end with a statement are documents
    of their own, and a key is there from a certain one on: bisection finds it.
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
    # The statement ends on this line; it begins behind the document that ends before it.
    return _before(lines, high - 1)[0] + 1


def _before(lines: Sequence[str], count: int) -> tuple[int, Any]:
    """Return how many of the first lines are a document, as many as possible, and what it holds."""
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
