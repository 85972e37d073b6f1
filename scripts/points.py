"""The points that tests have to reach; python3 scripts/points.py writes their counts to docs/reliability.md.

``coodie._points`` says what a point is. With COODIE_TEST_POINTS each process of tests writes its counts into
that directory; ``make test-all`` sets it, and fails if a point was never reached.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from typing import TYPE_CHECKING

from environments import VENVS
from steps import ROOT, Failure

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["COUNTS", "VARIABLE", "check", "clear", "declared", "table"]

#: The variable that names the directory of the counts.
VARIABLE = "COODIE_TEST_POINTS"
#: The directory that ``make test-all`` uses.
COUNTS = VENVS / "points"

_POINT = re.compile(r'\bpoint\("([^"]+)"\)')
_PAGE = ROOT / "docs" / "reliability.md"
_TABLE = re.compile(r"(?<=\| point \| module \| reached \|\n\|---\|---\|---\|\n)(?:\|.*\n)*")


def declared(root: Path = ROOT) -> dict[str, str]:
    """Return the module of each point in the source, sorted by module.

    Raises:
        ValueError: Two points have the same name.
    """
    found: dict[str, str] = {}
    for source in sorted(root.glob("*/src")):
        for file in sorted(source.rglob("*.py")):
            for name in _POINT.findall(file.read_text(encoding="utf-8")):
                if name in found:
                    message = f"two points are called {name!r}"
                    raise ValueError(message)
                found[name] = ".".join(file.relative_to(source).with_suffix("").parts)
    return found


def clear() -> None:
    """Remove the counts of an earlier run."""
    shutil.rmtree(COUNTS, ignore_errors=True)
    COUNTS.mkdir(parents=True)


def _counted() -> Counter[str]:
    """Return the sum of the counts of all processes."""
    total: Counter[str] = Counter()
    for file in COUNTS.glob("*.json"):
        total.update(json.loads(file.read_text(encoding="utf-8")))
    return total


def check() -> None:
    """Compare the counts with the source.

    Raises:
        Failure: A point was never reached.
    """
    counts = _counted()
    never = [f"{name} ({module})" for name, module in declared().items() if not counts[name]]
    if never:
        raise Failure("\n  ".join(["these points were never reached:", *never]))


def table(counts: Counter[str]) -> list[str]:
    """Return the rows of the table."""
    return [f"| {name} | `{module}` | {counts[name]:,} |" for name, module in declared().items()]


def main() -> None:
    """Write the counts of the last run into the page."""
    check()
    rows = "".join(f"{row}\n" for row in table(_counted()))
    _PAGE.write_text(_TABLE.sub(lambda _: rows, _PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
