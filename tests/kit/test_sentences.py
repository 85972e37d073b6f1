"""Each requirement of the driver contract and of the page of values has checks of the kit, or a reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tomli
from tests.kit import defective
from tests.kit.defective import Planted

from coodie_testing import DriverConformance
from coodie_testing.checking import checks_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("sentences.toml")

#: The sections about coodie-core, for users and for tests.
LEFT_OUT = {"The entry points", "Objects that aren't subclasses", "Test it"}

#: The reason of what is left to do.
GAP = "no check yet"

#: The number of quotes without a check although one could observe it. It may only shrink.
NO_CHECK_YET = 1

#: The number of quotes none of whose checks is failed by a planted defect. It may only shrink.
NO_DEFECT_YET = 0

Entries = dict[str, "list[str] | str"]

_TABLE: dict[str, Entries] = tomli.loads(FILE.read_text(encoding="utf-8"))
REASONS = _TABLE.pop("reasons")
PAGES = dict(_TABLE)
ENTRIES = [(page, *entry) for page, entries in PAGES.items() for entry in entries.items()]


def _checks(value: list[str] | str) -> list[str]:
    """Return the names of checks in an entry's value."""
    return [] if isinstance(value, str) else [name for name in value if name != GAP]


def _plain(text: str) -> str:
    """Return Markdown as plain text."""
    return re.sub(r"`|\*\*", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text))


def _blocks(text: str) -> Iterator[str]:
    """Yield paragraphs, items of lists and rows of tables, without code and what is left out."""
    section, block, is_code = "", "", False
    for line in [*text.splitlines(), ""]:
        stripped = line.strip()
        begins = re.match(r"$|#|\||- |```|<!--", stripped)
        if begins and block and not is_code and section not in LEFT_OUT:
            yield block
        if begins:
            block = ""
        if stripped.startswith("```"):
            is_code = not is_code
        elif is_code:
            continue
        elif stripped.startswith("#"):
            section = stripped.strip("# ")
        elif not re.fullmatch(r"[|: -]*|<!--.*", stripped):
            block = f"{block} {stripped.removeprefix('- ')}".strip()


def sentences_of(text: str) -> list[str]:
    """Return the sentences and the rows of tables of a page, as plain text."""
    found = []
    for block in _blocks(text):
        if block.startswith("|"):
            found.append(_plain(" | ".join(cell.strip() for cell in block.strip("|").split("|"))))
        else:
            found += map(_plain, re.split(r"(?<=[.!?]) +(?=[A-Z`\[*])", block))
    return found


def problems_of(entries: Entries, sentences: list[str]) -> list[str]:
    """Return what is wrong with the entries of a page."""
    problems, quoted, last = [], set(), (0, 0)
    for quote in entries:
        found = [(n, text.index(quote)) for n, text in enumerate(sentences) if quote in text]
        times = sum(text.count(quote) for text in sentences)
        quoted |= {n for n, _ in found}
        if times != 1:
            problems.append(f"{quote!r} is on the page {times} times. Quote words that are there once.")
        elif found[0] < last:
            problems.append(f"{quote!r} comes before the quote above it. Keep the page's order.")
        else:
            last = found[0]
    problems += [
        f"No quote of {text!r}. Add one with its checks, or with a reason such as 'no requirement'."
        for n, text in enumerate(sentences)
        if n not in quoted
    ]
    return problems


def _sentences(page: str) -> list[str]:
    return sentences_of((ROOT / page).read_text(encoding="utf-8"))


_PAGE = """
# A page

A *driver* returns
[rows](rows.md). `close` ends it. See 1.5.

```python
# Not a sentence.
```

| name | use |
|---|---|
| `a` | first |

## Test it

Left out.
"""


@pytest.mark.parametrize(
    ("quotes", "problem"),
    [
        (["returns rows.", "close ends", "1.5", "name |", "a | first"], ""),
        (["returns rows.", "1.5", "name |", "a | first"], "No quote of 'close ends it.'"),
        (["returns rows.", "close opens", "close", "1.5", "name |", "a | first"], "on the page 0 times"),
        (
            ["returns", "rows", "close", "s", "1.5", "name |", "a | first"],
            "times. Quote words that are there once",
        ),
        (["close ends", "returns rows.", "1.5", "name |", "a | first"], "comes before the quote above it"),
    ],
)
def test_what_is_wrong_is_named(quotes: list[str], problem: str) -> None:
    """A sentence without a quote, and a missing, ambiguous or misplaced quote, have a message each."""
    problems = problems_of(dict.fromkeys(quotes, GAP), sentences_of(_PAGE))
    assert [problem in one for one in problems] == [True] * bool(problem)


@pytest.mark.parametrize("page", PAGES)
def test_each_sentence_is_in_the_table(page: str) -> None:
    """Each sentence has a quote; each quote is on the page once, in the page's order."""
    problems = problems_of(PAGES[page], _sentences(page))
    assert not problems, "\n".join([f"{FILE.name} doesn't fit {page}:", *problems])


def test_each_check_is_in_the_kit() -> None:
    """Quotes have checks of the kit, or a known reason."""
    known = checks_of(DriverConformance)
    for page, quote, value in ENTRIES:
        if isinstance(value, str):
            assert value in REASONS, f"{page}, {quote!r}: {value!r} isn't a reason of {FILE.name}"
            continue
        unknown = [name for name in _checks(value) if name not in known]
        assert _checks(value), f"{page}, {quote!r} has no check. Give a reason."
        assert not unknown, f"{page}, {quote!r}: the kit has no check {', '.join(unknown)}. Was it renamed?"


def test_gaps_are_getting_fewer() -> None:
    """No requirement without a check is added, and neither is one whose checks no planted defect fails."""
    missing = [
        quote for _, quote, value in ENTRIES if value == GAP or (isinstance(value, list) and GAP in value)
    ]
    assert len(missing) == NO_CHECK_YET, (
        f"{len(missing)} quotes have no check yet, instead of {NO_CHECK_YET}. "
        "Write checks for new ones; if there are fewer, lower NO_CHECK_YET."
    )
    suites = [one for one in vars(defective).values() if isinstance(one, type) and issubclass(one, Planted)]
    caught = {check for suite in suites for check in suite.defect.caught_by}
    unproved = [quote for _, quote, value in ENTRIES if _checks(value) and not caught & {*value}]
    assert len(unproved) <= NO_DEFECT_YET, (
        f"No planted defect fails a check of these quotes, {len(unproved)} instead of {NO_DEFECT_YET}. "
        f"Plant one for each new check, in tests/kit/defects: {unproved}"
    )
