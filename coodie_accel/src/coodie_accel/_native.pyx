# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Requests and their answers by stream, rows to dicts, parameters to bytes, checksums of segments' headers.

Values are as the native protocol has them (native_protocol_v5.spec, section 6), each behind its length
as a big-endian int32. Every length is compared with what is left before a byte behind it is read.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from socket import AF_INET6, inet_ntop
from sys import intern
from uuid import UUID, SafeUUID

cimport cython
from cpython.ref cimport Py_INCREF, PyObject
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.datetime cimport date_new, datetime_new, import_datetime, time_new
from cpython.dict cimport PyDict_SetItem
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.list cimport PyList_Append, PyList_AsTuple, PyList_GET_SIZE, PyList_New, PyList_SET_ITEM
from cpython.long cimport PyLong_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject_GenericSetAttr, PyTypeObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy

cdef extern from "Python.h":
    object _PyLong_FromByteArray(const unsigned char* data, size_t size, int little_endian, int is_signed)
    long long PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1
    bint PyUnicode_IS_ASCII(object value)
    Py_ssize_t PyUnicode_GET_LENGTH(object value)
    const void* PyUnicode_DATA(object value)
    object PyType_GenericNew(PyTypeObject* type, PyObject* args, PyObject* kwargs)

__all__ = ["ParameterEncoder", "RowDecoder", "Streams", "crc24", "cut_answers"]

import_datetime()

cdef enum Kind:
    OTHER
    TINYINT
    SMALLINT
    INT
    BIGINT
    BOOLEAN
    FLOAT
    DOUBLE
    TEXT
    ASCII
    BLOB
    UUID_
    DATE
    TIMESTAMP
    TIMESTAMP_AWARE
    DECIMAL
    VARINT
    TIME
    INET
    # from here on they have parts, or something that makes their values
    LIST
    MAP
    VECTOR
    TUPLE
    RECORD
    DURATION

cdef dict _DECODED = {
    "tinyint": TINYINT, "smallint": SMALLINT, "int": INT, "bigint": BIGINT, "counter": BIGINT,
    "boolean": BOOLEAN, "float": FLOAT, "double": DOUBLE, "text": TEXT, "ascii": ASCII, "blob": BLOB,
    "uuid": UUID_, "timeuuid": UUID_, "date": DATE, "timestamp": TIMESTAMP,
    "timestamp_aware": TIMESTAMP_AWARE, "decimal": DECIMAL, "varint": VARINT, "time": TIME,
    "inet": INET,
}

cdef dict _ENCODED = {
    "tinyint": TINYINT, "smallint": SMALLINT, "int": INT, "bigint": BIGINT, "counter": BIGINT,
    "boolean": BOOLEAN, "double": DOUBLE, "text": TEXT, "ascii": ASCII, "blob": BLOB, "uuid": UUID_,
}

#: Days from 0000-03-01 to 1970-01-01, and from 0000-03-01 to 0001-01-01 and 10000-01-01.
cdef int64_t _UNIX_DAY = 719468
cdef int64_t _FIRST_DAY = 306
cdef int64_t _DAYS_END = 3652365
cdef int64_t _DAY_MILLISECONDS = 86400000

#: Days of four centuries.
cdef int64_t _ERA_DAYS = 146097

#: A date's days are counted so that the Unix epoch is in the middle.
cdef int64_t _DATE_OFFSET = 2147483648

cdef int64_t _DAY_NANOSECONDS = 86400000000000

#: A decimal's scale is the exponent's opposite; of the smallest int32 there is none among them.
cdef int32_t _SMALLEST_SCALE = -2147483648

cdef Py_ssize_t _LARGEST_VALUE = 2147483647

cdef object _UTC = dt.timezone.utc
cdef object _UNKNOWN = SafeUUID.unknown
cdef str _INT = "int"
cdef str _IS_SAFE = "is_safe"


# --- bytes --------------------------------------------------------------------------------


cdef inline uint16_t _unsigned16(const uint8_t* data) noexcept nogil:
    return <uint16_t>(<uint32_t>data[0] << 8 | data[1])


