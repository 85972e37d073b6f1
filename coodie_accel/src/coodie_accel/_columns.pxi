"""Rows to columns: buffers in the layout of Arrow's columnar format, without an object for each value."""

cdef struct _Column:
    int kind
    #: The bytes of a value; 0 for text and blobs, 1 for bits.
    int width
    #: A vector's elements: their kind, the bytes of each, and how many there are; a decimal's scale.
    int element
    int each
    int count
    #: The values, the places where they begin, and the bitmap of those that aren't null; each a bytes.
    PyObject* data
    PyObject* offsets
    PyObject* valid
    Py_ssize_t used
    Py_ssize_t nulls
    #: A value isn't as it should be: the column is decoded to objects.
    bint is_odd


#: The bytes of each kind of values that has a size.
cdef dict _WIDTHS = {
    TINYINT: 1, SMALLINT: 2, INT: 4, BIGINT: 8, FLOAT: 4, DOUBLE: 8, DATE: 4, TIME: 8, TIMESTAMP: 8, UUID_: 16,
}
cdef dict _FILLED = {
    "tinyint": TINYINT, "smallint": SMALLINT, "int": INT, "bigint": BIGINT, "counter": BIGINT, "boolean": BOOLEAN,
    "float": FLOAT, "double": DOUBLE, "text": TEXT, "ascii": ASCII, "blob": BLOB, "uuid": UUID_,
    "timeuuid": UUID_, "date": DATE, "timestamp": TIMESTAMP, "time": TIME, "duration": DURATION, "varint": VARINT,
    "inet": INET,
}

#: The first size of a buffer for values of any size, by value.
cdef Py_ssize_t _SIZED = 16
cdef Py_ssize_t _LARGEST_BUFFER = 2147483647

#: The largest power of ten that a decimal's digits are multiplied by: the product has less than 38 digits.
cdef int _LARGEST_SHIFT = 18


