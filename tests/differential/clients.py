"""Ways to send a request: the fast path or the driver's, with the accelerator or not; the raw driver."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

from tests.differential.cqlvalues import canonical

from coodie.exceptions import InvalidQueryError
from coodie.protocol._accelerator import accelerator
from coodie.scan import ScanOptions
from coodie.types import UNSET

if TYPE_CHECKING:
    import asyncio
    import random
    from collections.abc import Iterator, Mapping, Sequence

    from tests.differential.cqlvalues import ValueType
    from tests.differential.tables import Request

__all__ = ["Client", "Page", "RawClient", "has_accelerator"]

#: What a write returns that the server refuses.
_REFUSED = "refused"

#: The rows of a page, each with its columns in order.
Page = list[tuple[tuple[str, Any], ...]]


def has_accelerator() -> bool:
    """Tell whether the accelerator can be used here."""
    return accelerator() is not None


@contextmanager
def _without_accelerator() -> Iterator[None]:
    """Let nothing that is made in the block use the accelerator."""
    rooms = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("coodie.") and getattr(module, "accelerator", None) is accelerator
    ]
    for room in rooms:
        room.accelerator = lambda: None  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for room in rooms:
            room.accelerator = accelerator  # type: ignore[attr-defined]


class Client:
    """A driver of coodie's.

    Args:
        driver: The driver.
        loop: For its async methods.
        accelerated: Whether the accelerator is used, where it is there.
    """

    def __init__(self, driver: Any, loop: asyncio.AbstractEventLoop, *, accelerated: bool) -> None:
        self.driver = driver
        self._loop = loop
        self._accelerated = accelerated

    def _call(self, method: str, *args: Any, is_async: bool, **kwargs: Any) -> Any:
        with nullcontext() if self._accelerated else _without_accelerator():
            if is_async:
                return self._loop.run_until_complete(getattr(self.driver, f"{method}_async")(*args, **kwargs))
            return getattr(self.driver, method)(*args, **kwargs)

    def write(self, request: Request, table: str, *, is_async: bool) -> Any:
        """Write; return the rows that come back, in canonical form, or that it was refused."""
        text = request.text.replace("{table}", table)
        params = [value for _, value in request.params]
        others = [[value for _, value in each] for each in request.batch]
        try:
            if request.kind == "execute":
                return canonical(list(self._call("execute", text, params, is_async=is_async)))
            if request.kind == "many":
                return self._call("execute_many", text, [params, *others], is_async=is_async).succeeded
            items = [(text, each) for each in [params, *others]]
            return canonical(list(self._call("execute_batch", items, request.kind, is_async=is_async)))
        except InvalidQueryError:
            return _REFUSED

    def pages(self, request: Request, table: str, fetch_size: int, *, is_async: bool) -> list[Page]:
        """Read page by page."""
        text, state, found = request.text.replace("{table}", table), None, []
        params = [value for _, value in request.params]
        while True:
            rows = self._call(
                "execute", text, params, fetch_size=fetch_size, paging_state=state, is_async=is_async
            )
            found.append(_page(rows))
            state = rows.paging_state
            if state is None:
                return found

    def all_rows(self, request: Request, table: str, *, is_async: bool) -> Page:
        """Read all at once."""
        params = [value for _, value in request.params]
        return _page(self._call("execute", request.text.replace("{table}", table), params, is_async=is_async))

    def stream(self, request: Request, table: str, fetch_size: int, *, is_async: bool) -> Page:
        """Read row by row."""
        text, params = request.text.replace("{table}", table), [value for _, value in request.params]

        async def collect() -> list[Any]:
            return [row async for row in self.driver.stream_async(text, params, fetch_size=fetch_size)]

        with nullcontext() if self._accelerated else _without_accelerator():
            if is_async:
                return _page(self._loop.run_until_complete(collect()))
            return _page(self.driver.stream(text, params, fetch_size=fetch_size))

    def scan(self, table: str, names: Sequence[str], rng: random.Random, *, is_async: bool) -> Page:
        """Scan the table; stop after a random row and resume, in another shape and with another page size."""
        found: list[dict[str, Any]] = []
        terms: dict[str, Any] = {"columns": rng.choice([None, names])}
        while True:
            most, shape = rng.choice([1, 3, 10, None]), rng.choice([dict, tuple])
            terms["options"] = ScanOptions(fetch_size=rng.choice([1, 2, 5, 100]))
            terms |= {"rows": shape, "concurrency": rng.choice([1, 2, 8])}
            rows, terms["checkpoint"] = self._part(table, most, terms, is_async=is_async)
            found += [row if shape is dict else dict(zip(names, row, strict=True)) for row in rows]
            if most is None or len(rows) < most:
                return _page(found)

    def _part(
        self, table: str, most: int | None, terms: dict[str, Any], *, is_async: bool
    ) -> tuple[list[Any], Any]:
        """Read some rows of a scan; return them with the checkpoint."""

        async def collect() -> tuple[list[Any], Any]:
            async with self.driver.scan_async(table, **terms) as scan:
                rows: list[Any] = []
                while len(rows) != most and (row := await anext(scan, None)) is not None:
                    rows.append(row)
                return rows, scan.checkpoint()

        with nullcontext() if self._accelerated else _without_accelerator():
            if is_async:
                return self._loop.run_until_complete(collect())
            with self.driver.scan(table, **terms) as scan:
                rows = list(islice(scan, most))
                return rows, scan.checkpoint()


def _page(rows: Any) -> Page:
    return [tuple((name, _rounded(name, canonical(value))) for name, value in row.items()) for row in rows]


def _rounded(name: str, value: Any) -> Any:
    """Make of the seconds that a value has left what doesn't change within an hour."""
    return (value[0], round(int(value[1]), -4)) if name == "ttl" and value is not None else value