cdef inline uint32_t _unsigned32(const uint8_t* data) noexcept nogil:
    return <uint32_t>data[0] << 24 | <uint32_t>data[1] << 16 | <uint32_t>data[2] << 8 | data[3]


cdef inline uint64_t _unsigned64(const uint8_t* data) noexcept nogil:
    return <uint64_t>_unsigned32(data) << 32 | _unsigned32(data + 4)


cdef inline void _put(uint8_t* data, uint64_t value, int size) noexcept nogil:
    cdef int index
    for index in range(size):
        data[index] = <uint8_t>(value >> (8 * (size - 1 - index)))


# --- answers ------------------------------------------------------------------------------


cdef uint8_t _RESULT = 8
cdef Py_ssize_t _HEADER = 9
cdef uint32_t _LARGEST_BODY = 256 * 1024 * 1024


def cut_answers(bytes data not None, uint8_t version, object unusual not None):
    """Cut answers out of bytes that begin with one (native_protocol_v5.spec, section 2.1).

    Args:
        data: The bytes.
        version: The version byte of answers.
        unusual: Makes an answer's object of its flags, opcode and body, where it isn't a RESULT without
            flags; of that it's the body alone.

    Returns:
        The answers that are complete, each behind its stream; and where the first begins that isn't.

    Raises:
        ValueError: An answer's version is another, or its length can't be.
        Exception: unusual raised it.
    """
    cdef const uint8_t* bytes_ = <const uint8_t*>PyBytes_AS_STRING(data)
    cdef Py_ssize_t end = PyBytes_GET_SIZE(data)
    cdef Py_ssize_t at = 0
    cdef uint32_t length
    cdef const uint8_t* head
    cdef list found = []
    cdef object answer
    while end - at >= _HEADER:
        head = bytes_ + at
        length = _unsigned32(head + 5)
        if head[0] != version or length > _LARGEST_BODY:
            raise ValueError(f"At byte {at} there is no answer of version {version & 0x7F}.")
        if length > end - at - _HEADER:
            break
        answer = PyBytes_FromStringAndSize(<const char*>head + _HEADER, length)
        if head[1] or head[4] != _RESULT:
            answer = unusual(head[1], head[4], answer)
        found.append((<int16_t>_unsigned16(head + 2), answer))
        at += _HEADER + length
    return found, at


include "_streams.pxi"


# --- rows ---------------------------------------------------------------------------------


include "_values.pxi"