cdef bint _is_utf8(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """Tell whether bytes are UTF-8, as Python decodes it: without surrogates and longer forms (RFC 3629)."""
    cdef Py_ssize_t at = 0
    cdef int index, follow
    cdef uint32_t point, least
    while at < size:
        if data[at] < 0x80:
            at += 1
            continue
        if data[at] < 0xC2 or data[at] > 0xF4:
            return False
        if data[at] < 0xE0:
            follow, least = 1, 0x80
        elif data[at] < 0xF0:
            follow, least = 2, 0x800
        else:
            follow, least = 3, 0x10000
        if size - at <= follow:
            return False
        point = data[at] & (0x3F >> follow)
        for index in range(1, follow + 1):
            if data[at + index] & 0xC0 != 0x80:
                return False
            point = point << 6 | (data[at + index] & 0x3F)
        if point < least or 0xD800 <= point <= 0xDFFF or point > 0x10FFFF:
            return False
        at += follow + 1
    return True


cdef bint _is_ascii(const uint8_t* data, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t at
    cdef uint8_t all_bits = 0
    for at in range(size):
        all_bits |= data[at]
    return all_bits < 0x80


cdef void _store(uint8_t* out, int kind, const uint8_t* data) noexcept nogil:
    """Store a number in the machine's order of bytes."""
    cdef uint16_t two
    cdef uint32_t four
    cdef uint64_t eight
    if kind == INT or kind == FLOAT:
        four = _unsigned32(data)
        memcpy(out, &four, 4)
    elif kind == BIGINT or kind == DOUBLE or kind == TIMESTAMP or kind == TIME:
        eight = _unsigned64(data)
        memcpy(out, &eight, 8)
    elif kind == DATE:
        four = <uint32_t>(_unsigned32(data) - <uint32_t>0x80000000)
        memcpy(out, &four, 4)
    elif kind == SMALLINT:
        two = _unsigned16(data)
        memcpy(out, &two, 2)
    elif kind == TINYINT:
        out[0] = data[0]
    else:
        memcpy(out, data, 16)


cdef void _little(uint8_t* out, uint64_t low, uint64_t high) noexcept nogil:
    """Store a number of 16 bytes; Arrow's decimals are in the machine's order, which is little endian here."""
    memcpy(out, &low, 8)
    memcpy(out + 8, &high, 8)


cdef bint _store_varint(uint8_t* out, const uint8_t* data, Py_ssize_t size) noexcept nogil:
    """Store an integer of up to 15 bytes, which has less than 38 digits."""
    cdef uint64_t low, high
    cdef Py_ssize_t index
    if not 0 < size <= 15:
        return False
    low = high = <uint64_t>-1 if data[0] & 0x80 else 0
    for index in range(size):
        high = high << 8 | low >> 56
        low = low << 8 | data[index]
    _little(out, low, high)
    return True


cdef bint _store_decimal(uint8_t* out, const uint8_t* data, Py_ssize_t size, int scale) noexcept nogil:
    """Store a decimal of up to 8 bytes of digits, if it has no more digits after the point than the column."""
    cdef int64_t shift
    cdef uint64_t digits = 0, factor = 1, low, high, first, second, third, fourth, middle
    cdef uint64_t half = <uint32_t>-1
    cdef Py_ssize_t index
    cdef bint is_negative
    if not 4 < size <= 12:
        return False
    shift = <int64_t>scale - <int32_t>_unsigned32(data)
    if not 0 <= shift <= _LARGEST_SHIFT:
        return False
    is_negative = data[4] & 0x80 != 0
    if is_negative:
        digits = <uint64_t>-1
    for index in range(4, size):
        digits = digits << 8 | data[index]
    if is_negative:
        digits = 0 - digits
    for index in range(shift):
        factor *= 10
    # 64 by 64 bits, in halves.
    first = (digits & half) * (factor & half)
    second = (digits >> 32) * (factor & half)
    third = (digits & half) * (factor >> 32)
    fourth = (digits >> 32) * (factor >> 32)
    middle = (first >> 32) + (second & half) + (third & half)
    low = middle << 32 | (first & half)
    high = fourth + (second >> 32) + (third >> 32) + (middle >> 32)
    if is_negative:
        high = ~high + (1 if low == 0 else 0)
        low = 0 - low
    _little(out, low, high)
    return True


cdef inline uint8_t* _place(PyObject* owner) noexcept:
    return <uint8_t*>PyBytes_AS_STRING(<object>owner)


cdef int _begin(_Column* column, Py_ssize_t rows) except -1:
    """Allocate the buffers of a column."""
    cdef Py_ssize_t size = rows * column.width
    if column.kind == BOOLEAN:
        size = (rows + 7) // 8
    elif not column.width:
        size = rows * _SIZED
        column.offsets = _PyBytes_FromStringAndSize(NULL, (rows + 1) * 4)
        memset(_place(column.offsets), 0, 4)
    column.data = _PyBytes_FromStringAndSize(NULL, size)
    if column.kind == BOOLEAN:
        memset(_place(column.data), 0, size)
    return 0


cdef int _append(_Column* column, const uint8_t* data, Py_ssize_t size) except -1:
    """Add a value of any size."""
    cdef Py_ssize_t capacity = PyBytes_GET_SIZE(<object>column.data)
    if size > _LARGEST_BUFFER - column.used:
        column.is_odd = True  # the conversion of objects says so
        return 0
    if column.used + size > capacity:
        _PyBytes_Resize(&column.data, max(column.used + size, 2 * capacity))
    memcpy(_place(column.data) + column.used, data, size)
    column.used += size
    return 0


cdef int _put_null(_Column* column, Py_ssize_t row, Py_ssize_t rows) except -1:
    """Add a null; the first one makes the bitmap."""
    if column.valid == NULL:
        column.valid = _PyBytes_FromStringAndSize(NULL, (rows + 7) // 8)
        memset(_place(column.valid), 0xFF, (rows + 7) // 8)
    _place(column.valid)[row >> 3] &= <uint8_t>~(1 << (row & 7))
    column.nulls += 1
    if column.width and column.kind != BOOLEAN:
        memset(_place(column.data) + row * column.width, 0, column.width)
    return 0


cdef int _put_value(_Column* column, Py_ssize_t row, const uint8_t* data, Py_ssize_t size) except -1:
    """Add a value."""
    cdef int64_t numbers[3]
    cdef int32_t two[2]
    cdef uint8_t* out
    cdef Py_ssize_t index
    cdef char text[16]
    cdef object address
    cdef int kind = column.kind
    if kind == TEXT or kind == BLOB or kind == ASCII:
        if kind != BLOB and not _is_ascii(data, size) and (kind == ASCII or not _is_utf8(data, size)):
            column.is_odd = True
            return 0
        return _append(column, data, size)
    if kind == INET:
        if size == 4:
            size = snprintf(text, sizeof(text), "%d.%d.%d.%d", <int>data[0], <int>data[1], <int>data[2], <int>data[3])
            return _append(column, <const uint8_t*>text, size)
        address = _address(data, size)
        if address is None:
            column.is_odd = True
            return 0
        return _append(column, <const uint8_t*>PyUnicode_DATA(address), PyUnicode_GET_LENGTH(address))
    if kind == BOOLEAN:
        if size != 1:
            column.is_odd = True
        elif data[0]:
            _place(column.data)[row >> 3] |= <uint8_t>(1 << (row & 7))
        return 0
    out = _place(column.data) + row * column.width
    if kind == VECTOR:
        if size != column.width:
            column.is_odd = True
            return 0
        for index in range(column.count):
            _store(out + index * column.each, column.element, data + index * column.each)
    elif kind == DECIMAL:
        column.is_odd = not _store_decimal(out, data, size, column.count)
    elif kind == VARINT:
        column.is_odd = not _store_varint(out, data, size)
    elif kind == DURATION:
        if not _numbers(data, size, numbers) or numbers[0] != <int32_t>numbers[0] or numbers[1] != <int32_t>numbers[1]:
            column.is_odd = True
            return 0
        # Numbers of different signs are an error, as they are for objects.
        if min(numbers[0], numbers[1], numbers[2]) < 0 < max(numbers[0], numbers[1], numbers[2]):
            column.is_odd = True
            return 0
        two[0], two[1] = <int32_t>numbers[0], <int32_t>numbers[1]
        memcpy(out, two, 8)
        memcpy(out + 8, &numbers[2], 8)
    elif size != column.width:
        column.is_odd = True
    elif kind == TIME and _unsigned64(data) >= <uint64_t>_DAY_NANOSECONDS:
        column.is_odd = True
    else:
        _store(out, kind, data)
    return 0


cdef object _taken(_Column* column, Py_ssize_t rows):
    """Return a column's nulls, its bitmap, and its buffers: offsets, if it has any, and values."""
    cdef object valid = None if column.valid == NULL else <object>column.valid
    if column.offsets == NULL:
        return column.nulls, valid, <object>column.data
    if column.used < PyBytes_GET_SIZE(<object>column.data):
        _PyBytes_Resize(&column.data, column.used)
    return column.nulls, valid, <object>column.offsets, <object>column.data


cdef void _give_back(_Column* column) noexcept:
    Py_XDECREF(column.data)
    Py_XDECREF(column.offsets)
    Py_XDECREF(column.valid)


@cython.final
@cython.no_gc_clear  # as RowDecoder
cdef class ColumnDecoder:
    """Read the columns of one result shape.

    A column is either filled, or a list of objects. A form says how it is filled, or is None: a type's name;
    ``("vector", name, count)`` of numbers; ``("decimal", scale)``, of 38 digits, as ``"varint"``. A filled
    column with a value that isn't as it should be is a list of objects as well.

    Args:
        names: The columns' names.
        kinds: Their kinds, as of ``RowDecoder``.
        others: What else decodes values, as of ``RowDecoder``.
        forms: How each column is filled, or None.

    Raises:
        TypeError: As of ``RowDecoder``.
        ValueError: As of ``RowDecoder``; or a form isn't known.
    """

    cdef tuple _names
    cdef tuple _types
    cdef _Column* _forms

    def __cinit__(
        self, tuple names not None, tuple kinds not None, tuple others not None, tuple forms not None
    ):
        cdef Py_ssize_t count = len(names)
        cdef Py_ssize_t index
        cdef _Column* column
        if not count or len(kinds) != count or len(others) != count or len(forms) != count:
            raise ValueError(
                f"A decoder needs columns, each with name, kind, other decoder and form: found "
                f"{len(names)}, {len(kinds)}, {len(others)} and {len(forms)}."
            )
        for name in names:
            if type(name) is not str:
                raise TypeError(f"A column's name must be a str, found {type(name).__name__}.")
        self._names = names
        self._types = tuple(
            [_type(name, kind, other) for name, kind, other in zip(names, kinds, others)]
        )
        self._forms = <_Column*>PyMem_Malloc(count * sizeof(_Column))
        if self._forms == NULL:
            raise MemoryError
        memset(self._forms, 0, count * sizeof(_Column))
        for index in range(count):
            column = &self._forms[index]
            form = forms[index]
            column.kind = OTHER
            if form is None:
                continue
            if type(form) is str and form in _FILLED:
                column.kind = _FILLED[form]
                if column.kind == DURATION or column.kind == VARINT:
                    column.width = 16
                else:
                    column.width = 1 if column.kind == BOOLEAN else _WIDTHS.get(column.kind, 0)
            elif type(form) is tuple and len(form) == 2 and form[0] == "decimal":
                column.kind, column.width, column.count = DECIMAL, 16, form[1]
            elif type(form) is tuple and len(form) == 3 and form[0] == "vector" and _FILLED.get(form[1]) in _WIDTHS and 0 < form[2] < 65536:
                column.kind, column.element, column.count = VECTOR, _FILLED[form[1]], form[2]
                column.each = _WIDTHS[column.element]
                column.width = column.count * column.each
            else:
                raise ValueError(f"{names[index]!r} has the form {form!r}, which isn't known here.")

    def __dealloc__(self):
        PyMem_Free(self._forms)

    def decode(self, bytes body not None, Py_ssize_t start, Py_ssize_t rows):
        """Return each column: a tuple of its nulls, bitmap and buffers; or a list of objects.

        Args:
            body: The bytes of a RESULT message.
            start: Where the first row's first value has its length.
            rows: How many rows there are.

        Raises:
            ValueError: The bytes end before the rows do; or a value can't be decoded, and nothing else
                decodes it.
            Exception: One of the other decoders raised it.
        """
        cdef Py_ssize_t end = PyBytes_GET_SIZE(body)
        cdef Py_ssize_t count = PyTuple_GET_SIZE(self._names)
        cdef Py_ssize_t index
        cdef list found = [None] * count
        cdef bint has_odd = False
        cdef _Column* columns
        if not 0 <= start <= end or rows < 0:
            raise ValueError(f"There are no {rows} rows at byte {start} of a result of {end} bytes.")
        # Each value has its length at least.
        if rows > (end - start) / 4 / count:
            raise ValueError(f"{rows} rows can't be in the {end - start} bytes that a result has for them.")
        columns = <_Column*>PyMem_Malloc(count * sizeof(_Column))
        if columns == NULL:
            raise MemoryError
        memcpy(columns, self._forms, count * sizeof(_Column))
        try:
            for index in range(count):
                # A large vector's nulls would take more than the result has: objects don't.
                if columns[index].kind == VECTOR and rows * columns[index].width > 2 * end + 4096:
                    columns[index].kind = OTHER
                if columns[index].kind == OTHER:
                    found[index] = []
                else:
                    _begin(&columns[index], rows)
            self._fill(body, start, rows, columns, found)
            for index in range(count):
                if columns[index].is_odd:
                    has_odd, found[index] = True, []
                elif columns[index].kind != OTHER:
                    found[index] = _taken(&columns[index], rows)
                    columns[index].kind = BLOB  # done: nothing is decoded for it again
                    columns[index].is_odd = True
            if has_odd:
                for index in range(count):
                    # Only the lists that were made above are filled.
                    columns[index].kind = OTHER if type(found[index]) is list and not found[index] else BLOB
                    columns[index].is_odd = True
                self._fill(body, start, rows, columns, found)
            return found
        finally:
            for index in range(count):
                _give_back(&columns[index])
            PyMem_Free(columns)

    cdef int _fill(self, bytes body, Py_ssize_t start, Py_ssize_t rows, _Column* columns, list found) except -1:
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(body)
        cdef Py_ssize_t end = PyBytes_GET_SIZE(body)
        cdef Py_ssize_t count = PyTuple_GET_SIZE(self._names)
        cdef Py_ssize_t at = start
        cdef Py_ssize_t row, index
        cdef int32_t size
        cdef int32_t used
        cdef object value
        cdef _Column* column
        for row in range(rows):
            for index in range(count):
                if end - at < 4:
                    _raise(f"The result ends inside of {self._names[index]!r} of row {row}: it is broken.")
                size = <int32_t>_unsigned32(data + at)
                at += 4
                if size > end - at:
                    _raise(f"The result ends inside of {self._names[index]!r} of row {row}: it is broken.")
                column = &columns[index]
                if column.kind == OTHER:
                    value = None
                    if size >= 0:
                        value = (<_Type>PyTuple_GET_ITEM(self._types, index)).value(data + at, size)
                    PyList_Append(<list>found[index], value)
                elif not column.is_odd:
                    if size < 0:
                        _put_null(column, row, rows)
                    else:
                        _put_value(column, row, data + at, size)
                    if column.offsets != NULL:
                        used = <int32_t>column.used
                        memcpy(_place(column.offsets) + (row + 1) * 4, &used, 4)
                if size > 0:
                    at += size
        return 0