class RawClient:
    """The database driver itself.

    Args:
        session: With rows as dicts.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._prepared: dict[str, Any] = {}

    def _bound(self, text: str, params: Any) -> Any:
        from cassandra.query import UNSET_VALUE

        if text not in self._prepared:
            self._prepared[text] = self._session.prepare(text)
        values = [UNSET_VALUE if value is UNSET else kind.to_raw(value) for kind, value in params]
        return self._prepared[text].bind(values)

    def write(self, request: Request, table: str, types: Mapping[str, ValueType]) -> Any:
        """Write; return the rows that come back, in canonical form, or that it was refused."""
        from cassandra import InvalidRequest
        from cassandra.query import BatchStatement, BatchType

        text = request.text.replace("{table}", table)
        bound = [self._bound(text, params) for params in (request.params, *request.batch)]
        try:
            if request.kind == "execute":
                rows = list(self._session.execute(bound[0]))
                return ("list", *(("dict", *self._row(row, types, quoted=True)) for row in rows))
            if request.kind == "many":
                for each in bound:
                    self._session.execute(each)
                return len(bound)
            batch = BatchStatement(getattr(BatchType, request.kind))
            for each in bound:
                batch.add(each)
            return canonical(list(self._session.execute(batch)))
        except InvalidRequest:
            return _REFUSED

    def pages(
        self, request: Request, table: str, fetch_size: int, types: Mapping[str, ValueType]
    ) -> list[Page]:
        """Read page by page."""
        statement = self._bound(request.text.replace("{table}", table), request.params)
        statement.fetch_size = fetch_size
        found, state = [], None
        while True:
            result = self._session.execute(statement, paging_state=state)
            found.append([tuple(self._row(row, types)) for row in result.current_rows])
            state = result.paging_state
            if state is None:
                return found

    @staticmethod
    def _row(
        row: dict[str, Any], types: Mapping[str, ValueType], *, quoted: bool = False
    ) -> Iterator[tuple[Any, Any]]:
        for name, value in row.items():
            kind = types.get(name)
            found = canonical(value) if kind is None else _rounded(name, kind.from_raw(value))
            yield (canonical(name) if quoted else name), found
