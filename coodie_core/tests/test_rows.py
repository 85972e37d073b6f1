"""Rows."""

from __future__ import annotations

import copy
import json
import pickle
import re
import sys
from typing import Any
from uuid import UUID

import pytest

from coodie import Rows
from coodie.exceptions import PagingStateError, RowCountError
from coodie.paging import open_paging_state, seal_paging_state
from coodie.rows import Column, new_rows

TRACE = UUID(int=7)


def test_is_a_list_of_dicts() -> None:
    """Rows are a list: equal to one, indexable, changeable, and JSON knows them."""
    rows = Rows([{"a": 1}, {"a": 2}])
    assert isinstance(rows, list)
    assert rows == [{"a": 1}, {"a": 2}]
    rows[0]["a"] = 3
    rows.append({"a": 4})
    assert json.loads(json.dumps(rows)) == [{"a": 3}, {"a": 2}, {"a": 4}]


def test_defaults() -> None:
    """Rows made of rows alone know of no further page, warning, trace or transaction."""
    rows = Rows([{"a": 1}])
    assert (rows.paging_state, rows.has_more_pages, rows.warnings, rows.trace_id, rows.applied) == (
        None,
        False,
        (),
        None,
        None,
    )


@pytest.mark.parametrize(("state", "more"), [(None, False), (b"x", True)])
def test_has_more_pages(state: bytes | None, more: bool) -> None:
    """There are more pages exactly where there is a paging state."""
    assert Rows(paging_state=state).has_more_pages is more


@pytest.mark.parametrize(
    ("rows", "applied"),
    [([], None), ([{"a": 1}], None), ([{"[applied]": True}], True), ([{"[applied]": False, "a": 1}], False)],
)
def test_applied(rows: list[dict[str, object]], applied: bool | None) -> None:
    """``applied`` is the first row's ``[applied]``, and None for what isn't a lightweight transaction."""
    assert Rows(rows).applied is applied


@pytest.mark.parametrize(
    "way",
    [lambda rows: pickle.loads(pickle.dumps(rows)), copy.copy, copy.deepcopy],  # noqa: S301 - our own bytes
    ids=["pickle", "copy", "deepcopy"],
)
def test_copies_are_whole(way: Any) -> None:
    """What goes through a pickle or a copy keeps the rows and what the server said beside them."""
    again = way(Rows([{"a": 1}], paging_state=b"s", warnings=["w"], trace_id=TRACE))
    assert type(again) is Rows
    assert (list(again), again.paging_state, again.warnings, again.trace_id) == (
        [{"a": 1}],
        b"s",
        ("w",),
        TRACE,
    )


def test_rows_alone_cost_a_list() -> None:
    """What a result hasn't takes no room: a few pointers are there for what it may get."""
    rows = new_rows()
    assert type(rows) is Rows
    assert (rows, rows.paging_state, rows.warnings, rows.trace_id) == ([], None, (), None)
    assert sys.getsizeof(rows) <= sys.getsizeof([]) + 4 * tuple.__itemsize__


def test_rows_that_were_made_otherwise_are_their_own() -> None:
    """What one result is given, no other has."""
    given, other = new_rows(), new_rows()
    given.warnings, given.paging_state = ("one",), b"state"
    given.append({})
    assert (other, other.warnings, other.paging_state) == ([], (), None)


def test_the_number_of_rows() -> None:
    """one() and one_or_none() check the number of rows; first() and scalar() accept any."""
    none: Rows = Rows()
    one: Rows = Rows([{"a": 1, "b": 2}])
    two: Rows = Rows([{"a": 1}, {"a": 3}])
    assert (none.first(), one.first(), two.first()) == (None, {"a": 1, "b": 2}, {"a": 1})
    assert (none.scalar(), one.scalar(), two.scalar()) == (None, 1, 1)
    assert (none.scalars(), one.scalars(), two.scalars()) == ([], [1], [1, 3])
    assert one.one() == one.one_or_none() == {"a": 1, "b": 2}
    assert none.one_or_none() is None
    for rows, wanted, text in (
        (none, Rows.one, "The result has 0 rows; expected exactly one row."),
        (
            two,
            Rows.one,
            "The result has 2 rows; expected exactly one row. Use first() if any row is fine.",
        ),
        (
            two,
            Rows.one_or_none,
            "The result has 2 rows; expected at most one row. Use first() if any row is fine.",
        ),
    ):
        with pytest.raises(RowCountError) as caught:
            wanted(rows)
        assert str(caught.value) == text
        assert caught.value.count == len(rows)
        assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize("rows", [[], [{"a": 1}]])
def test_more_pages_may_have_more_rows(rows: list[dict[str, Any]]) -> None:
    """A page that isn't the last one says nothing of how many rows there are."""
    page = Rows(rows, paging_state=b"more")
    for wanted in (page.one, page.one_or_none):
        with pytest.raises(RowCountError, match="and more pages"):
            wanted()


def test_columns() -> None:
    """Nobody knows them unless they are set; copies and pickles keep them."""
    rows = Rows([{"a": 1}])
    assert rows.columns is None
    assert new_rows().columns is None
    rows.columns = (Column("a", "int"),)
    for other in (copy.copy(rows), copy.deepcopy(rows), pickle.loads(pickle.dumps(rows))):  # noqa: S301 - its own
        assert other == rows
        assert other.columns == (("a", "int"),)
    with pytest.raises(AttributeError, match="'Rows' object has no attribute 'colums'"):
        _ = rows.colums  # type: ignore[attr-defined]


def test_a_cursor() -> None:
    """It is the paging state as text that needs no quoting in a URL, and comes back as the same state."""
    assert Rows().cursor is None
    for length in range(1, 9):
        state = bytes(range(250, 250 + length)) if length < 6 else b"\xfb\xff" * length
        page = Rows(paging_state=seal_paging_state(state, "SELECT"))
        assert page.cursor is not None
        assert re.fullmatch(r"[\w-]+", page.cursor)
        assert open_paging_state(page.cursor, "SELECT") == state
        for wrong in (page.cursor[:-2], page.cursor + "ab", "", "é", "a", page.cursor.swapcase()):
            with pytest.raises(PagingStateError):
                open_paging_state(wrong, "SELECT")
