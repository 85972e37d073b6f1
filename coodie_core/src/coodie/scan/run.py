"""The state of a scan, without threads and tasks: pages to request, received pages, remaining ranges.

The pages of a range are requested one by one, the next one when the delivery of the current one starts. So
each range has at most one page in flight or waiting, and a scan keeps at most ``concurrency + 1`` pages in
memory.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from coodie._bulk import in_bulk
from coodie.capabilities import Capability
from coodie.columnar import refuse_columns
from coodie.effects import Call
from coodie.exceptions import ConfigurationError, DriverClosedError
from coodie.requests import RequestOptions
from coodie.row_shapes import parse_rows
from coodie.rows import Rows
from coodie.scan.checkpoint import Begun, Checkpoint, digest_of, digest_of_values, digests_in
from coodie.scan.options import ScanOptions, ScanProgress
from coodie.scan.page import Page, PageReader
from coodie.scan.retry import START_TIMEOUT, Retries
from coodie.scan.ring import WHOLE_RING, cut, joined, width
from coodie.scan.table import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.effects import Steps
    from coodie.scan.query import ScanQuery, Selection
    from coodie.scan.ring import TokenRange
    from coodie.scan.table import ScannedTable

__all__ = ["ScanRun"]

logger = logging.getLogger("coodie.scan")

#: The minimum number of pieces of the ring per page in flight, for an even load until the end.
_PIECES = 4

#: The maximum number of pages in flight: each takes a thread in a sync scan, and memory for its rows.
_MAX_CONCURRENCY = 1000


class _Range(Begun):
    """A range that is being read; ``state`` and ``delivered`` are those of a checkpoint."""

    __slots__ = ("_earlier", "_found", "asked", "following")

    def __init__(self, begun: Begun) -> None:
        super().__init__(begun.tokens, begun.state, begun.delivered, begun.rows)
        #: The paging state of the next page to request, or of the page in flight.
        self.asked = begun.state
        #: The paging state of the page after the one that is being delivered.
        self.following: bytes | None = None
        #: The digests in ``delivered``, and those of them that the page that is being delivered has.
        self._earlier = digests_in(begun.delivered)
        self._found: set[str] = set()

    def was_delivered(self, key: Any) -> bool:
        """Return whether a row was delivered before the scan was resumed."""
        digest = digest_of(key)
        if digest not in self._earlier:
            return False
        self._found.add(digest)
        return True

    def end_page(self, count: int) -> None:
        """Update the position after a page's rows were delivered."""
        self.rows += count
        self.state = self.following
        if self._found:
            self._earlier -= self._found
            self._found.clear()
            self.delivered = "".join(self._earlier)


def _named(part: TokenRange) -> str:
    """Return the name of a part of a table in its checkpoints; "" for the whole table."""
    return "" if part == WHOLE_RING else f"{part.first}:{part.last}"