@cython.final
@cython.no_gc_clear  # what is called from inside decode must not find the tuples gone
cdef class RowDecoder:
    """Read the rows of one result shape.

    A kind is a CQL type without parameters, as ``"int"``; ``"timestamp"`` gives naive datetimes in UTC,
    ``"timestamp_aware"`` aware ones. A type that is made of others is a tuple: its name, the types in it,
    each as a tuple of its kind and its other decoder, and what is made of them:

    - ``("list", (element,), make)``: a list, or what ``make`` makes of that;
    - ``("map", (key, value), make)``: a dict, or what ``make`` makes of a list of pairs;
    - ``("vector", (element,), (count, size, make))``: as a list, of elements of one size in bytes;
    - ``("tuple", parts, make)``: a tuple, or what ``make`` makes of a list;
    - ``("record", parts, names)``: a dict;
    - ``("duration", (), make)``: what ``make`` makes of months, days and nanoseconds.

    Args:
        names: The columns' names; of several equal ones the last counts.
        kinds: Their kinds.
        others: For each column what takes the bytes of a value that isn't decoded here, or None where a
            ValueError is to say so.
        make: Makes the list that rows are added to: an empty one, or one of a subclass.

    Raises:
        TypeError: An argument isn't a tuple, a name isn't a str, one of the others or make can't be called,
            or a kind isn't written as above.
        ValueError: There is no column, or not as many of one as of another; or a kind isn't known here and
            nothing else decodes it.
    """

    cdef tuple _names
    cdef tuple _types
    cdef object _make

    def __cinit__(
        self, tuple names not None, tuple kinds not None, tuple others not None, object make not None=list
    ):
        cdef Py_ssize_t columns = len(names)
        if not columns or len(kinds) != columns or len(others) != columns:
            raise ValueError(
                f"A decoder needs columns, each with name, kind and other decoder: found "
                f"{len(names)}, {len(kinds)} and {len(others)}."
            )
        for name in names:
            if type(name) is not str:
                raise TypeError(f"A column's name must be a str, found {type(name).__name__}.")
        if not callable(make):
            raise TypeError(f"What makes lists can't be called: it is of {type(make).__name__}.")
        self._make = make
        self._names = tuple([intern(name) for name in names])
        self._types = tuple(
            [_type(name, kind, other) for name, kind, other in zip(names, kinds, others)]
        )

    def decode(self, bytes body not None, Py_ssize_t start, Py_ssize_t rows):
        """Return rows as dicts.

        Args:
            body: The bytes of a RESULT message.
            start: Where the first row's first value has its length.
            rows: How many rows there are.

        Raises:
            ValueError: The bytes end before the rows do; or a value can't be decoded, and nothing else
                decodes it.
            TypeError: What was made for the rows isn't a list.
            Exception: One of the other decoders raised it.
        """
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(body)
        cdef Py_ssize_t end = PyBytes_GET_SIZE(body)
        cdef Py_ssize_t columns = PyTuple_GET_SIZE(self._names)
        cdef Py_ssize_t at = start
        cdef Py_ssize_t row, column
        cdef int32_t size
        cdef object made
        cdef dict current
        cdef object value
        cdef _Type typ
        if not 0 <= start <= end or rows < 0:
            raise ValueError(f"There are no {rows} rows at byte {start} of a result of {end} bytes.")
        # Each value has its length at least.
        if rows > (end - start) / 4 / columns:
            raise ValueError(f"{rows} rows can't be in the {end - start} bytes that a result has for them.")
        made = self._make()
        if not isinstance(made, list):
            raise TypeError(f"What is made for the rows must be a list, found {type(made).__name__}.")
        for row in range(rows):
            current = {}
            for column in range(columns):
                if end - at < 4:
                    raise self._broken(row, column)
                size = <int32_t>_unsigned32(data + at)
                at += 4
                if size < 0:
                    value = None
                else:
                    if size > end - at:
                        raise self._broken(row, column)
                    typ = <_Type>PyTuple_GET_ITEM(self._types, column)
                    # The short way: nearly all values are scalars.
                    value = _decoded(typ.kind, data + at, size) if typ.kind < LIST else None
                    if value is None:
                        value = typ.value(data + at, size)
                    at += size
                PyDict_SetItem(current, <object>PyTuple_GET_ITEM(self._names, column), value)
            PyList_Append(made, current)
        return made

    cdef object _broken(self, Py_ssize_t row, Py_ssize_t column):
        return ValueError(f"The result ends inside of {self._names[column]!r} of row {row}: it is broken.")


cdef object _raise(str message):
    raise ValueError(message)


# --- parameters ---------------------------------------------------------------------------


#: Bytes that a message has room for at first, beside 24 for each value.
cdef Py_ssize_t _ROOM = 64


