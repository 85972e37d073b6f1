"""Results to rows: what a statement's result metadata says is worked out once, and kept by its bytes."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.drivers.cassandra.fastpath.accelerated import row_decoder
from coodie.drivers.cassandra.fastpath.gc_pause import gc_paused
from coodie.drivers.cassandra.fastpath.generated_reader import generated_reader
from coodie.drivers.cassandra.values.lenient_decoding import read_columns
from coodie.drivers.cassandra.values.rows import result_columns, row_builder, row_converters
from coodie.protocol.codec import INT
from coodie.protocol.results import GLOBAL_TABLE, HAS_MORE_PAGES, ROWS, ROWS_HEAD, VOID_BODY, paging_state
from coodie.rows import Rows, new_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coodie.rows import Column

    #: Takes a result's body, where its first row begins, and how many there are; returns the rows.
    RowReader = Callable[[bytes, int, int], Rows]

    #: Takes the same, and returns the driver's values.
    _Parser = Callable[[bytes, int, int], list[tuple[Any, ...]]]

__all__ = ["Page", "ResultReader", "UnusualResultError"]

#: Result shapes that are kept of a statement: a conditional write has two, others change with the schema.
_SHAPES = 4

#: The number of rows that stands before one.
_ONE_ROW = INT.pack(1)

#: Rows from which on the collector is paused.
_MANY = 500


class UnusualResultError(Exception):
    """The result isn't one of those read here: the driver's own decoder knows all of them."""


class Page(NamedTuple):
    """What a result holds.

    Attributes:
        rows: The rows, or none for a write.
        paging_state: The server's state of the next page, or None.
        warnings: The server's warnings.
    """

    rows: Rows
    paging_state: bytes | None
    warnings: Sequence[str] = ()


class _Shape(NamedTuple):
    """What is known of results with the same metadata."""

    head: tuple[int, int]
    metadata: bytes
    #: All that comes before the number of rows where no page follows.
    beginning: bytes
    #: Where the first row begins, then.
    start: int
    read: RowReader
    columns: tuple[Column, ...]


class ResultReader:
    """Read the results of one statement.

    Args:
        version: The protocol version.
        user_types: The cluster's, for the driver's parser of metadata.
        aware_timestamps: Give timestamps as aware datetimes in UTC.
    """

    def __init__(self, version: int, user_types: Any, *, aware_timestamps: bool) -> None:
        self._version = version
        self._user_types = user_types
        self._aware = aware_timestamps
        self._shapes: list[_Shape] = []
        self._usual: _Shape | None = None

    def read_single_page(self, body: bytes) -> Rows | None:
        """Return the rows of a RESULT's body that is the only page; None where another has to read it.

        Raises:
            Exception: A value can't be decoded.
        """
        # All that comes before the number of rows is the same in most results of a statement.
        usual = self._usual
        if usual is None or not body.startswith(usual.beginning):
            return new_rows() if body == VOID_BODY else None
        start = usual.start
        (count,) = INT.unpack_from(body, start - INT.size)
        if count >= _MANY:
            return _read(usual, body, start)
        rows = usual.read(body, start, count)
        rows.columns = usual.columns
        return rows

    def read(self, body: bytes) -> Page:
        """Return the rows of a RESULT's body.

        Raises:
            UnusualResultError: It is neither rows nor nothing, or says more than rows.
            Exception: A value can't be decoded.
        """
        if body == VOID_BODY:
            return Page(new_rows(), None)
        kind, flags, columns = ROWS_HEAD.unpack_from(body)
        if kind != ROWS or flags & ~(GLOBAL_TABLE | HAS_MORE_PAGES):
            raise UnusualResultError
        at = ROWS_HEAD.size
        state = None
        if flags & HAS_MORE_PAGES:
            state = paging_state(body)
            at += INT.size + len(state or b"")
        shape = self._shape(body, (flags & GLOBAL_TABLE, columns), at)
        if not flags & HAS_MORE_PAGES:
            self._usual = shape
        return Page(_read(shape, body, at + len(shape.metadata) + INT.size), state)

    def _shape(self, body: bytes, head: tuple[int, int], at: int) -> _Shape:
        """Return what the metadata says that starts there."""
        for shape in self._shapes:
            if shape.head == head and body.startswith(shape.metadata, at):
                return shape
        return self._learn(body, head, at)

    def _learn(self, body: bytes, head: tuple[int, int], at: int) -> _Shape:
        """Have the driver's own parser read the metadata, and keep what follows from it."""
        columns, length = _parsed_metadata(ROWS_HEAD.pack(ROWS, *head)[4:] + body[at:], self._user_types)
        names = tuple([column[2] for column in columns])
        if len(set(names)) < len(names):
            raise UnusualResultError  # as dicts they'd lose a column; the first one may be all that is wanted
        beginning = ROWS_HEAD.pack(ROWS, *head) + body[at : at + length]
        shape = _Shape(
            head,
            body[at : at + length],
            beginning,
            len(beginning) + INT.size,
            _reader(names, columns, self._version, aware_timestamps=self._aware),
            result_columns(names, tuple([column[3] for column in columns])),
        )
        # A new list: others may be going through the old one.
        self._shapes = [shape, *self._shapes][:_SHAPES]
        return shape