class ScanRun:
    """One scan.

    Args:
        driver: The driver.
        selection: The table, columns and condition.
        concurrency: The maximum number of pages in flight.
        options: Further options; None for the defaults.
        checkpoint: An earlier scan's checkpoint; None for a new scan.
        rows: The shape of the rows; None for the driver's default.
    """

    def __init__(
        self,
        driver: Any,
        selection: Selection,
        concurrency: int,
        options: ScanOptions | None,
        checkpoint: Any = None,
        rows: Any = None,
    ) -> None:
        if concurrency.__class__ is not int or not 1 <= concurrency <= _MAX_CONCURRENCY:
            message = f"concurrency={concurrency!r} isn't an integer from 1 to {_MAX_CONCURRENCY:,}."
            hint = "Give a few per node; for more, read splits in several processes."
            raise ConfigurationError(message, hint=hint, option="concurrency")
        options = ScanOptions() if options is None else options
        if not isinstance(options, ScanOptions):
            message = f"options: expected ScanOptions, got {type(options).__name__}."
            raise ConfigurationError(message, hint="See coodie.scan.ScanOptions.", option="options")
        #: The part of the table to read.
        self.part = WHOLE_RING
        self._driver = driver
        self._selection = selection
        self.concurrency = concurrency
        self._options = options
        self._given = checkpoint if checkpoint is None else Checkpoint.from_json(checkpoint)
        self._default_rows = getattr(driver, "_default_rows", None)
        self._shape = parse_rows(self._default_rows if rows is None else rows)
        refuse_columns(self._shape, "scan()", "Request rows=dict or rows=tuple, and convert these.")
        self._query: ScanQuery
        self._reader: PageReader
        #: The statement and a digest of its values; "" before ``prepare``.
        self._statement = ""
        #: The process that called ``prepare``.
        self._process = 0
        #: Ranges that weren't started; started ones whose next page can be requested; all started ones.
        self._left: deque[TokenRange] = deque()
        self._due: deque[_Range] = deque()
        self._begun: list[_Range] = []
        self._in_flight = 0
        #: The page that is being delivered, and its range.
        self._page: Page | None = None
        self._current: _Range | None = None
        #: The number of rows of the delivered pages; of these, in ranges that were read completely.
        self._rows = self._rows_of_ranges = 0
        self._ranges = 0
        self._tokens = 0
        self._total = WHOLE_RING.width
        #: Whether requests are routed to replicas; None before ``prepare``.
        self.is_routed: bool | None = None
        self._ended = threading.Event()
        self._retries = Retries(options.retries, self._ended)
        #: The checkpoint without the range that is being delivered; None if it has to be created.
        self._rest: dict[str, Any] | None = None

    # --- before the first page ----------------------------------------------------------

    def prepare(self) -> Steps[None]:
        """Read the table's schema and the ring, and divide the ring.

        Raises:
            CoodieError: The table doesn't exist, or the checkpoint belongs to another scan.
        """
        what = "Reading the table's schema and the ring"
        table = yield from self._retries.run(self._table_read, what, START_TIMEOUT)
        self._query = query = table.query
        self._reader = PageReader(self._shape, query.key, query.hidden)
        values = digest_of_values(self._selection.params)
        statement = " ".join(filter(None, [query.cql, values, _named(self.part)]))
        given = self._given or Checkpoint(statement, 0, 0, [self.part], [])
        if given.statement != statement:
            message = "checkpoint= belongs to another scan: the table, columns, condition or split differ."
            raise ConfigurationError(
                message, hint="Resume a scan with the same arguments.", option="checkpoint"
            )
        self._rows, self._tokens = given.rows, given.tokens
        self._left.extend(cut(given.left, table.ends, least=_PIECES * self.concurrency, size=table.size))
        self._begun = [_Range(begun) for begun in given.begun]
        self._rows_of_ranges = given.rows - sum(begun.rows for begun in given.begun)
        self._due.extend(self._begun)
        self._total = given.tokens + width(given.left) + width(each.tokens for each in self._begun)
        self._statement = statement
        self._process = os.getpid()
        # Not before: a lazy driver has its backend's capabilities after it has connected.
        self.is_routed = Capability.ROUTING in self._driver.capabilities
        if not self.is_routed:
            name = type(self._driver).__name__
            logger.info("%s doesn't support %s: its client selects the nodes.", name, Capability.ROUTING)

    # --- pages --------------------------------------------------------------------------

    def start_next(self) -> _Range | None:
        """Return a range whose next page can be requested with ``page``; None if there is none."""
        if self._in_flight >= self.concurrency or self.is_ended:
            return None
        if self._due:
            due = self._due.popleft()
        elif self._left:
            due = _Range(Begun(self._left.popleft()))
            self._begun.append(due)
        else:
            return None
        self._in_flight += 1
        self._rest = None
        return due

    @property
    def is_waiting(self) -> bool:
        """Whether any page is in flight, and the scan wasn't closed."""
        return self._in_flight > 0 and not self.is_ended

    def page(self, due: _Range) -> Steps[list[Any]]:
        """Request a page, with retries after transient errors; doesn't change the state."""
        call = self._call(due)

        def sent() -> Steps[list[Any]]:
            in_bulk.set(True)  # in the context of the page's thread or task
            rows: list[Any] = yield call
            return rows

        first, last = due.tokens
        return self._retries.run(sent, f"Reading a page of the token range {first} to {last}")

    def _table_read(self) -> Steps[ScannedTable]:
        return read_table(self._driver, self._selection)

    def _call(self, due: _Range) -> Call:
        """Return the request for a range's next page, without options that the driver doesn't support."""
        options, able = self._options, self._driver.capabilities
        terms: dict[str, Any] = {"consistency": options.consistency, "timeout": options.timeout}
        if Capability.PAGING in able:
            terms |= {"fetch_size": options.fetch_size, "paging_state": due.asked}
        terms = {name: value for name, value in terms.items() if value is not None}
        if self._shape is not None or self._default_rows is not None:
            terms["rows"] = self._reader.shape
        if self.is_routed:
            terms["options"] = RequestOptions(idempotent=True, routing_token=due.tokens.first)
        return Call(self._driver, "execute", self._query.cql, self._query.params(due.tokens), **terms)

    def arrived(self, due: _Range, rows: list[Any]) -> Iterator[Any]:
        """Accept a page; return the iterator over the rows to deliver. Call ``delivered`` at its end."""
        self._in_flight -= 1
        due.following = due.asked = rows.paging_state if isinstance(rows, Rows) else None
        if due.asked is not None:
            # Before ranges that weren't started: each started range makes a checkpoint larger.
            self._due.append(due)
        page = self._reader.page(rows, due.was_delivered if due.delivered else None)
        self._current, self._page, self._rest = due, page, None
        return page.rows

    def delivered(self) -> None:
        """Update the state after the rows of a page were delivered, and call ``on_progress``.

        Raises:
            DriverClosedError: This process is a fork, in which pages in flight never arrive.
        """
        due, count = self._current, self._position
        if due is None or self.is_ended:
            return
        if os.getpid() != self._process:
            message = f"The scan was started in process {self._process}; this is a fork of it, {os.getpid()}."
            hint = "Start it after the fork, with a driver of its own, and checkpoint= for the rest."
            raise DriverClosedError(message, hint=hint)
        self._rows += count
        self._current = self._page = self._rest = None
        due.end_page(count)
        if due.state is None:
            self._begun.remove(due)
            self._ranges += 1
            self._tokens += due.tokens.width
            self._rows_of_ranges += due.rows
        if self._options.on_progress is not None:
            self._options.on_progress(self.progress())

    @property
    def _position(self) -> int:
        """The number of delivered rows of the current page."""
        return 0 if self._page is None else self._page.position

    @property
    def is_ended(self) -> bool:
        """Whether the scan was closed, or has failed."""
        return self._ended.is_set()

    def end(self) -> None:
        """Stop: deliver no more rows of the current page, end the delays before retries, and don't retry."""
        self._ended.set()
        if self._page is not None:
            self._page.stop()

    # --- progress and checkpoint --------------------------------------------------------

    def progress(self) -> ScanProgress:
        """Return the progress."""
        rows = self._rows + self._position
        left = None
        if self._tokens:
            left = max(0, round(self._rows_of_ranges * self._total / self._tokens) - rows)
        return ScanProgress(
            self._ranges, len(self._left) + len(self._begun), rows, self._tokens / self._total, left
        )

    def checkpoint(self) -> dict[str, Any]:
        """Return the unread part, after the last delivered row, as a JSON value."""
        if not self._statement and self._given is not None:  # the scan hasn't started, or couldn't
            return self._given.as_json()
        if not self._statement:
            message = "A scan has no checkpoint before its first row is requested."
            raise ConfigurationError(message, hint="Call checkpoint() after a row.", option="checkpoint")
        rest = self._rest_of_checkpoint()
        begun = [*map(dict, rest["begun"])]
        rows = self._rows
        if self._current is not None and self._page is not None:
            each, position = self._current, self._position
            delivered = each.delivered + self._page.delivered()
            begun.append(Begun(each.tokens, each.state, delivered, each.rows + position).as_json())
            rows += position
        return {**rest, "rows": rows, "left": [*rest["left"]], "begun": begun}

    def _rest_of_checkpoint(self) -> dict[str, Any]:
        """Return the checkpoint without the range that is being delivered, created once per page."""
        if self._rest is None:
            left, begun = [*self._left], []
            for each in self._begun:
                if each is self._current:
                    continue
                if each.state is None and not each.delivered:
                    left.append(each.tokens)
                else:
                    begun.append(each)
            self._rest = Checkpoint(self._statement, 0, self._tokens, joined(left), begun).as_json()
        return self._rest
