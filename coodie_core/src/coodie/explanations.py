"""Cause and fix of each error: a section for each class, in a Markdown file beside its module.

``coodie/exceptions.md`` belongs to ``coodie.exceptions``, and the documentation includes it. A distribution
with errors of its own declares their module in the entry-point group ``coodie.errors``, has the sections in
a ``.md`` file of the same name beside it, and sets ``explained_in = __name__`` in the errors' base class.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["GROUP", "Explanation", "explanations", "read_explanations"]

#: The entry-point group in which a distribution declares its module of errors.
GROUP = "coodie.errors"

_OWN = "coodie.exceptions"
_MESSAGE = re.compile(r"\A```text\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
_CAUSE = re.compile(r"^\*\*Cause\.\*\* (.+?)(?=^\*\*Fix|\Z)", re.DOTALL | re.MULTILINE)
_FIX = re.compile(r"^\*\*Fix\.\*\* (.+)", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(?P<level>##|###) (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Explanation:
    """The documentation of one class of errors."""

    #: The class's name.
    name: str
    #: The group's name: the heading above the section.
    group: str
    #: The section, as Markdown, without its heading.
    text: str

    @property
    def message(self) -> str:
        """An example of the message, with … for what varies; empty if the section has none."""
        return self._found(_MESSAGE)

    @property
    def cause(self) -> str:
        """The cause, as Markdown; empty if the section has none."""
        return self._found(_CAUSE)

    @property
    def fix(self) -> str:
        """The fix, as Markdown; empty if the section has none."""
        return self._found(_FIX)

    def _found(self, part: re.Pattern[str]) -> str:
        found = part.search(self.text)
        return "" if found is None else found[1].strip()


def explanations() -> dict[str, Explanation]:
    """Read the sections of all errors, core's first; import nothing of other distributions but their package.

    Returns:
        Each section by the class's name; the first one where two distributions have a class of the same name.
    """
    from importlib_metadata import entry_points  # slow, and needed here alone

    found: dict[str, Explanation] = {}
    for module in (_OWN, *sorted(point.module for point in entry_points(group=GROUP))):
        for file in _beside(module):
            for explanation in read_explanations(file.read_text(encoding="utf-8")):
                found.setdefault(explanation.name, explanation)
    return found


def _beside(module: str) -> Iterator[Path]:
    """Yield the file of a module's sections, if there is one."""
    try:
        spec = find_spec(module)
    except Exception:  # noqa: BLE001 - one distribution's broken package hides no other's errors
        return
    if spec is not None and spec.origin is not None:
        file = Path(spec.origin).with_suffix(".md")
        if file.is_file():
            yield file


def read_explanations(text: str) -> Iterator[Explanation]:
    """Parse a file of sections: ``## group``, and below it a ``### ClassName`` for each.

    Args:
        text: The file's content.

    Yields:
        Each section.
    """
    group = ""
    headings = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=True):
        if heading["level"] == "##":
            group = heading["title"]
        else:
            yield Explanation(heading["title"], group, text[heading.end() : end].strip())
