"""Blocking streams: a thread requests the next page while one is consumed."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from coodie.contract.streaming import stream_rows
from coodie.exceptions import RequestError, UnsupportedError
from coodie.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable

#: More than enough for a thread to begin.
PATIENCE = 30.0


def paged(rows: list[Any], state: bytes | None) -> Any:
    """Return a page."""
    page = Rows(rows)
    page.paging_state = state
    return page


def server(pages: int, asked: Callable[[int], None]) -> Callable[[int | None, bytes | None], Any]:
    """Return what fetches one of some pages of two rows.

    Args:
        pages: How many there are.
        asked: Called with the number of each page that is requested.
    """

    def fetch(size: int | None, state: bytes | None) -> Any:
        assert size == 2
        number = int(state or b"0")
        asked(number)
        last = number == pages - 1
        return paged([{"n": 2 * number}, {"n": 2 * number + 1}], None if last else b"%d" % (number + 1))

    return fetch


def test_the_next_page_is_requested_while_one_is_consumed() -> None:
    """By the first row of a page, and no page after that."""
    began = [threading.Event() for _ in range(4)]
    rows = stream_rows(server(4, lambda number: began[number].set()), 2)
    for number in range(8):
        assert next(rows) == {"n": number}
        page = number // 2
        if page < 3:
            assert began[page + 1].wait(PATIENCE)
        assert not any(event.is_set() for event in began[page + 2 :])
    assert list(rows) == []


def test_one_page_needs_no_thread() -> None:
    """As most results."""
    names: list[str] = []
    rows = stream_rows(server(1, lambda _: names.append(threading.current_thread().name)), 2)
    assert list(rows) == [{"n": 0}, {"n": 1}]
    assert names == [threading.current_thread().name]


def test_an_error_comes_where_its_page_would() -> None:
    """After all rows of the pages before it."""

    def asked(number: int) -> None:
        if number == 2:
            raise RequestError("the third page")

    rows = stream_rows(server(4, asked), 2)
    assert [next(rows)["n"] for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(RequestError, match="the third page"):
        next(rows)


def test_an_early_end_lets_the_thread_end() -> None:
    """The page that was requested is discarded, and no other one is requested."""
    may_end = threading.Event()
    numbers: list[int] = []

    def asked(number: int) -> None:
        numbers.append(number)
        if number:
            assert may_end.wait(PATIENCE)

    rows = stream_rows(server(4, asked), 2)
    next(rows)
    rows.close()
    thread = next(one for one in threading.enumerate() if one.name.startswith("coodie-page"))
    may_end.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert numbers == [0, 1]


def test_a_later_page_must_be_one() -> None:
    """A plain list can't tell whether it is the last."""

    def fetch(_: int | None, state: bytes | None) -> Any:
        return paged([{"n": 0}], b"1") if state is None else [{"n": 1}]

    with pytest.raises(UnsupportedError, match="plain list"):
        list(stream_rows(fetch, 2))


def test_a_fork_requests_the_page_itself() -> None:
    """It has no thread that could; the request raises whatever requests of a fork raise."""
    parent, may_end = os.getpid(), threading.Event()

    def asked(number: int) -> None:
        if os.getpid() != parent:
            raise RequestError("in a fork")
        if number:
            may_end.wait(PATIENCE)

    rows = stream_rows(server(3, asked), 2)
    next(rows)
    child = os.fork()
    if not child:
        try:
            list(rows)
        except RequestError:
            os._exit(7)
        finally:
            os._exit(1)
    may_end.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert [row["n"] for row in rows] == [1, 2, 3, 4, 5]
