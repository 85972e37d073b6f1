"""Fill the columns of a page in Python: generated code cuts the rows, and slices with steps make the columns.

For each row, the generated code makes a slice for each run of columns of fixed size, and one for each text.
All runs of a page, joined, have each column's bytes at equal distances. So there is no Python object for a
number, and fewer steps for a row than it has columns.
"""

from __future__ import annotations

import sys
from array import array
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from coodie.protocol.codec import FIXED_SIZE, INT, VARIABLE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    #: A column, as ``coodie.columnar.FilledColumn``.
    Filled = tuple[int, int, tuple[Any, ...], tuple[Any, ...]]

    #: Takes a result's body, the position of the first row and the number of rows; returns the columns.
    #: Raises anything for unusual data: a value of another size, invalid UTF-8, an invalid body.
    ColumnReader = Callable[[bytes, int, int], list[Filled]]

__all__ = ["generated_columns"]

#: Cached readers.
_CACHE_SIZE = 256

#: Types of fixed size: the type code of ``array``, if the order of the bytes is the machine's; and the size.
_SIZES = FIXED_SIZE | {"date": ("i", 4), "time": ("q", 8)}

_DAY_NANOSECONDS = 86_400 * 10**9
_NULL = -1

#: A date's days are counted from -2^31: the highest bit is the other one.
_OTHER_HIGHEST_BIT = bytes([byte ^ 0x80 for byte in range(256)])
_AS_DIGIT = b"0" + b"1" * 255

_CHUNKS = """\
        end = at + {size}
        add{index}(body[at:end])
        at = end
"""
_CELL = """\
        (size,) = length(body, at - 4)
        if size >= 0:
            end = at + size
            add{index}(body[at:end])
            at = end
        elif size == -1:
            add{index}(None)
        else:
            raise ValueError(size)
"""


@lru_cache(_CACHE_SIZE)
def generated_columns(forms: tuple[Any, ...]) -> ColumnReader | None:
    """Return a reader that fills columns; None if it doesn't support one of them.

    Args:
        forms: How each column is filled, as for the accelerator.
    """
    if not forms or not all(map(_is_known, forms)):
        return None
    kinds = [_Kind(form) if form.__class__ is str else _Kind(*form) for form in forms]
    runs = _runs(kinds)
    split = _generate(runs)

    def read(body: bytes, at: int, count: int) -> list[Filled]:
        try:
            parts = split(body, at, count)
            return [
                column for run, part in zip(runs, parts, strict=True) for column in run.columns(part, count)
            ]
        except Exception:  # noqa: BLE001 - where a number is null, what is behind it is cut at wrong places
            cells = _cells(body, at, count, len(kinds))
        return [kind.fill(column) for kind, column in zip(kinds, cells, strict=True)]

    return read


def _is_known(form: Any) -> bool:
    if form.__class__ is tuple:
        return form[0] == "vector" and form[1] in _SIZES
    return form in _SIZES or form in VARIABLE_SIZE


class _Kind:
    """How a column is filled.

    Args:
        name: The name of its type.
        element: The type of a vector's elements.
        count: The number of a vector's elements.
    """

    def __init__(self, name: str, element: str = "", count: int = 0) -> None:
        self.name = name
        self.is_vector = name == "vector"
        self.is_text = name in VARIABLE_SIZE
        self.code, size = _SIZES.get(element or name, ("", 0))
        self.count = count
        #: The bytes of a value; 0 for texts.
        self.size = size * (count if self.is_vector else 1)

    def fill(self, cells: Sequence[bytes | None]) -> Filled:
        """Return the column of values, None for nulls.

        Raises:
            ValueError: A value has another size, or isn't one of its type.
        """
        nulls = cells.count(None)
        valid = _bits(bytes([cell is not None for cell in cells])) if nulls else None
        if self.is_text:
            texts: Any = [cell or b"" for cell in cells] if nulls else cells
            return len(cells), nulls, (valid, *self._texts(texts)), ()
        empty = bytes(self.size)
        values: Any = [empty if cell is None else cell for cell in cells] if nulls else cells
        if values and set(map(len, values)) != {self.size}:
            raise ValueError(self.size)
        return self.column(b"".join(values), len(cells), nulls, valid)

    def column(
        self, data: bytes | bytearray, length: int, nulls: int = 0, valid: bytes | None = None
    ) -> Filled:
        """Return the column of values of fixed size.

        Args:
            data: All values.
            length: The number of values.
            nulls: The number of nulls.
            valid: The bitmap.

        Raises:
            ValueError: A value isn't one of its type.
        """
        values: Any = data
        if self.name == "boolean":
            values = _bits(data)
        elif self.code in "hiqfd":
            values = array(self.code, data)
            if sys.byteorder == "little":
                values.byteswap()
            if self.name == "time" and values and not 0 <= min(values) <= max(values) < _DAY_NANOSECONDS:
                raise ValueError("time")
            if self.name == "date":
                values = _dates(values.tobytes())
        if self.is_vector:
            return length, nulls, (valid,), ((length * self.count, 0, (None, values), ()),)
        return length, nulls, (valid, values), ()

    def _texts(self, cells: Sequence[bytes]) -> tuple[array[int], bytes]:
        data = b"".join(cells)
        if self.name != "blob" and not data.isascii():
            encoding = "ascii" if self.name == "ascii" else "utf-8"
            for cell in cells:
                cell.decode(encoding)
        return array("i", accumulate(map(len, cells), initial=0)), data


