"""The page of errors has the table of codes as the code has it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coodie import exceptions
from coodie.protocol.error_codes import ERRORS, ErrorCode, Write

if TYPE_CHECKING:
    from coodie.protocol.error_codes import Meaning

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.md"

_WORDS = {
    Write.NONE: "no",
    Write.ANY: "any write",
    Write.CONDITIONAL: "with `IF`",
    Write.PARTS | Write.CONDITIONAL: "with `IF`, in parts",
    Write.PARTS | Write.CONDITIONAL | Write.LOGGED: "with `IF`, in parts, batch with a log",
}


def _applied(meant: Meaning) -> str:
    said = _WORDS[meant.applied]
    if meant.unless is None:
        return said
    name, value = meant.unless
    return f"{said}; where `{name}` is {str(value).lower()}: {_WORDS[meant.otherwise]}"


def table() -> list[str]:
    """Return the table's lines."""
    lines = ["| code | name | error | fields | may have been applied |", "|---|---|---|---|---|"]
    for code, meant in sorted(ERRORS.items()):
        fields = ", ".join(f"`{name}`" for name in meant.fields)
        name = ErrorCode(code).name
        lines.append(f"| `0x{code:04X}` | {name} | `{meant.error}` | {fields} | {_applied(meant)} |")
    return lines


def test_the_page_has_the_table() -> None:
    """Each code with its error, its fields, and what may be left of a write."""
    lines = _PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("## Codes of the server")
    found = [line for line in lines[start : lines.index("## Attributes")] if line[:1] == "|"]
    assert found == table()


def test_every_error_of_the_table_is_there() -> None:
    """The table names classes, which its layer can't import."""
    assert [meant.error for meant in ERRORS.values() if not hasattr(exceptions, meant.error)] == []
