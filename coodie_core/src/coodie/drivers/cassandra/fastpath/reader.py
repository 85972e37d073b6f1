"""Result readers: decode rows; result metadata is parsed once, and cached by its bytes."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from coodie.drivers.cassandra.fastpath.accelerated import only_page_reader, row_decoder
from coodie.drivers.cassandra.fastpath.gc_pause import gc_paused
from coodie.drivers.cassandra.fastpath.generated_reader import generated_reader
from coodie.drivers.cassandra.values.lenient_decoding import read_columns
from coodie.drivers.cassandra.values.rows import result_columns, row_converters
from coodie.exceptions import InvalidQueryError
from coodie.protocol.codec import INT, SHORT
from coodie.protocol.results import GLOBAL_TABLE, HAS_MORE_PAGES, ROWS, ROWS_HEAD, VOID_BODY, paging_state
from coodie.row_shapes import parse_rows, row_builder
from coodie.rows import Rows, new_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coodie.columnar import ColumnarShape
    from coodie.drivers.cassandra.fastpath.accelerated import OnlyPageReader
    from coodie.drivers.cassandra.values.codecs import ValueOptions
    from coodie.row_shapes import RowShape
    from coodie.rows import Column

    #: Takes a result's body, the position of the first row and the number of rows; returns the rows.
    RowReader = Callable[[bytes, int, int], Rows[Any]]

    #: Takes the same arguments, and returns the driver's values.
    _Parser = Callable[[bytes, int, int], list[tuple[Any, ...]]]

__all__ = ["Page", "ResultReader", "UnsupportedResultError"]

#: Cached metadata per statement: a conditional write has two, and metadata changes with the schema.
_MAX_METADATA = 4

#: The encoded number of rows, for a single row.
_ONE_ROW = INT.pack(1)

#: Number of rows from which the garbage collector is paused.
_MANY = 500

_TUPLE = parse_rows(tuple)

#: The code of the first type with parameters, list; 0 is that of custom types.
_LIST = 0x20


class UnsupportedResultError(Exception):
    """The reader doesn't support this result; the driver's decoder does."""


class Page(NamedTuple):
    """A decoded result.

    Attributes:
        rows: The rows; none for a write.
        paging_state: The server's paging state of the next page, or None.
        warnings: The server's warnings.
    """

    rows: Rows[Any]
    paging_state: bytes | None
    warnings: Sequence[str] = ()


class _ResultMetadata(NamedTuple):
    """Parsed result metadata, with the reader for its rows."""

    head: tuple[int, int]
    metadata: bytes
    #: The body up to the number of rows, if there is no further page.
    beginning: bytes
    #: The position of the first row in that case.
    start: int
    read: RowReader
    columns: tuple[Column, ...]
    #: The accelerator's reader for all of that, or None.
    only_page: OnlyPageReader | None


class ResultReader:
    """Read the results of one statement.

    Args:
        version: The protocol version.
        user_types: The cluster's user-defined types, for the driver's metadata parser.
        values: The driver's options for values.
        shape: What the rows are to be; None for dicts.
    """

    def __init__(
        self, version: int, user_types: Any, values: ValueOptions, shape: RowShape | None = None
    ) -> None:
        self._version = version
        self._user_types = user_types
        self._shape = shape
        #: Returns an empty list for rows.
        self.new_rows = new_rows if shape is None else shape.new_rows
        self._values = values
        self._known: list[_ResultMetadata] = []
        self._last_metadata: _ResultMetadata | None = None

    def warm(self, columns: Any) -> None:
        """Generate the code that reads rows of these columns, before the first result needs it."""
        expected = _expected_metadata(columns)
        try:
            found = self._with_reader(columns, *(expected or ((0, 0), b"")))
        except (InvalidQueryError, UnsupportedResultError):
            return  # the first result is handled accordingly
        if expected is not None and not self._known:
            self._known, self._last_metadata = [found], found

    @property
    def single_page(self) -> tuple[Any, bytes, int, tuple[Column, ...]] | None:
        """The accelerator's decoder of most results, and the arguments of its ``only_page``; or None."""
        found = self._last_metadata
        if found is None or found.only_page is None:
            return None
        decoder: Any = found.only_page
        return decoder.__self__, found.beginning, _MANY, found.columns

    def read_single_page(self, body: bytes) -> Rows[Any] | None:
        """Return the rows of a RESULT's body if it is the only page; None if ``read`` has to decode it.

        Raises:
            Exception: A value can't be decoded.
        """
        # Most results of a statement start with the same bytes, up to the number of rows.
        metadata = self._last_metadata
        if metadata is not None and metadata.only_page is not None:
            found = metadata.only_page(body, metadata.beginning, _MANY, metadata.columns)
            if found is not None:
                return found
        if metadata is None or not body.startswith(metadata.beginning):
            return self.new_rows() if body == VOID_BODY else None
        start = metadata.start
        (count,) = INT.unpack_from(body, start - INT.size)
        if count >= _MANY:
            return _read(metadata, body, start)
        rows = metadata.read(body, start, count)
        rows.columns = metadata.columns
        return rows

    def read(self, body: bytes) -> Page:
        """Return the rows of a RESULT's body.

        Raises:
            UnsupportedResultError: The result is of another kind, or has unusual flags.
            Exception: A value can't be decoded.
        """
        if body == VOID_BODY:
            return Page(self.new_rows(), None)
        kind, flags, columns = ROWS_HEAD.unpack_from(body)
        if kind != ROWS or flags & ~(GLOBAL_TABLE | HAS_MORE_PAGES):
            raise UnsupportedResultError
        at = ROWS_HEAD.size
        state = None
        if flags & HAS_MORE_PAGES:
            state = paging_state(body)
            at += INT.size + len(state or b"")
        found = self._find_metadata(body, (flags & GLOBAL_TABLE, columns), at)
        if not flags & HAS_MORE_PAGES:
            self._last_metadata = found
        return Page(_read(found, body, at + len(found.metadata) + INT.size), state)

    def _find_metadata(self, body: bytes, head: tuple[int, int], at: int) -> _ResultMetadata:
        """Return the parsed metadata for the bytes at a position."""
        for found in self._known:
            if found.head == head and body.startswith(found.metadata, at):
                return found
        return self._parse_metadata(body, head, at)

    def _parse_metadata(self, body: bytes, head: tuple[int, int], at: int) -> _ResultMetadata:
        """Parse metadata with the driver's parser, and cache the result."""
        columns, length = _parsed_metadata(ROWS_HEAD.pack(ROWS, *head)[4:] + body[at:], self._user_types)
        found = self._with_reader(columns, head, body[at : at + length])
        # A new list: other threads may be iterating over the old one.
        self._known = [found, *self._known][:_MAX_METADATA]
        return found

    def _with_reader(self, columns: Any, head: tuple[int, int], metadata: bytes) -> _ResultMetadata:
        """Return metadata with a reader for its rows.

        Raises:
            UnsupportedResultError: See ``_check``.
            InvalidQueryError: See ``_check``.
        """
        names, types = tuple([column[2] for column in columns]), tuple([column[3] for column in columns])
        _check(names, self._shape)
        beginning = ROWS_HEAD.pack(ROWS, *head) + metadata
        read = _reader(names, types, self._version, self._values, self._shape)
        columns, start = result_columns(names, types), len(beginning) + INT.size
        return _ResultMetadata(head, metadata, beginning, start, read, columns, only_page_reader(read))


