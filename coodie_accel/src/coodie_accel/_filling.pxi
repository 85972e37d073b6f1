"""Columns being filled: values to buffers in the layout of Arrow's columnar format."""

cdef struct _Column:
    int kind
    #: The bytes of a value; 0 for text, blobs, and what is made of other columns; 1 for bits.
    int width
    #: A vector's elements: their kind, the bytes of each, and how many there are; a decimal's scale.
    int element
    int each
    int count
    #: The columns that it is made of: of elements, of keys and values, or of a struct's fields.
    int parts
    Py_ssize_t first
    _Column* part
    #: The values, the places where they begin, and the bitmap of those that aren't null; each a bytes.
    PyObject* data
    PyObject* offsets
    PyObject* valid
    #: The values so far, and how many the buffers have room for; the bytes of those without a size.
    Py_ssize_t length
    Py_ssize_t capacity
    Py_ssize_t used
    Py_ssize_t nulls
    #: The bytes by which all columns of a result may still grow, beyond those of their values.
    Py_ssize_t* left
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

#: The first size of a column that is part of another one, in values.
cdef Py_ssize_t _FEW = 16

#: Each form that is made of others: its kind, and how many those are, where that is known.
cdef dict _NESTED = {"list": (LIST, 1), "map": (MAP, 2), "struct": (TUPLE, 0)}

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


cdef inline bint _has_offsets(_Column* column) noexcept nogil:
    return column.width == 0 and column.kind != TUPLE


cdef inline Py_ssize_t _bytes_of(_Column* column, Py_ssize_t values) noexcept nogil:
    """Return the bytes of so many values that have a size."""
    return (values + 7) // 8 if column.kind == BOOLEAN else values * column.width


cdef int _begin(_Column* column, Py_ssize_t capacity, Py_ssize_t* left) except -1:
    """Allocate the buffers of a column, and of those that it is made of, which grow."""
    cdef int index
    column.capacity = capacity
    column.left = left
    if _has_offsets(column):
        column.offsets = _PyBytes_FromStringAndSize(NULL, (capacity + 1) * 4)
        memset(_place(column.offsets), 0, 4)
    if column.width:
        column.data = _PyBytes_FromStringAndSize(NULL, _bytes_of(column, capacity))
        if column.kind == BOOLEAN:
            memset(_place(column.data), 0, _bytes_of(column, capacity))
    elif not column.parts:
        column.data = _PyBytes_FromStringAndSize(NULL, capacity * _SIZED)
    for index in range(column.parts):
        _begin(&column.part[index], 0, left)
    return 0