cdef class _Message:
    """Bytes that grow at their end."""

    cdef uint8_t* data
    cdef Py_ssize_t size
    cdef Py_ssize_t room

    def __cinit__(self, Py_ssize_t room):
        self.data = <uint8_t*>PyMem_Malloc(room)
        self.room = room
        if self.data is NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.data)

    cdef int value(self, const void* data, Py_ssize_t size) except -1:
        """Add a value behind its length."""
        if size > _LARGEST_VALUE:
            raise ValueError(f"A value of {size} bytes is too long: a length has 31 bits.")
        self.make_room(size + 4)
        _put(self.data + self.size, <uint64_t>size, 4)
        memcpy(self.data + self.size + 4, data, size)
        self.size += size + 4
        return 0

    cdef int number(self, uint64_t value, int size) except -1:
        """Add a number of some bytes behind its length."""
        self.make_room(12)
        _put(self.data + self.size, <uint64_t>size, 4)
        _put(self.data + self.size + 4, value, size)
        self.size += size + 4
        return 0

    cdef int null(self) except -1:
        self.make_room(4)
        _put(self.data + self.size, 0xFFFFFFFF, 4)
        self.size += 4
        return 0

    cdef int make_room(self, Py_ssize_t more) except -1:
        cdef Py_ssize_t room
        cdef uint8_t* data
        if more <= self.room - self.size:
            return 0
        room = (self.size + more) * 2
        data = <uint8_t*>PyMem_Realloc(self.data, room)
        if data is NULL:
            raise MemoryError
        self.data = data
        self.room = room
        return 0


cdef bint _integer(_Message message, object value, int size) except -1:
    """Add an int of some bytes; tell whether it is in range."""
    cdef int overflow = 0
    cdef int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow)
    cdef int bits = 8 * size - 1
    if overflow or number >> bits not in (0, -1):
        return False
    message.number(<uint64_t>number, size)
    return True


cdef bint _uuid_bytes(_Message message, object value) except -1:
    """Add a UUID; tell whether there is a number in it that fits."""
    cdef uint8_t data[16]
    try:
        number = value.int
        _put(data, <uint64_t>(number >> 64), 8)
        _put(data + 8, <uint64_t>(number & 0xFFFFFFFFFFFFFFFF), 8)
    except (AttributeError, OverflowError, TypeError):
        return False
    message.value(data, 16)
    return True


cdef bint _text(_Message message, str value) except -1:
    """Add a str in UTF-8; tell whether it has one."""
    if PyUnicode_IS_ASCII(value):
        message.value(PyUnicode_DATA(value), PyUnicode_GET_LENGTH(value))
        return True
    try:
        encoded = value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    message.value(PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded))
    return True


