"""The project's pages: the READMEs and docs/, and the fenced blocks in them.

Tests run the blocks (tests/docs), and scripts/doc_types.py checks their types. A comment on the line above a
block marks it::

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

#: Pages whose blocks start a node. All other pages presuppose the name `driver`.
LOCAL = {"README.md", "coodie_local/README.md", "docs/tutorial.md", "docs/guides/local-node.md"}

_FENCE = re.compile(r"(?P<indent>[ ]*)(?P<ticks>`{3,}|~{3,})[ ]*(?P<info>.*?)[ ]*")
_MARK = re.compile(r"[ ]*<!-- (?P<kind>not run|file): (?P<text>.+) -->")
_ANY_COMMENT = re.compile(r"[ ]*<!--\s*(not|file)\b")
#: The prefix of the reason for a block that is a file of a generated project.
_GOES_TO = "goes to "
#: The allowed languages of fences; others may be typos that hide Python code.
_LANGUAGES = {"python", "pycon", "bash", "console", "ini", "text", "toml", "yaml"}
#: A line of input at Python's prompt.
_PROMPT = re.compile(r"(?P<prompt>>>>|\.\.\.)(?: (?P<typed>.*))?")
_DIRECTIVE = re.compile(r"\{(include|literalinclude|toctree|eval-rst|warning|note)\}( .*)?")


class PageError(ValueError):
    """A fence or a mark is invalid."""


@dataclass(frozen=True)
class Typed:
    """A statement at Python's prompt, and its output."""

    #: The number of the first line.
    line: int
    code: str
    output: str


@dataclass(frozen=True)
class Block:
    """A fenced code block of a page."""

    page: Path
    #: The line number of the opening fence.
    line: int
    language: str
    code: str
    #: "not run", "file", or "" for a block without a mark.
    mark: str = ""
    #: The mark's text.
    about: str = ""

    @property
    def place(self) -> str:
        """The page and the line number."""
        return f"{self.page.name}:{self.line}"

    @property
    def python(self) -> str:
        """The Python code, with the block's line numbers; "" for another language."""
        if self.language == "pycon":
            found = map(_PROMPT.fullmatch, self.code.splitlines())
            return "".join(f"{line['typed'] or '' if line else ''}\n" for line in found)
        return self.code if self.language == "python" else ""

    def typed(self) -> list[Typed]:
        """Return the statements of an interactive session.

        Raises:
            PageError: The block doesn't start with a prompt.
        """
        found: list[tuple[int, list[str], list[str]]] = []
        for number, text in enumerate(self.code.splitlines(), self.line + 1):
            line = _PROMPT.fullmatch(text)
            if line and line["prompt"] == ">>>":
                found.append((number, [], []))
            if not found:
                raise PageError(f"{self.place}: an interactive session must start with a prompt")
            _, code, output = found[-1]
            (code if line else output).append(line["typed"] or "" if line else text)
        return [Typed(number, "\n".join(code), "\n".join(output)) for number, code, output in found]

    @property
    def file(self) -> str:
        """The path of the block's file in its mark, or ""."""
        if self.mark == "file":
            return self.about
        return self.about.removeprefix(_GOES_TO) if self.about.startswith(_GOES_TO) else ""


def name_of(page: Path) -> str:
    """Return a page's path relative to the root."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """Parse a page's fenced blocks.

    Args:
        page: A Markdown file.

    Returns:
        The blocks of all languages, in order.

    Raises:
        PageError: A fence or a mark is invalid, so that no typo hides a block.
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
            raise PageError(f"{place}: the block has no closing fence")
        language = fence["info"]
        if language not in _LANGUAGES and not _DIRECTIVE.fullmatch(language):
            raise PageError(f"{place}: unknown language {language!r}")
        mark = _MARK.fullmatch(lines[number - 1]) if number else None
        code = textwrap.dedent("\n".join(lines[number + 1 : end]) + "\n")
        kind, about = (mark["kind"], mark["text"]) if mark else ("", "")
        found.append(Block(page, number + 1, language, code, kind, about))
        number = end + 1
    return found


def _check_mark(page: Path, lines: list[str], number: int) -> None:
    """Reject a comment that looks like a mark but is invalid, or has no block below it."""
    place = f"{page.name}:{number + 1}"
    if not _MARK.fullmatch(lines[number]):
        raise PageError(f"{place}: invalid mark")
    if number + 1 == len(lines) or not _FENCE.fullmatch(lines[number + 1]):
        raise PageError(f"{place}: no block below the mark")