def _expected_metadata(columns: Any) -> tuple[tuple[int, int], bytes] | None:
    """Return the metadata that results of these columns usually start with; None for types with parameters.

    The columns are those of a PREPARED response, all of one table. The metadata are only used for results
    that start with the same bytes.
    """
    tables = {column[:2] for column in columns}
    codes = [_type_codes().get(column[3].typename) for column in columns]
    if len(tables) != 1 or None in codes:
        return None
    described = [_string(name) for name in tables.pop()]
    described += [_string(column[2]) + SHORT.pack(code) for column, code in zip(columns, codes, strict=True)]
    return (GLOBAL_TABLE, len(columns)), b"".join(described)


def _string(text: str) -> bytes:
    data = text.encode()
    return SHORT.pack(len(data)) + data


@cache
def _type_codes() -> dict[str, int]:
    """Return the codes of types without parameters, by name (native_protocol_v5.spec, section 4.2.5.2)."""
    from cassandra.protocol import ResultMessage

    return {kind.typename: code for code, kind in ResultMessage.type_codes.items() if 0 < code < _LIST}


def _check(names: tuple[str, ...], shape: RowShape | None) -> None:
    """Raise an exception if the columns need the other decoder or are invalid.

    Raises:
        UnsupportedResultError: A dict would lose a column, or an object can't take ``[applied]``.
        InvalidQueryError: The columns don't fit the shape.
    """
    if shape is None:
        is_supported = len(set(names)) == len(names)
    else:
        is_supported = shape.factory is None or "[applied]" not in names
    if not is_supported:
        raise UnsupportedResultError
    if shape is not None:
        shape.check(names)


