"""Pages of a scan: rows in the requested shape, with the keys of the delivered ones, for checkpoints.

The position in a page isn't counted: it is that of the list's iterator, which the caller consumes directly.
"""

from __future__ import annotations

import threading
from operator import itemgetter, length_hint
from typing import TYPE_CHECKING, Any

from coodie.row_shapes import RowShape
from coodie.scan.checkpoint import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

__all__ = ["KeyedShape", "Page", "PageReader"]


class KeyedShape(RowShape):
    """Tuples of a row in another shape, and the values of its key.

    Args:
        shape: The row's shape.
        key: The names of the key's columns.
        hidden: Columns that aren't part of the row.
    """

    def __init__(self, shape: RowShape, key: Sequence[str], hidden: AbstractSet[str]) -> None:
        super().__init__(shape.given)
        self._key = key
        self._hidden = hidden

    @property
    def is_tuple(self) -> bool:
        """False: a row has the key beside it."""
        return False

    def slots(self, names: Sequence[str]) -> None:  # noqa: ARG002 - as in the base class
        """Return None: filling the slots of an object would leave out the key."""
        return

    def check(self, names: Sequence[str]) -> None:
        """Check the row's columns against the factory's parameters."""
        super().check([name for name in names if name not in self._hidden])

    def code(
        self, names: Sequence[str], items: Sequence[str], scope: dict[str, Any]
    ) -> tuple[list[str], str]:
        """Return the code for one row, as ``RowShape.code`` does."""
        by_name = dict(zip(names, items, strict=True))
        before = []
        for number, name in enumerate(self._key):
            if not by_name[name].isidentifier():  # a conversion, which is only made once
                before.append(f"key{number} = {by_name[name]}")
                by_name[name] = f"key{number}"
        shown = [name for name in names if name not in self._hidden]
        steps, row = super().code(shown, [by_name[name] for name in shown], scope)
        return [*before, *steps], f"({row}, {', '.join([by_name[name] for name in self._key])})"


class PageReader:
    """Create a scan's pages.

    Args:
        shape: The rows' shape; None for dicts.
        key: The names of the key's columns.
        hidden: Key columns that the caller didn't select.
    """

    def __init__(self, shape: RowShape | None, key: Sequence[str], hidden: Sequence[str]) -> None:
        self._hidden = hidden
        self._is_keyed = shape is not None
        self._key_of: Callable[[Any], Any] = itemgetter(*key)
        #: The shape to request.
        self.shape: Any = dict
        if shape is not None:
            self.shape = KeyedShape(shape, key, frozenset(hidden))
            self._key_of = itemgetter(1 if len(key) == 1 else slice(1, None))

    def page(self, rows: list[Any], is_delivered: Callable[[Any], bool] | None) -> Page:
        """Return a page of the requested rows.

        Args:
            rows: The rows as the driver returned them.
            is_delivered: Returns by a key whether the row was delivered before the scan was resumed.
        """
        key_of = self._key_of
        if is_delivered is not None:
            rows = [row for row in rows if not is_delivered(key_of(row))]
        if self._is_keyed:
            return Page(rows, None, key_of)
        # The caller may change the dicts.
        keys = list(map(key_of, rows))
        for name in self._hidden:
            for row in rows:
                del row[name]
        return Page(rows, keys, key_of)


class Page:
    """A page that is being delivered.

    Args:
        items: The rows; with keys if there are no separate ones.
        keys: The keys of all rows, or None.
        key_of: Returns an item's key.

    Attributes:
        rows: The iterator over the rows, which the caller consumes.
    """

    __slots__ = (
        "_cursor",
        "_digested",
        "_digests",
        "_items",
        "_key_of",
        "_keys",
        "_lock",
        "_undelivered",
        "rows",
    )

    def __init__(self, items: list[Any], keys: list[Any] | None, key_of: Callable[[Any], Any]) -> None:
        self._items = items
        self._keys = keys
        self._key_of = key_of
        #: Digests of the keys of the first rows, as one text, and the number of these rows.
        self._digests, self._digested = "", 0
        self._cursor = iter(items)
        self._undelivered = 0
        self._lock = threading.RLock()  # a signal handler may close the scan
        self.rows: Iterator[Any] = map(itemgetter(0), self._cursor) if keys is None else self._cursor

    @property
    def position(self) -> int:
        """The number of delivered rows."""
        with self._lock:
            return len(self._items) - length_hint(self._cursor) - self._undelivered

    def delivered(self) -> str:
        """Return digests of the keys of the delivered rows, as one text; each is computed once."""
        first, position = self._digested, self.position
        if position > first:
            new = slice(first, position)
            keys = map(self._key_of, self._items[new]) if self._keys is None else self._keys[new]
            self._digests += "".join(map(digest_of, keys))
            self._digested = position
        return self._digests

    def stop(self) -> None:
        """Deliver no more rows. Another thread may be consuming them: each row is either delivered or not."""
        with self._lock:
            self._undelivered += len(list(self._cursor))
