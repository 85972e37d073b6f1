"""What pyright is told to pass over."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: A comment for pyright: to a line with the rule, to a line without one, or to a file.
COMMENT = re.compile(r"#\s*pyright:\s*(.*?)\s*(?:#.*)?$", re.MULTILINE)

#: All that there are. The list may shrink; what would make it longer is corrected instead.
ALLOWED = {
    # The benchmarks' other contestants: each is installed in an environment of its own.
    "benchmarks/contestants/acsylla_client.py": ["ignore[reportMissingImports]"],
    "benchmarks/contestants/cassandra_asyncio_client.py": ["ignore[reportMissingImports]"],
    "benchmarks/contestants/rsylla_client.py": ["ignore[reportMissingImports]"],
    "benchmarks/contestants/scylladb_rs_client.py": ["ignore[reportMissingImports]"],
    "benchmarks/contestants/scyllapy_client.py": ["ignore[reportMissingImports]"],
    # A property that can be set stands in for an attribute.
    "coodie_core/src/coodie/registry/lazy.py": ["ignore[reportIncompatibleVariableOverride]"],
    # Defects break the contract's signatures on purpose.
    "tests/kit/defects/requests.py": ["reportIncompatibleMethodOverride=false"],
}


def test_no_more_is_passed_over(root: Path, tracked: list[Path]) -> None:
    """Each exception is in the list, and the list has no other."""
    found = {}
    for file in tracked:
        if file.suffix in {".py", ".pyi"} and file.name != "test_type_checkers.py":
            comments = COMMENT.findall(file.read_text(encoding="utf-8"))
            if comments:
                found[file.relative_to(root).as_posix()] = comments
    assert found == ALLOWED