def _read(shape: _Shape, body: bytes, start: int) -> Rows:
    (count,) = INT.unpack_from(body, start - INT.size)
    # Each cell stands behind four bytes: a number of rows that can't be is noticed before it is believed.
    if not 0 <= INT.size * count <= len(body) - start:
        raise UnusualResultError
    if count < _MANY:
        rows = shape.read(body, start, count)
    else:
        with gc_paused():
            rows = shape.read(body, start, count)
    rows.columns = shape.columns
    return rows


def _parsed_metadata(data: bytes, user_types: Any) -> tuple[Any, int]:
    """Return a result's columns, and how many bytes after the flags and the number of columns they took."""
    from io import BytesIO

    stream = BytesIO(data)
    columns = read_columns(stream, user_types)
    return columns, stream.tell() - 8


def _reader(names: tuple[str, ...], columns: Any, version: int, *, aware_timestamps: bool) -> RowReader:
    """Return what reads rows: the accelerator, the driver's compiled parser, or its types one by one."""
    types = [column[3] for column in columns]
    single = partial(_single_decoder, version)
    accelerated = row_decoder(names, types, single, aware_timestamps=aware_timestamps)
    if accelerated is not None:
        return accelerated
    parse = _compiled_parser(names, types, version) or _plain_parser(types, version)
    build = row_builder(names, row_converters(types, aware_timestamps=aware_timestamps))
    simple = generated_reader(names, types, aware_timestamps=aware_timestamps)
    if simple is None:
        return lambda body, start, count: Rows(build(parse(body, start, count)))
    read_simple = simple

    def read(body: bytes, start: int, count: int) -> Rows:
        try:
            return read_simple(body, start, count)
        except Exception:  # noqa: BLE001 - the driver's decoder knows more, or says what is wrong
            return Rows(build(parse(body, start, count)))

    return read


def _single_decoder(version: int, typ: Any) -> Callable[[bytes], Any]:
    """Return what decodes single values of a type."""
    parse = _compiled_parser(("value",), [typ], version) or _plain_parser([typ], version)

    def decode(data: bytes) -> Any:
        (row,) = parse(_ONE_ROW + INT.pack(len(data)) + data, INT.size, 1)
        return row[0]

    return decode


def _compiled_parser(names: tuple[str, ...], types: Sequence[Any], version: int) -> _Parser | None:
    modules = _compiled()
    if modules is None:
        return None
    make_reader, describe, deserializers, parse = modules
    described = describe(list(names), types, None, [None] * len(types), deserializers(types), version)
    # It reads the number of rows by itself.
    return lambda body, start, _: parse(make_reader(body[start - INT.size :]), described)


@cache
def _compiled() -> Any:
    """Return the driver's compiled parser, in parts; None where it was installed without."""
    try:
        from cassandra.bytesio import BytesIOReader
        from cassandra.deserializers import make_deserializers
        from cassandra.obj_parser import ListParser
        from cassandra.parsing import ParseDesc
    except ImportError:
        return None
    return BytesIOReader, ParseDesc, make_deserializers, ListParser().parse_rows


def _plain_parser(types: list[Any], version: int) -> _Parser:
    decoders = [typ.from_binary for typ in types]

    def parse(body: bytes, at: int, count: int) -> list[tuple[Any, ...]]:
        rows = []
        for _ in range(count):
            row = []
            for decode in decoders:
                (length,) = INT.unpack_from(body, at)
                at += 4
                data = None
                if length >= 0:
                    data = body[at : at + length]
                    at += length
                    if at > len(body):
                        raise UnusualResultError
                row.append(decode(data, version))
            rows.append(tuple(row))
        return rows

    return parse
