"""Points that tests must reach; python3 scripts/points.py writes their counts to docs/reliability.md.

``coodie._points`` explains points. If COODIE_TEST_POINTS is set, each test process writes its counts to that
directory; ``make test-all`` sets it, and fails if a point wasn't reached.
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

__all__ = ["COUNTS", "VARIABLE", "check", "clear", "find_points", "table"]

#: The environment variable for the directory of the counts.
VARIABLE = "COODIE_TEST_POINTS"
#: The directory of ``make test-all``.
COUNTS = VENVS / "points"

_POINT = re.compile(r'\bpoint\("([^"]+)"\)')
_PAGE = ROOT / "docs" / "reliability.md"
_TABLE = re.compile(r"(?<=\| point \| module \| reached \|\n\|---\|---\|---\|\n)(?:\|.*\n)*")


def find_points(root: Path = ROOT) -> dict[str, str]:
    """Return the points in the source and their modules, sorted by module.

    Raises:
        ValueError: Two points have the same name.
    """
    found: dict[str, str] = {}
    for source in sorted(root.glob("*/src")):
        for file in sorted(source.rglob("*.py")):
            for name in _POINT.findall(file.read_text(encoding="utf-8")):
                if name in found:
                    message = f"two points are named {name!r}"
                    raise ValueError(message)
                found[name] = ".".join(file.relative_to(source).with_suffix("").parts)
    return found


def clear() -> None:
    """Remove the counts of the previous run."""
    shutil.rmtree(COUNTS, ignore_errors=True)
    COUNTS.mkdir(parents=True)


def _sum_counts() -> Counter[str]:
    """Return the sums of all processes' counts."""
    total: Counter[str] = Counter()
    for file in COUNTS.glob("*.json"):
        total.update(json.loads(file.read_text(encoding="utf-8")))
    return total


def check() -> None:
    """Check that all points in the source were reached.

    Raises:
        Failure: A point wasn't reached.
    """
    counts = _sum_counts()
    never = [f"{name} ({module})" for name, module in find_points().items() if not counts[name]]
    if never:
        raise Failure("\n  ".join(["these points were never reached:", *never]))


def table(counts: Counter[str]) -> list[str]:
    """Return the rows of the table."""
    return [f"| {name} | `{module}` | {counts[name]:,} |" for name, module in find_points().items()]


def main() -> None:
    """Write the counts of the last run to the page."""
    check()
    rows = "".join(f"{row}\n" for row in table(_sum_counts()))
    _PAGE.write_text(_TABLE.sub(lambda _: rows, _PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
