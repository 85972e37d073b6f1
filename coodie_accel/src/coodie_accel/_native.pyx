# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Requests and their answers by stream, rows to dicts or columns, parameters to bytes, checksums of segments' headers.

Values are as the native protocol has them (native_protocol_v5.spec, section 6), each behind its length
as a big-endian int32. Every length is compared with what is left before a byte behind it is read.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from socket import AF_INET6, inet_ntop
from sys import intern
from uuid import UUID, SafeUUID
from zlib import crc32 as _crc32

cimport cython
from cpython.ref cimport Py_INCREF, PyObject
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.contextvars cimport PyContextVar_Set, get_value
from cpython.datetime cimport date_new, datetime_new, import_datetime, time_new
from cpython.dict cimport PyDict_SetItem
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.list cimport PyList_Append, PyList_AsTuple, PyList_GET_SIZE, PyList_New, PyList_SET_ITEM
from cpython.long cimport PyLong_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject_GenericSetAttr, PyTypeObject
from cpython.sequence cimport PySequence_Fast_GET_ITEM, PySequence_Fast_GET_SIZE
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from cpython.weakref cimport PyWeakref_NewRef
from libc.math cimport isinf
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memcpy, memset

cdef extern from "Python.h":
    object _PyLong_FromByteArray(const unsigned char* data, size_t size, int little_endian, int is_signed)
    long long PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1
    bint PyUnicode_IS_ASCII(object value)
    Py_ssize_t PyUnicode_GET_LENGTH(object value)
    const void* PyUnicode_DATA(object value)
    object PyType_GenericNew(PyTypeObject* type, PyObject* args, PyObject* kwargs)
    void PyObject_GC_Track(void* value)
    void PyObject_GC_UnTrack(void* value)
    bint PyObject_IS_GC(object value)
    int PY_VERSION_HEX
    void Py_XDECREF(PyObject* value)
    PyObject* _PyBytes_FromStringAndSize "PyBytes_FromStringAndSize"(const char* data, Py_ssize_t size) except NULL
    int _PyBytes_Resize(PyObject** value, Py_ssize_t size) except -1

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        int type
        Py_ssize_t offset
        int flags
    ctypedef struct PyMemberDescrObject:
        PyMemberDef* d_member
    PyTypeObject PyMemberDescr_Type
    int T_OBJECT_EX

