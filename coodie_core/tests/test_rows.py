"""Rows."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from typing import Any
from uuid import UUID

import pytest

from coodie import Rows
from coodie.rows import new_rows

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