cdef int _grow(_Column* column) except -1:
    """Make room for more values of a column that is part of another one."""
    cdef Py_ssize_t old = column.capacity
    cdef Py_ssize_t capacity = 2 * old if old else _FEW
    cdef Py_ssize_t size = (capacity - old) * (column.width + 4)
    cdef Py_ssize_t bits = _bytes_of(column, old) if column.kind == BOOLEAN else (old + 7) // 8
    if size > column.left[0]:
        column.is_odd = True  # a small result of many nulls: objects take less
        return 0
    column.left[0] -= size
    if column.width:
        _PyBytes_Resize(&column.data, _bytes_of(column, capacity))
        if column.kind == BOOLEAN:
            memset(_place(column.data) + bits, 0, _bytes_of(column, capacity) - bits)
    if column.offsets != NULL:
        _PyBytes_Resize(&column.offsets, (capacity + 1) * 4)
    if column.valid != NULL:
        _PyBytes_Resize(&column.valid, (capacity + 7) // 8)
        memset(_place(column.valid) + bits, 0xFF, (capacity + 7) // 8 - bits)
    column.capacity = capacity
    return 0


cdef inline int _end_value(_Column* column) noexcept:
    """Count a value; note where the next one begins."""
    cdef int32_t used
    column.length += 1
    if column.offsets != NULL:
        used = <int32_t>(column.part[0].length if column.parts else column.used)
        memcpy(_place(column.offsets) + column.length * 4, &used, 4)
    return 0


cdef int _append(_Column* column, const uint8_t* data, Py_ssize_t size) except -1:
    """Add the bytes of a value of any size."""
    cdef Py_ssize_t capacity = PyBytes_GET_SIZE(<object>column.data)
    if size > _LARGEST_BUFFER - column.used:
        column.is_odd = True  # the conversion of objects says so
        return 0
    if column.used + size > capacity:
        _PyBytes_Resize(&column.data, max(column.used + size, 2 * capacity))
    memcpy(_place(column.data) + column.used, data, size)
    column.used += size
    return 0


cdef int _put_null(_Column* column) except -1:
    """Add a null; the first one makes the bitmap."""
    cdef Py_ssize_t row = column.length
    cdef int index
    if row == column.capacity:
        _grow(column)
        if column.is_odd:
            return 0
    if column.valid == NULL:
        column.valid = _PyBytes_FromStringAndSize(NULL, (column.capacity + 7) // 8)
        memset(_place(column.valid), 0xFF, (column.capacity + 7) // 8)
    _place(column.valid)[row >> 3] &= <uint8_t>~(1 << (row & 7))
    column.nulls += 1
    if column.width and column.kind != BOOLEAN:
        memset(_place(column.data) + row * column.width, 0, column.width)
    if column.kind == TUPLE:
        for index in range(column.parts):
            _put_null(&column.part[index])
            if column.part[index].is_odd:
                column.is_odd = True
                return 0
    _end_value(column)
    return 0


cdef int _put_value(_Column* column, const uint8_t* data, Py_ssize_t size) except -1:
    """Add a value."""
    if column.length == column.capacity:
        _grow(column)
    if column.is_odd:
        return 0
    if column.width:
        _put_sized(column, data, size)
    elif not column.parts:
        _put_bytes(column, data, size)
    elif column.kind == TUPLE:
        _put_struct(column, data, size)
    else:
        _put_list(column, data, size)
    _end_value(column)
    return 0


cdef int _put_list(_Column* column, const uint8_t* data, Py_ssize_t size) except -1:
    """Add the elements of a list or set, or the keys and values of a map; none of them may be null."""
    cdef Py_ssize_t at = 4
    cdef int32_t count, index, length
    cdef int part
    if size < 4:
        column.is_odd = True
        return 0
    count = <int32_t>_unsigned32(data)
    if count > (size - 4) / (4 * column.parts):
        column.is_odd = True
        return 0
    for index in range(count):
        for part in range(column.parts):
            length = _length(data, size, &at)
            if length < 0:
                column.is_odd = True
                return 0
            _put_value(&column.part[part], data + at, length)
            if column.part[part].is_odd:
                column.is_odd = True
                return 0
            at += length
    return 0


cdef int _put_struct(_Column* column, const uint8_t* data, Py_ssize_t size) except -1:
    """Add the fields of a tuple or a user-defined type: they may be null, and the last ones missing."""
    cdef Py_ssize_t at = 0
    cdef int32_t length
    cdef int index
    cdef _Column* part
    if not size:
        column.is_odd = True
        return 0
    for index in range(column.parts):
        part = &column.part[index]
        length = -1
        if at < size:
            if size - at < 4:
                column.is_odd = True
                return 0
            length = <int32_t>_unsigned32(data + at)
            at += 4
            if length > size - at:
                column.is_odd = True
                return 0
        if length < 0:
            _put_null(part)
        else:
            _put_value(part, data + at, length)
            at += length
        if part.is_odd:
            column.is_odd = True
            return 0
    return 0


cdef int _put_bytes(_Column* column, const uint8_t* data, Py_ssize_t size) except -1:
    """Add a text, a blob or an address."""
    cdef char text[16]
    cdef object address
    if column.kind != INET:
        if column.kind == BLOB or _is_ascii(data, size) or (column.kind == TEXT and _is_utf8(data, size)):
            return _append(column, data, size)
        column.is_odd = True
        return 0
    if size == 4:
        size = snprintf(text, sizeof(text), "%d.%d.%d.%d", <int>data[0], <int>data[1], <int>data[2], <int>data[3])
        return _append(column, <const uint8_t*>text, size)
    address = _address(data, size)
    if address is None:
        column.is_odd = True
        return 0
    return _append(column, <const uint8_t*>PyUnicode_DATA(address), PyUnicode_GET_LENGTH(address))


cdef int _put_sized(_Column* column, const uint8_t* data, Py_ssize_t size) noexcept:
    """Add a value of a type whose values have a size in Arrow."""
    cdef int64_t numbers[3]
    cdef int32_t two[2]
    cdef Py_ssize_t index
    cdef Py_ssize_t row = column.length
    cdef int kind = column.kind
    cdef uint8_t* out = _place(column.data)
    if kind == BOOLEAN:
        if size != 1:
            column.is_odd = True
        elif data[0]:
            out[row >> 3] |= <uint8_t>(1 << (row & 7))
        return 0
    out += row * column.width
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


cdef tuple _taken(_Column* column):
    """Return a column: its length, its nulls, its buffers with the bitmap first, and the columns in it."""
    cdef object valid = None
    cdef tuple parts
    cdef int index
    if column.valid != NULL:
        valid = <object>column.valid
    if column.kind == VECTOR:
        _cut(&column.data, column.length * column.width)
        numbers = (column.length * column.count, 0, (None, <object>column.data), ())
        return column.length, column.nulls, (valid,), (numbers,)
    parts = tuple([_taken(&column.part[index]) for index in range(column.parts)])
    if column.kind == TUPLE:
        return column.length, column.nulls, (valid,), parts
    if column.offsets == NULL:
        _cut(&column.data, _bytes_of(column, column.length))
        return column.length, column.nulls, (valid, <object>column.data), ()
    _cut(&column.offsets, (column.length + 1) * 4)
    if column.kind == MAP:
        parts = ((column.part[0].length, 0, (None,), parts),)
    if column.parts:
        return column.length, column.nulls, (valid, <object>column.offsets), parts
    _cut(&column.data, column.used)
    return column.length, column.nulls, (valid, <object>column.offsets, <object>column.data), ()


cdef int _cut(PyObject** buffer, Py_ssize_t size) except -1:
    """Give back what a buffer has more than is used of it."""
    if size < PyBytes_GET_SIZE(<object>buffer[0]):
        _PyBytes_Resize(buffer, size)
    return 0


cdef void _give_back(_Column* column) noexcept:
    Py_XDECREF(column.data)
    Py_XDECREF(column.offsets)
    Py_XDECREF(column.valid)