def _read(found: _ResultMetadata, body: bytes, start: int) -> Rows[Any]:
    (count,) = INT.unpack_from(body, start - INT.size)
    # Each value has a length of four bytes: check that the number of rows is possible.
    if not 0 <= INT.size * count <= len(body) - start:
        raise UnsupportedResultError
    if count < _MANY:
        rows = found.read(body, start, count)
    else:
        with gc_paused():
            rows = found.read(body, start, count)
    rows.columns = found.columns
    return rows


def _parsed_metadata(data: bytes, user_types: Any) -> tuple[Any, int]:
    """Return a result's columns, and the size of their description in bytes."""
    from io import BytesIO

    stream = BytesIO(data)
    columns = read_columns(stream, user_types)
    return columns, stream.tell() - 8


def _reader(
    names: tuple[str, ...],
    types: Sequence[Any],
    version: int,
    values: ValueOptions,
    shape: RowShape | None = None,
) -> RowReader:
    """Return a row reader: the accelerator, generated code, the driver's compiled parser, or its types."""
    single = partial(_single_decoder, version)
    if shape is not None and shape.is_columnar:
        from coodie.drivers.cassandra.fastpath.columnar_reader import columnar_reader  # few results need it

        read_tuples = _reader(names, types, version, values._replace(codecs=None), _TUPLE)
        return columnar_reader(cast("ColumnarShape", shape), names, types, values, read_tuples, single)
    aware, codecs = values.aware_timestamps, values.for_columns(names, shape)
    accelerated = row_decoder(names, types, single, codecs, shape, aware_timestamps=aware)
    if accelerated is not None:
        return accelerated
    parse = _compiled_parser(names, types, version) or _plain_parser(types, version)
    build = row_builder(names, row_converters(types, aware_timestamps=aware, codecs=codecs), shape)
    make = new_rows if shape is None else shape.new_rows

    def read_any(body: bytes, start: int, count: int) -> Rows[Any]:
        rows: Rows[Any] = make()
        rows += build(parse(body, start, count))
        return rows

    simple = generated_reader(names, types, shape, codecs, aware_timestamps=aware)
    if simple is None:
        return read_any
    read_simple = simple

    def read(body: bytes, start: int, count: int) -> Rows[Any]:
        try:
            return read_simple(body, start, count)
        except Exception:  # noqa: BLE001 - the driver's decoder supports more, and reports errors
            return read_any(body, start, count)

    return read


def _single_decoder(version: int, typ: Any) -> Callable[[bytes], Any]:
    """Return a decoder for single values of a type."""
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
    # This parser reads the number of rows itself.
    return lambda body, start, _: parse(make_reader(body[start - INT.size :]), described)


@cache
def _compiled() -> Any:
    """Return the parts of the driver's compiled parser; None if it isn't installed."""
    try:
        from cassandra.bytesio import BytesIOReader
        from cassandra.deserializers import make_deserializers
        from cassandra.obj_parser import ListParser
        from cassandra.parsing import ParseDesc
    except ImportError:
        return None
    return BytesIOReader, ParseDesc, make_deserializers, ListParser().parse_rows


def _plain_parser(types: Sequence[Any], version: int) -> _Parser:
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
                        raise UnsupportedResultError
                row.append(decode(data, version))
            rows.append(tuple(row))
        return rows

    return parse
