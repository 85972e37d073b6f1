"""Parameters to bytes: each value behind its length."""

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

    cdef int raw(self, const void* data, Py_ssize_t size) except -1:
        """Add bytes."""
        self.make_room(size)
        memcpy(self.data + self.size, data, size)
        self.size += size
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
        cdef _Message message = _Message(_ROOM + 24 * PyTuple_GET_SIZE(self._others))
        self._add(message, params)
        return PyBytes_FromStringAndSize(<const char*>message.data, message.size)

    cdef int add(self, _Message message, params) except -1:
        """Add what ``encode`` returns."""
        cdef Py_ssize_t size = message.size
        cdef bytes data
        if self._otherwise is None:
            return self._add(message, params)
        try:
            return self._add(message, params)
        except Exception:
            data = self._otherwise(params)
            message.size = size
            return message.raw(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    cdef int _add(self, _Message message, params) except -1:
        # A copy of a list: other encoders may change it.
        cdef tuple values = PyList_AsTuple(params) if isinstance(params, list) else params
        if values is None:
            raise TypeError("Parameters must be a list or a tuple, found None.")
        cdef Py_ssize_t columns = PyTuple_GET_SIZE(self._others)
        cdef Py_ssize_t index
        cdef object value, data
        if PyTuple_GET_SIZE(values) != columns:
            raise ValueError(f"There are {columns} markers and {len(values)} parameters.")
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
        return 0


# --- vectors ------------------------------------------------------------------------------


def pack_numbers(object values not None, str letter not None, Py_ssize_t count):
    """Return numbers as an array has them, in the machine's order of bytes.

    Args:
        values: The numbers.
        letter: The array's type code: "f" or "d", of floats; "i" or "q", of ints.
        count: How many there have to be.

    Returns:
        The bytes; None if values isn't a list or a tuple of that many exact floats or ints in range.
    """
    cdef bint is_float = letter == "f" or letter == "d"
    cdef Py_ssize_t width = 4 if letter == "f" or letter == "i" else 8
    cdef Py_ssize_t index
    cdef bytes made
    cdef char* out
    cdef object value
    cdef double double_
    cdef float float_
    cdef long long number
    cdef int32_t int_
    cdef int overflow = 0
    if type(values) is not list and type(values) is not tuple:
        return None
    if PySequence_Fast_GET_SIZE(values) != count:
        return None
    made = PyBytes_FromStringAndSize(NULL, count * width)
    out = PyBytes_AS_STRING(made)
    for index in range(count):
        value = <object>PySequence_Fast_GET_ITEM(values, index)
        if is_float:
            if not PyFloat_CheckExact(value):
                return None
            double_ = PyFloat_AS_DOUBLE(value)
            if width == 8:
                memcpy(out, &double_, 8)
            else:
                float_ = <float>double_
                if isinf(float_) and not isinf(double_):
                    return None
                memcpy(out, &float_, 4)
        else:
            if not PyLong_CheckExact(value):
                return None
            number = PyLong_AsLongLongAndOverflow(value, &overflow)
            if overflow:
                return None
            if width == 8:
                memcpy(out, &number, 8)
            else:
                int_ = <int32_t>number
                if int_ != number:
                    return None
                memcpy(out, &int_, 4)
        out += width
    return made