class _Run:
    """Adjacent columns of fixed size, and the length of a text or vector behind them; or that text or vector.

    Args:
        kinds: The columns.
        is_cell: Whether it is a text or a vector.
    """

    def __init__(self, kinds: list[_Kind], *, is_cell: bool) -> None:
        self.kinds = kinds
        self.is_cell = is_cell
        self.size = sum([INT.size + kind.size for kind in kinds])

    def columns(self, parts: list[bytes], count: int) -> list[Filled]:
        """Return the columns.

        Args:
            parts: The bytes for each row.
            count: The number of rows.

        Raises:
            ValueError: A value is null, has another size, or isn't one of its type.
        """
        if self.is_cell:
            return [self.kinds[0].fill(parts)]
        data = b"".join(parts)
        if len(data) != self.size * count:
            raise ValueError(len(data))
        found, at = [], 0
        for kind in self.kinds:
            # All values have this size if those in front of them do: else, these would be other bytes.
            for place, byte in enumerate(INT.pack(kind.size), at):
                if data[place :: self.size].count(byte) != count:
                    raise ValueError(place)
            at += INT.size
            values = bytearray(kind.size * count)
            for place in range(kind.size):
                values[place :: kind.size] = data[at + place :: self.size]
            at += kind.size
            found.append(kind.column(values, count))
        return found


def _runs(kinds: list[_Kind]) -> list[_Run]:
    runs: list[_Run] = []
    fixed: list[_Kind] = []
    for kind in kinds:
        if kind.is_text or kind.is_vector:
            runs += [_Run(fixed, is_cell=False), _Run([kind], is_cell=True)]
            runs[-2].size += INT.size
            fixed = []
        else:
            fixed.append(kind)
    return [*runs, _Run(fixed, is_cell=False)] if fixed else runs


def _generate(runs: list[_Run]) -> Callable[[bytes, int, int], list[list[bytes]]]:
    """Generate the function that cuts rows into the parts of each run."""
    if len(runs) == 1 and not runs[0].is_cell:
        return lambda body, at, _: [[body[at:]]]
    lists = "".join(
        [f"    part{index} = []\n    add{index} = part{index}.append\n" for index in range(len(runs))]
    )
    steps = "".join(
        [
            (_CELL if run.is_cell else _CHUNKS).format(index=index, size=run.size)
            for index, run in enumerate(runs)
        ]
    )
    code = f"""
def split(body, at, count):
{lists}    for _ in range(count):
{steps}    if at != len(body):
        raise ValueError(at)
    return [{", ".join([f"part{index}" for index in range(len(runs))])}]
"""
    scope: dict[str, Any] = {"__builtins__": {"len": len, "range": range, "ValueError": ValueError}}
    scope["length"] = INT.unpack_from
    exec(code, scope)  # noqa: S102 - the only input in the code are numbers
    split: Callable[[bytes, int, int], list[list[bytes]]] = scope["split"]
    return split


def _cells(body: bytes, at: int, count: int, width: int) -> list[list[bytes | None]]:
    """Return the values of each column, None for nulls.

    Raises:
        ValueError: The body is invalid.
    """
    columns: list[list[bytes | None]] = [[] for _ in range(width)]
    adds = [column.append for column in columns]
    length = INT.unpack_from
    for _ in range(count):
        for add in adds:
            (size,) = length(body, at)
            at += INT.size
            if size >= 0:
                add(body[at : at + size])
                at += size
            elif size == _NULL:
                add(None)
            else:
                raise ValueError(size)
    if at != len(body):
        raise ValueError(at)
    return columns


def _bits(flags: bytes | bytearray) -> bytes:
    """Return a bitmap, the first flag in the lowest bit; a flag is a byte, 0 for no."""
    return int(flags.translate(_AS_DIGIT)[::-1] or b"0", 2).to_bytes((len(flags) + 7) // 8, "little")


def _dates(data: bytes) -> bytes:
    """Return days since 1970, given days since -2^31."""
    values = bytearray(data)
    highest = 3 if sys.byteorder == "little" else 0
    values[highest::4] = values[highest::4].translate(_OTHER_HIGHEST_BIT)
    return bytes(values)