__all__ = [
    "BoundTemplate",
    "ColumnDecoder",
    "ExecuteTemplate",
    "Gate",
    "ParameterEncoder",
    "RowDecoder",
    "RowStream",
    "Streams",
    "Waiter",
    "Window",
    "crc24",
    "cut_answers",
    "deliver",
    "open_segments",
    "pack_numbers",
    "seal_segment",
]

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
    CONVERTED

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
cdef uint32_t _MAX_BODY = 256 * 1024 * 1024


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
        if head[0] != version or length > _MAX_BODY:
            raise ValueError(f"At byte {at} there is no answer of version {version & 0x7F}.")
        if length > end - at - _HEADER:
            break
        answer = PyBytes_FromStringAndSize(<const char*>head + _HEADER, length)
        if head[1] or head[4] != _RESULT:
            answer = unusual(head[1], head[4], answer)
        found.append((<int16_t>_unsigned16(head + 2), answer))
        at += _HEADER + length
    return found, at


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
    - ``("duration", (), make)``: what ``make`` makes of months, days and nanoseconds;
    - ``("converted", (typ,), make)``: what ``make`` makes of a value of that type.

    Args:
        names: The columns' names; of several equal ones the last counts.
        kinds: Their kinds.
        others: For each column what takes the bytes of a value that isn't decoded here, or None where a
            ValueError is to say so.
        make: Makes the list that rows are added to: an empty one, or one of a subclass.
        as_tuples: Return rows as tuples of their values, not as dicts.
        slots: Return rows as objects, not as dicts: their class, and the descriptors of its ``__slots__``
            for each column. The objects are made as by ``object.__new__``, without ``__init__``.

    Raises:
        TypeError: An argument isn't a tuple, a name isn't a str, one of the others or make can't be called,
            a kind isn't written as above, or a descriptor isn't one of the class's slots.
        ValueError: There is no column, or not as many of one as of another; or a kind isn't known here and
            nothing else decodes it.
    """

    cdef tuple _names
    cdef tuple _types
    cdef object _make
    cdef bint _as_tuples
    #: The class of rows that are objects, or None; where each column's value is in such an object.
    cdef object _class
    cdef Py_ssize_t* _offsets

    def __cinit__(
        self,
        tuple names not None,
        tuple kinds not None,
        tuple others not None,
        object make not None=list,
        bint as_tuples=False,
        tuple slots=None,
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
        self._as_tuples = as_tuples
        self._names = tuple([intern(name) for name in names])
        self._types = tuple(
            [_type(name, kind, other) for name, kind, other in zip(names, kinds, others)]
        )
        if slots is not None:
            self._use_slots(slots)

    def __dealloc__(self):
        PyMem_Free(self._offsets)

    cdef object _use_slots(self, tuple slots):
        cdef Py_ssize_t index
        cdef PyMemberDef* member
        owner, descriptors = slots if len(slots) == 2 else (None, None)
        if not isinstance(owner, type) or type(descriptors) is not tuple or len(descriptors) != len(self._names):
            raise TypeError(f"Rows need a class, and a tuple with a slot for each column: found {slots!r}.")
        self._offsets = <Py_ssize_t*>PyMem_Malloc(len(descriptors) * sizeof(Py_ssize_t))
        if self._offsets == NULL:
            raise MemoryError
        for index, descriptor in enumerate(descriptors):
            if type(descriptor) is not <object>&PyMemberDescr_Type or not issubclass(owner, descriptor.__objclass__):
                raise TypeError(f"{descriptor!r} isn't a slot of {owner!r}.")
            member = (<PyMemberDescrObject*>descriptor).d_member
            if member.type != T_OBJECT_EX or member.flags:
                raise TypeError(f"{descriptor!r} isn't a slot of {owner!r}.")
            self._offsets[index] = member.offset
        self._class = owner
        return None

    def decode(self, bytes body not None, Py_ssize_t start, Py_ssize_t rows):
        """Return rows as dicts, as tuples, or as objects.

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
        return self._decode(body, start, rows)

    cdef object _decode(self, bytes body, Py_ssize_t start, Py_ssize_t rows):
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(body)
        cdef Py_ssize_t end = PyBytes_GET_SIZE(body)
        cdef Py_ssize_t columns = PyTuple_GET_SIZE(self._names)
        cdef Py_ssize_t at = start
        cdef Py_ssize_t row, column
        cdef int32_t size
        cdef object made
        cdef dict current = None
        cdef tuple fields = None
        cdef object record = None
        cdef object value
        cdef bint has_containers
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
            if self._as_tuples:
                fields = PyTuple_New(columns)
                # Nobody finds it before it is complete, not by gc either.
                PyObject_GC_UnTrack(<void*>fields)
            elif self._offsets != NULL:
                record = PyType_GenericNew(<PyTypeObject*>self._class, NULL, NULL)
            else:
                current = {}
            has_containers = False
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
                        has_containers |= PyObject_IS_GC(value)
                    at += size
                if self._as_tuples:
                    Py_INCREF(value)
                    PyTuple_SET_ITEM(fields, column, value)
                elif self._offsets != NULL:
                    _set_slot(<PyObject**>(<char*><void*>record + self._offsets[column]), value)
                else:
                    PyDict_SetItem(current, <object>PyTuple_GET_ITEM(self._names, column), value)
            # A row of scalars is in no cycle, so the collector need not visit it; before 3.14, a dict is tracked
            # again as soon as a value is set that may be in one. UUIDs aren't tracked either.
            if self._as_tuples:
                if has_containers:
                    PyObject_GC_Track(<void*>fields)
                PyList_Append(made, fields)
            elif self._offsets != NULL:
                PyList_Append(made, record)
            else:
                if PY_VERSION_HEX < 0x030E0000 and not has_containers:
                    PyObject_GC_UnTrack(<void*>current)
                PyList_Append(made, current)
        return made

    def only_page(self, bytes body not None, bytes beginning not None, Py_ssize_t most, object columns):
        """Return the rows of a result that begins like others; None if it doesn't, or has too many.

        Args:
            body: The bytes of a RESULT message.
            beginning: What such a message begins with, up to the number of rows.
            most: A result of so many rows isn't read.
            columns: Is set as the attribute ``columns`` of what is returned.

        Raises:
            Exception: As decode.
        """
        return self._only_page(body, beginning, most, columns)

    cdef object _only_page(self, bytes body, bytes beginning, Py_ssize_t most, object columns):
        cdef Py_ssize_t size = PyBytes_GET_SIZE(beginning)
        cdef int32_t rows
        cdef object made
        if PyBytes_GET_SIZE(body) < size + 4 or memcmp(PyBytes_AS_STRING(body), PyBytes_AS_STRING(beginning), size):
            return None
        rows = <int32_t>_unsigned32(<const uint8_t*>PyBytes_AS_STRING(body) + size)
        if rows >= most:
            return None
        made = self._decode(body, size + 4, rows)
        made.columns = columns
        return made

    cdef object _broken(self, Py_ssize_t row, Py_ssize_t column):
        return ValueError(f"The result ends inside of {self._names[column]!r} of row {row}: it is broken.")


cdef inline int _set_slot(PyObject** slot, object value) except -1:
    cdef PyObject* before = slot[0]
    Py_INCREF(value)
    slot[0] = <PyObject*>value
    Py_XDECREF(before)
    return 0


cdef object _raise(str message):
    raise ValueError(message)


# --- columns, parameters, streams, segments, waiters, windows -----------------------------------------------


include "_filling.pxi"
include "_columns.pxi"
include "_parameters.pxi"
include "_streams.pxi"
include "_segments.pxi"
include "_waiters.pxi"
include "_window.pxi"
include "_rowstream.pxi"
