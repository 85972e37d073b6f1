"""Tables on a terminal: no line is wider, and no more is cut than must be."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from coodie.cli._printing import FORMATS, _Table, escaped

if TYPE_CHECKING:
    import pytest

_CELLS = st.text(max_size=30).map(escaped)


@given(st.lists(st.lists(_CELLS, min_size=3, max_size=3), min_size=1, max_size=5), st.integers(1, 120))
def test_no_line_is_wider(rows: list[list[str]], room: int) -> None:
    """For any values and any terminal, each line fits; if nothing was cut, each value is there."""
    widths = [max(cell_len(row[number]) for row in rows) for number in range(3)]
    table = _Table(widths, room)
    lines = [table.line(row) for row in rows]
    assert all(cell_len(line) <= room for line in [*lines, table.rule()])
    if sum(widths) + 6 <= room:
        assert not table.is_cut
    if not table.is_cut:
        assert all(cell in line for row, line in zip(rows, lines, strict=True) for cell in (row[0], row[1]))


def test_the_widest_columns_are_cut_first() -> None:
    """A short column stays whole beside a long one."""
    table = _Table([5, 100, 40], 60)
    assert table.line(["12345", "x" * 100, "y" * 40]) == f"12345 | {'x' * 23}… | {'y' * 23}…"


def test_without_a_terminal_nothing_is_cut() -> None:
    """In a pipe, long values are whole, and have no influence on the other columns' places."""
    table = _Table([100, 1], None)
    assert table.line(["x" * 100, "y"]) == f"{'x' * 100} | y"
    assert table.line(["x", "y"]) == f"{'x':<60} | y"


def test_wide_characters_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Characters that take two columns of the terminal count twice."""
    FORMATS["table"]([{"a": "中文", "b": 1}, {"a": "abc", "b": 2}])
    assert capsys.readouterr().out.splitlines()[2:4] == ["中文 | 1", "abc  | 2"]


def test_nothing_in_json_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters and marks of direction are escaped; the value is the same."""
    row: dict[str, Any] = {"a": "\x7f\x9b31m\u202e\u2028\U000e0001 é中😀"}
    FORMATS["json"]([row])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.isprintable()
    assert json.loads(line) == row
    assert "é中😀" in line


def test_a_hint_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was cut is said once, on standard error."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    FORMATS["table"]([{"a": "x" * 50}])
    captured = capsys.readouterr()
    assert captured.out.splitlines()[2] == "x" * 19 + "…"
    assert captured.err.count("--json") == 1
