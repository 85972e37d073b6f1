"""What causes an error and what cures it: a section for each class, in a file beside its module.

``coodie/exceptions.md`` belongs to ``coodie.exceptions``, and the documentation includes it. A distribution
with errors of its own announces their module in the entry-point group ``coodie.errors``, has the sections in
a ``.md`` of the same name beside it, and says ``explained_in = __name__`` in the class that the others
derive from.
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

#: The entry-point group in which a distribution announces a module of errors.
GROUP = "coodie.errors"

_OWN = "coodie.exceptions"
_MESSAGE = re.compile(r"\A```text\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
_CAUSE = re.compile(r"^\*\*Cause\.\*\* (.+?)(?=^\*\*Cure|\Z)", re.DOTALL | re.MULTILINE)
_CURE = re.compile(r"^\*\*Cure\.\*\* (.+)", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(?P<level>##|###) (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Explanation:
    """What is known of one class of errors."""

    #: The class's name.
    name: str
    #: What it belongs to: the heading above it.
    group: str
    #: The section, as Markdown, without its heading.
    text: str

    @property
    def message(self) -> str:
        """What such an error says, with … for what differs and where it is cut; empty where none is shown."""
        return self._found(_MESSAGE)

    @property
    def cause(self) -> str:
        """Why it comes about, as Markdown; empty where it isn't said."""
        return self._found(_CAUSE)

    @property
    def cure(self) -> str:
        """What to do about it, as Markdown; empty where it isn't said."""
        return self._found(_CURE)

    def _found(self, part: re.Pattern[str]) -> str:
        found = part.search(self.text)
        return "" if found is None else found[1].strip()


def explanations() -> dict[str, Explanation]:
    """Read what is known of every error, core's first; of others nothing but their package is imported.

    Returns:
        By the class's name. Where two distributions have a class of one name, the first one's.
    """
    from importlib_metadata import entry_points  # slow, and needed here alone

    found: dict[str, Explanation] = {}
    for module in (_OWN, *sorted(point.module for point in entry_points(group=GROUP))):
        for file in _beside(module):
            for explanation in read_explanations(file.read_text(encoding="utf-8")):
                found.setdefault(explanation.name, explanation)
    return found


def _beside(module: str) -> Iterator[Path]:
    """Find the file of a module's sections; one that isn't there hides no other's."""
    try:
        spec = find_spec(module)
    except Exception:  # noqa: BLE001 - one distribution's broken package hides no other's errors
        return
    if spec is not None and spec.origin is not None:
        file = Path(spec.origin).with_suffix(".md")
        if file.is_file():
            yield file


def read_explanations(text: str) -> Iterator[Explanation]:
    """Read a file of sections: ``## group``, and below it a ``### ClassName`` for each.

    Args:
        text: What is in it.

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
