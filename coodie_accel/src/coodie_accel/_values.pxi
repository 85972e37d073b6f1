"""Values of CQL types, from bytes: scalars, and what is made of them."""

cdef struct Civil:
    int year
    int month
    int day


cdef inline Civil _civil(int64_t day) noexcept nogil:
    """Turn days since 0000-03-01 into a day of the calendar: a year that starts in March ends in a leap day."""
    cdef Civil civil
    cdef int64_t era = day // _ERA_DAYS
    cdef int64_t of_era = day - era * _ERA_DAYS
    cdef int64_t year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    cdef int64_t of_year = of_era - (365 * year + year // 4 - year // 100)
    cdef int64_t month = (5 * of_year + 2) // 153
    civil.day = <int>(of_year - (153 * month + 2) // 5 + 1)
    civil.month = <int>(month + 3 if month < 10 else month - 9)
    civil.year = <int>(year + era * 400 + (civil.month <= 2))
    return civil


cdef object _uuid(const uint8_t* data):
    """Make what UUID(bytes=…) makes, without its __init__, whose checks cost more than the rest of a row."""
    cdef object made = PyType_GenericNew(<PyTypeObject*>UUID, NULL, NULL)
    PyObject_GenericSetAttr(made, _INT, _PyLong_FromByteArray(data, 16, 0, 0))
    PyObject_GenericSetAttr(made, _IS_SAFE, _UNKNOWN)
    # It refers to an int and a constant, and can't be changed: the collector need not visit it.
    PyObject_GC_UnTrack(<void*>made)
    return made


cdef object _timestamp(int64_t milliseconds, object zone):
    """Return a datetime; None outside of the years 1 to 9999."""
    cdef int64_t day = milliseconds / _DAY_MILLISECONDS
    cdef int64_t rest = milliseconds - day * _DAY_MILLISECONDS
    cdef Civil civil
    if rest < 0:
        rest += _DAY_MILLISECONDS
        day -= 1
    day += _UNIX_DAY
    if not _FIRST_DAY <= day < _DAYS_END:
        return None
    civil = _civil(day)
    return datetime_new(
        civil.year,
        civil.month,
        civil.day,
        <int>(rest / 3600000),
        <int>(rest / 60000 % 60),
        <int>(rest / 1000 % 60),
        <int>(rest % 1000 * 1000),
        zone,
    )


cdef object _date(int64_t day):
    """Return a date; None outside of the years 1 to 9999."""
    cdef Civil civil
    day += _UNIX_DAY
    if not _FIRST_DAY <= day < _DAYS_END:
        return None
    civil = _civil(day)
    return date_new(civil.year, civil.month, civil.day)


cdef object _float(const uint8_t* data):
    cdef uint32_t bits = _unsigned32(data)
    cdef float value
    memcpy(&value, &bits, 4)
    return <double>value


cdef object _double(const uint8_t* data):
    cdef uint64_t bits = _unsigned64(data)
    cdef double value
    memcpy(&value, &bits, 8)
    return value


cdef object _decoded(int kind, const uint8_t* data, Py_ssize_t size):
    """Return a value; None where it isn't one of the usual size, or in the range of what it is to become."""
    if kind == TEXT:
        return PyUnicode_DecodeUTF8(<const char*>data, size, NULL)
    if kind == INT:
        return <int32_t>_unsigned32(data) if size == 4 else None
    if kind == BIGINT:
        return <int64_t>_unsigned64(data) if size == 8 else None
    if kind == DOUBLE:
        return _double(data) if size == 8 else None
    if kind == UUID_:
        return _uuid(data) if size == 16 else None
    if kind == TIMESTAMP:
        return _timestamp(<int64_t>_unsigned64(data), None) if size == 8 else None
    if kind == TIMESTAMP_AWARE:
        return _timestamp(<int64_t>_unsigned64(data), _UTC) if size == 8 else None
    if kind == BOOLEAN:
        return data[0] != 0 if size == 1 else None
    if kind == BLOB:
        return PyBytes_FromStringAndSize(<const char*>data, size)
    if kind == ASCII:
        return PyUnicode_DecodeASCII(<const char*>data, size, NULL)
    if kind == DATE:
        return _date(<int64_t>_unsigned32(data) - _DATE_OFFSET) if size == 4 else None
    if kind == FLOAT:
        return _float(data) if size == 4 else None
    if kind == SMALLINT:
        return <int16_t>_unsigned16(data) if size == 2 else None
    if kind == TINYINT:
        return <int8_t>data[0] if size == 1 else None
    if kind == DECIMAL:
        return _decimal(data, size)
    if kind == VARINT:
        return _PyLong_FromByteArray(data, size, 0, 1) if size else None
    if kind == TIME:
        return _time(<int64_t>_unsigned64(data)) if size == 8 else None
    if kind == INET:
        return _address(data, size)
    return None


cdef object _decimal(const uint8_t* data, Py_ssize_t size):
    """Return a Decimal; None where it has no digits, or a scale that has no opposite."""
    cdef int32_t scale
    cdef int64_t digits = 0
    cdef Py_ssize_t index
    cdef char text[48]
    if size < 5:
        return None
    scale = <int32_t>_unsigned32(data)
    if scale == _SMALLEST_SCALE:
        return None
    if size > 12:
        return Decimal(f"{_PyLong_FromByteArray(data + 4, size - 4, 0, 1)}e{-scale}")
    if data[4] & 0x80:
        digits = -1
    for index in range(4, size):
        digits = <int64_t>(<uint64_t>digits << 8 | data[index])
    index = snprintf(text, sizeof(text), "%llde%d", <long long>digits, <int>-scale)
    return Decimal(PyUnicode_DecodeASCII(text, index, NULL))


cdef object _time(int64_t nanoseconds):
    """Return a time of day; None for one that isn't within a day, or isn't of whole microseconds."""
    cdef int64_t microseconds = nanoseconds / 1000
    if not 0 <= nanoseconds < _DAY_NANOSECONDS or nanoseconds % 1000:
        return None
    return time_new(
        <int>(microseconds / 3600000000),
        <int>(microseconds / 60000000 % 60),
        <int>(microseconds / 1000000 % 60),
        <int>(microseconds % 1000000),
        None,
    )


cdef object _address(const uint8_t* data, Py_ssize_t size):
    """Return an IP address as text; None where it has another size."""
    cdef char text[16]
    if size == 4:
        size = snprintf(text, sizeof(text), "%d.%d.%d.%d", <int>data[0], <int>data[1], <int>data[2], <int>data[3])
        return PyUnicode_DecodeASCII(text, size, NULL)
    if size == 16:
        return inet_ntop(AF_INET6, PyBytes_FromStringAndSize(<const char*>data, size))
    return None


cdef int _numbers(const uint8_t* data, Py_ssize_t size, int64_t* numbers) noexcept nogil:
    """Read the three [vint]s of a duration; return 0 where the bytes are something else (section 5.22)."""
    cdef Py_ssize_t at = 0
    cdef int index, follow
    cdef uint64_t number
    for index in range(3):
        if at >= size:
            return 0
        follow = 0
        while follow < 8 and data[at] & 0x80 >> follow:
            follow += 1
        if size - at <= follow:
            return 0
        number = data[at] & 0xFF >> follow
        at += 1
        for follow in range(follow, 0, -1):
            number = number << 8 | data[at]
            at += 1
        numbers[index] = <int64_t>(number >> 1 ^ -(number & 1))
    return at == size


# --- types --------------------------------------------------------------------------------


@cython.final
@cython.no_gc_clear  # as RowDecoder
cdef class _Type:
    """A type, what else decodes its values, and the types that it is made of.

    A value that isn't as it should be is handed on whole: from the outermost type whose bytes are broken,
    or the innermost one whose value is odd.
    """

    cdef int kind
    cdef object other
    cdef tuple parts
    #: What is made of the elements, where that isn't the usual; a record's names.
    cdef object make
    #: A vector's elements, and the bytes of each.
    cdef Py_ssize_t count
    cdef Py_ssize_t each

    cdef object value(self, const uint8_t* data, Py_ssize_t size):
        """Decode a value."""
        cdef object value
        if self.kind < LIST:
            value = _decoded(self.kind, data, size)
        elif self.kind == LIST:
            value = self._list(data, size)
        elif self.kind == MAP:
            value = self._map(data, size)
        elif self.kind == VECTOR:
            value = self._vector(data, size)
        elif self.kind == DURATION:
            value = self._duration(data, size)
        elif self.kind == CONVERTED:
            value = (<_Type>PyTuple_GET_ITEM(self.parts, 0)).value(data, size)
            if value is not None:
                value = self.make(value)
        else:
            value = self._tuple(data, size)
        if value is None:
            if self.other is None:
                return _raise(f"A value can't be decoded from {size} bytes.")
            return self.other(PyBytes_FromStringAndSize(<const char*>data, size))
        return value

    cdef object _list(self, const uint8_t* data, Py_ssize_t size):
        cdef _Type part = <_Type>PyTuple_GET_ITEM(self.parts, 0)
        cdef Py_ssize_t at = 4
        cdef int32_t count, index, length
        cdef list made
        if size < 4:
            return None
        count = <int32_t>_unsigned32(data)
        if count > (size - 4) / 4:
            return None
        made = []
        for index in range(count):
            length = _length(data, size, &at)
            if length < 0:
                return None
            PyList_Append(made, part.value(data + at, length))
            at += length
        return made if self.make is None else self.make(made)

    cdef object _map(self, const uint8_t* data, Py_ssize_t size):
        cdef _Type key = <_Type>PyTuple_GET_ITEM(self.parts, 0)
        cdef _Type item = <_Type>PyTuple_GET_ITEM(self.parts, 1)
        cdef Py_ssize_t at = 4
        cdef int32_t count, index, length
        cdef list pairs
        cdef dict made
        cdef object left
        if size < 4:
            return None
        count = <int32_t>_unsigned32(data)
        if count > (size - 4) / 8:
            return None
        made, pairs = {}, []
        for index in range(count):
            length = _length(data, size, &at)
            if length < 0:
                return None
            left = key.value(data + at, length)
            at += length
            length = _length(data, size, &at)
            if length < 0:
                return None
            if self.make is None:
                PyDict_SetItem(made, left, item.value(data + at, length))
            else:
                PyList_Append(pairs, (left, item.value(data + at, length)))
            at += length
        return made if self.make is None else self.make(pairs)

    cdef object _vector(self, const uint8_t* data, Py_ssize_t size):
        cdef _Type part = <_Type>PyTuple_GET_ITEM(self.parts, 0)
        cdef Py_ssize_t index
        cdef list made
        cdef object value
        if size / self.each != self.count or size % self.each:
            return None
        if part.kind == FLOAT and self.each == 4:  # what nearly all vectors are made of
            made = PyList_New(self.count)
            for index in range(self.count):
                value = _float(data + index * 4)
                Py_INCREF(value)
                PyList_SET_ITEM(made, index, value)
        else:
            made = []
            for index in range(self.count):
                PyList_Append(made, part.value(data + index * self.each, self.each))
        return made if self.make is None else self.make(made)

    cdef object _tuple(self, const uint8_t* data, Py_ssize_t size):
        """Decode a tuple, or a record: its parts may be null, and the last ones missing."""
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t index
        cdef int32_t length
        cdef list made = []
        cdef dict record = {}
        cdef object value
        if not size:
            return None
        for index in range(PyTuple_GET_SIZE(self.parts)):
            value = None
            if at < size:
                if size - at < 4:
                    return None
                length = <int32_t>_unsigned32(data + at)
                at += 4
                if length > size - at:
                    return None
                if length >= 0:
                    value = (<_Type>PyTuple_GET_ITEM(self.parts, index)).value(data + at, length)
                    at += length
            if self.kind == RECORD:
                PyDict_SetItem(record, <object>PyTuple_GET_ITEM(self.make, index), value)
            else:
                PyList_Append(made, value)
        if self.kind == RECORD:
            return record
        return PyList_AsTuple(made) if self.make is None else self.make(made)

    cdef object _duration(self, const uint8_t* data, Py_ssize_t size):
        """Decode three [vint]s: the first byte's leading ones tell how many follow it (section 5.22)."""
        cdef int64_t numbers[3]
        return self.make(numbers[0], numbers[1], numbers[2]) if _numbers(data, size, numbers) else None


cdef inline int32_t _length(const uint8_t* data, Py_ssize_t size, Py_ssize_t* at) noexcept nogil:
    """Read the length of what follows; less than 0 where there isn't as much, or it is a null."""
    cdef int32_t length
    if size - at[0] < 4:
        return -1
    length = <int32_t>_unsigned32(data + at[0])
    at[0] += 4
    return length if length <= size - at[0] else -1


#: Each kind of type that is made of others: how many those are, where that is known.
cdef dict _MADE_OF = {"list": (LIST, 1), "map": (MAP, 2), "vector": (VECTOR, 1), "tuple": (TUPLE, 0), "record": (RECORD, 0), "converted": (CONVERTED, 1)}


cdef _Type _type(str name, object kind, object other):
    """Make a type.

    Args:
        name: The column's name, for errors.
        kind: Its kind: a str, or a tuple with the kind, its parts and what is made of them.
        other: What decodes a value that isn't decoded here, or None.
    """
    cdef _Type made = _Type()
    if other is not None and not callable(other):
        raise TypeError(f"What decodes {name!r} can't be called: it is of {type(other).__name__}.")
    made.other = other
    made.parts = ()
    if type(kind) is str:
        made.kind = _DECODED.get(kind, OTHER)
        if made.kind == OTHER and other is None:
            raise ValueError(f"{name!r} is of kind {kind!r}, which needs another decoder: found None.")
        return made
    if type(kind) is not tuple or len(kind) != 3 or type(kind[1]) is not tuple:
        raise TypeError(f"The kind of {name!r} must be a str, or a tuple of a name, its parts and what is made of them.")
    sort, parts, make = kind
    if sort == "duration":
        if not callable(make):
            raise TypeError(f"What makes durations of {name!r} can't be called: it is of {type(make).__name__}.")
        made.kind, made.make = DURATION, make
        return made
    if sort not in _MADE_OF:
        raise ValueError(f"{name!r} is of kind {sort!r}, which isn't known here.")
    made.kind, wanted = _MADE_OF[sort]
    made.parts = tuple([_type(name, part, odd) for part, odd in parts])
    if not parts or wanted not in (0, len(parts)):
        raise ValueError(f"{name!r} is a {sort} of {len(parts)} types.")
    if sort == "vector":
        made.count, made.each, make = make
        if made.count < 1 or made.each < 1:
            raise ValueError(f"{name!r} is a vector of {made.count} elements of {made.each} bytes.")
    if sort == "record":
        if type(make) is not tuple or len(make) != len(parts) or any([type(field) is not str for field in make]):
            raise TypeError(f"The record {name!r} needs a tuple with a name for each of its {len(parts)} parts.")
        make = tuple([intern(field) for field in make])
    elif (make is not None or sort == "converted") and not callable(make):
        raise TypeError(f"What is made of {name!r} can't be called: it is of {type(make).__name__}.")
    made.make = make
    return made
