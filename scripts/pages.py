"""The project's pages: the READMEs and docs/, and the fenced blocks in them.

Tests run the blocks (tests/docs), and scripts/doc_types.py checks their types. Two comments, on the line
above a block, say something about it::

    <!-- not run: the reason -->
    <!-- file: a name, or a path below a directory that holds a pyproject.toml -->
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steps import ROOT

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LOCAL", "PAGES", "Block", "PageError", "Typed", "blocks_of", "name_of"]

PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("coodie_*/README.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
]

#: Pages whose blocks start a node of their own, as their readers do. All others presuppose a name, `driver`.
LOCAL = {"README.md", "coodie_local/README.md", "docs/tutorial.md", "docs/guides/local-node.md"}

_FENCE = re.compile(r"(?P<indent>[ ]*)(?P<ticks>`{3,}|~{3,})[ ]*(?P<info>.*?)[ ]*")
_MARK = re.compile(r"[ ]*<!-- (?P<kind>not run|file): (?P<text>.+) -->")
_ANY_COMMENT = re.compile(r"[ ]*<!--\s*(not|file)\b")
#: Begins the reason of a block that is a file of a project which the page's reader makes with a command.
_GOES_TO = "goes to "
#: What a fence may say; anything else may be a typo that hides Python.
_LANGUAGES = {"python", "pycon", "bash", "console", "ini", "text", "toml", "yaml"}
#: A line that is typed at Python's prompt.
_PROMPT = re.compile(r"(?P<prompt>>>>|\.\.\.)(?: (?P<typed>.*))?")
_DIRECTIVE = re.compile(r"\{(include|literalinclude|toctree|eval-rst|warning|note)\}( .*)?")


class PageError(ValueError):
    """A fence or a mark isn't written as this module knows it."""


@dataclass(frozen=True)
class Typed:
    """A statement as it is typed at Python's prompt, and what is printed then."""

    #: The number of its first line.
    line: int
    code: str
    output: str


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    #: The number of the line with the opening fence.
    line: int
    language: str
    code: str
    #: "not run", "file", or "" for a block without a mark.
    mark: str = ""
    #: The mark's text.
    about: str = ""

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.page.name}:{self.line}"

    @property
    def python(self) -> str:
        """The Python code, with each line where it is in the block; "" for another language."""
        if self.language == "pycon":
            found = map(_PROMPT.fullmatch, self.code.splitlines())
            return "".join(f"{line['typed'] or '' if line else ''}\n" for line in found)
        return self.code if self.language == "python" else ""

    def typed(self) -> list[Typed]:
        """Return the statements of a session at Python's prompt.

        Raises:
            PageError: It doesn't start with the prompt.
        """
        found: list[tuple[int, list[str], list[str]]] = []
        for number, text in enumerate(self.code.splitlines(), self.line + 1):
            line = _PROMPT.fullmatch(text)
            if line and line["prompt"] == ">>>":
                found.append((number, [], []))
            if not found:
                raise PageError(f"{self.place}: a session starts with the prompt")
            _, code, output = found[-1]
            (code if line else output).append(line["typed"] or "" if line else text)
        return [Typed(number, "\n".join(code), "\n".join(output)) for number, code, output in found]

    @property
    def file(self) -> str:
        """Path of the file that the block is, as its mark says, or ""."""
        if self.mark == "file":
            return self.about
        return self.about.removeprefix(_GOES_TO) if self.about.startswith(_GOES_TO) else ""


def name_of(page: Path) -> str:
    """Return a page's path below the root."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """Read a page's fenced blocks.

    Args:
        page: A Markdown file.

    Returns:
        Its blocks of all languages, in their order.

    Raises:
        PageError: A fence or a mark isn't written as this module knows it: nothing escapes by a typo.
    """
    found = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.fullmatch(lines[number])
        if fence is None:
            if _ANY_COMMENT.match(lines[number]):
                _check_mark(page, lines, number)
            number += 1
            continue
        end = number + 1
        while end < len(lines) and lines[end].strip() != fence["ticks"]:
            end += 1
        place = f"{page.name}:{number + 1}"
        if end == len(lines):
            raise PageError(f"{place}: the block has no end")
        language = fence["info"]
        if language not in _LANGUAGES and not _DIRECTIVE.fullmatch(language):
            raise PageError(f"{place}: {language!r} isn't a language that these pages have")
        mark = _MARK.fullmatch(lines[number - 1]) if number else None
        code = textwrap.dedent("\n".join(lines[number + 1 : end]) + "\n")
        kind, about = (mark["kind"], mark["text"]) if mark else ("", "")
        found.append(Block(page, number + 1, language, code, kind, about))
        number = end + 1
    return found


def _check_mark(page: Path, lines: list[str], number: int) -> None:
    """Refuse a comment that looks like a mark, and isn't one or has no block below it."""
    place = f"{page.name}:{number + 1}"
    if not _MARK.fullmatch(lines[number]):
        raise PageError(f"{place}: not a mark")
    if number + 1 == len(lines) or not _FENCE.fullmatch(lines[number + 1]):
        raise PageError(f"{place}: no block below the mark")