cdef bint _encoded(int kind, _Message message, object value) except -1:
    """Add a value of exactly the usual type; tell whether it is one."""
    cdef double number
    cdef uint64_t bits
    if kind == INT:
        return PyLong_CheckExact(value) and _integer(message, value, 4)
    if kind == TEXT:
        return PyUnicode_CheckExact(value) and _text(message, value)
    if kind == BIGINT:
        return PyLong_CheckExact(value) and _integer(message, value, 8)
    if kind == DOUBLE:
        if not PyFloat_CheckExact(value):
            return False
        number = PyFloat_AS_DOUBLE(value)
        memcpy(&bits, &number, 8)
        message.number(bits, 8)
        return True
    if kind == UUID_:
        return type(value) is UUID and _uuid_bytes(message, value)
    if kind == BLOB:
        if not PyBytes_CheckExact(value):
            return False
        message.value(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        return True
    if kind == BOOLEAN:
        if value is not True and value is not False:
            return False
        message.number(value is True, 1)
        return True
    if kind == ASCII:
        return PyUnicode_CheckExact(value) and PyUnicode_IS_ASCII(value) and _text(message, value)
    if kind == SMALLINT:
        return PyLong_CheckExact(value) and _integer(message, value, 2)
    if kind == TINYINT:
        return PyLong_CheckExact(value) and _integer(message, value, 1)
    return False


@cython.final
@cython.no_gc_clear  # as RowDecoder
cdef class ParameterEncoder:
    """Write the parameters of one statement.

    Args:
        kinds: The CQL types of its markers without parameters, as ``"int"``.
        others: For each what takes a value that isn't encoded here, one of another Python type than the
            usual or out of range, and returns its bytes or raises.
        keys: The markers, counted from 0, that must not be null.
        otherwise: What takes all parameters where they can't be encoded here, and returns their bytes or
            raises; None where an error is to say so.

    Raises:
        TypeError: An argument isn't a tuple, one of the others or otherwise can't be called, or a key isn't
            an int.
        ValueError: There aren't as many kinds as others, or there is no such key.
    """

    cdef tuple _others
    cdef object _otherwise
    cdef int* _kinds
    cdef bint* _is_key

    def __cinit__(
        self,
        tuple kinds not None,
        tuple others not None,
        tuple keys not None=(),
        object otherwise=None,
    ):
        cdef Py_ssize_t index
        if len(kinds) != len(others):
            raise ValueError(f"Each kind needs another encoder: found {len(kinds)} and {len(others)}.")
        for kind, other in zip(kinds, others):
            if not callable(other):
                raise TypeError(f"What encodes a {kind} can't be called: it is of {type(other).__name__}.")
        if otherwise is not None and not callable(otherwise):
            raise TypeError(f"What encodes otherwise can't be called: it is of {type(otherwise).__name__}.")
        for key in keys:
            if type(key) is not int:
                raise TypeError(f"A key must be an int, found {type(key).__name__}.")
            if not 0 <= key < len(kinds):
                raise ValueError(f"There are {len(kinds)} markers, and none is number {key}.")
        self._others = others
        self._otherwise = otherwise
        self._kinds = <int*>PyMem_Malloc(len(kinds) * sizeof(int))
        self._is_key = <bint*>PyMem_Malloc(len(kinds) * sizeof(bint))
        if self._kinds is NULL or self._is_key is NULL:
            raise MemoryError
        for index in range(len(kinds)):
            self._kinds[index] = _ENCODED.get(kinds[index], OTHER)
            self._is_key[index] = index in keys

    def __dealloc__(self):
        PyMem_Free(self._kinds)
        PyMem_Free(self._is_key)

    def encode(self, params):
        """Return the parameters' bytes, each behind its length; None is a null.

        Args:
            params: A list or a tuple with one value for each marker.

        Raises:
            TypeError: They are neither, or another encoder returned something else than bytes.
            ValueError: There are too many, or too few, or a key is null.
            Exception: One of the other encoders raised it, or what encodes otherwise.
        """
        if self._otherwise is None:
            return self._encode(params)
        try:
            return self._encode(params)
        except Exception:
            return self._otherwise(params)

    cdef bytes _encode(self, params):
        # A copy of a list: other encoders may change it.
        cdef tuple values = PyList_AsTuple(params) if isinstance(params, list) else params
        if values is None:
            raise TypeError("Parameters must be a list or a tuple, found None.")
        cdef Py_ssize_t columns = PyTuple_GET_SIZE(self._others)
        cdef Py_ssize_t index
        cdef _Message message
        cdef object value, data
        if PyTuple_GET_SIZE(values) != columns:
            raise ValueError(f"There are {columns} markers and {len(values)} parameters.")
        message = _Message(_ROOM + 24 * columns)
        for index in range(columns):
            value = <object>PyTuple_GET_ITEM(values, index)
            if value is None:
                if self._is_key[index]:
                    raise ValueError(f"Marker {index} must not be null.")
                message.null()
            elif not _encoded(self._kinds[index], message, value):
                data = self._others[index](value)
                if not isinstance(data, bytes):
                    raise TypeError(f"Another encoder must return bytes, found {type(data).__name__}.")
                message.value(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        return PyBytes_FromStringAndSize(<const char*>message.data, message.size)


# --- checksums ----------------------------------------------------------------------------


cdef uint32_t[256] _CRC24


cdef void _make_table() noexcept:
    cdef uint32_t crc
    cdef int byte, bit
    for byte in range(256):
        crc = <uint32_t>byte << 16
        for bit in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1974F0B
        _CRC24[byte] = crc


_make_table()


def crc24(bytes data not None):
    """Return the checksum of a segment's header (native_protocol_v5.spec, section 2.2)."""
    cdef const uint8_t* bytes_ = <const uint8_t*>PyBytes_AS_STRING(data)
    cdef uint32_t crc = 0x875060
    cdef Py_ssize_t index
    for index in range(PyBytes_GET_SIZE(data)):
        crc = (crc << 8 & 0xFFFFFF) ^ _CRC24[crc >> 16 ^ bytes_[index]]
    return crc
