"""Rows to columns: each filled from the bytes of a result, without an object for each value."""


# --- forms --------------------------------------------------------------------------------


cdef Py_ssize_t _columns_of(object form) except -1:
    """Return how many columns a form takes: itself, and those that it is made of."""
    if type(form) is not tuple or not form or form[0] not in _NESTED:
        return 1
    return 1 + sum([_columns_of(part) for part in form[1:]])


cdef int _describe(object form, _Column* columns, Py_ssize_t at, Py_ssize_t* free) except -1:
    """Describe a column, and those that it is made of, which are next to each other.

    Args:
        form: Its form.
        columns: All columns.
        at: Where it is among them.
        free: Where the first is that isn't described; is moved on.

    Raises:
        ValueError: The form isn't known.
    """
    cdef _Column* column = &columns[at]
    cdef Py_ssize_t index
    if type(form) is str and form in _FILLED:
        column.kind = _FILLED[form]
        if column.kind == DURATION or column.kind == VARINT:
            column.width = 16
        else:
            column.width = 1 if column.kind == BOOLEAN else _WIDTHS.get(column.kind, 0)
    elif type(form) is not tuple or not form:
        raise ValueError(f"The form {form!r} isn't known here.")
    elif len(form) == 2 and form[0] == "decimal":
        column.kind, column.width, column.count = DECIMAL, 16, form[1]
    elif len(form) == 3 and form[0] == "vector" and _FILLED.get(form[1]) in _WIDTHS and 0 < form[2] < 65536:
        column.kind, column.element, column.count = VECTOR, _FILLED[form[1]], form[2]
        column.each = _WIDTHS[column.element]
        column.width = column.count * column.each
    elif form[0] in _NESTED and len(form) > 1 and _NESTED[form[0]][1] in (0, len(form) - 1):
        column.kind, column.parts = _NESTED[form[0]][0], <int>(len(form) - 1)
        column.first = free[0]
        free[0] += column.parts
        for index in range(column.parts):
            _describe(form[1 + index], columns, column.first + index, free)
    else:
        raise ValueError(f"The form {form!r} isn't known here.")
    return 0


@cython.final
@cython.no_gc_clear  # as RowDecoder
cdef class ColumnDecoder:
    """Read the columns of one result shape.

    A column is either filled, or a list of objects. A form says how it is filled, or is None:

    - the name of a scalar type;
    - ``("decimal", scale)``: of 38 digits, as those of ``"varint"``;
    - ``("vector", name, count)``: of numbers;
    - ``("list", form)``: a list or a set, whose elements are in the order of the result;
    - ``("map", form, form)``: of keys and values;
    - ``("struct", form, …)``: a tuple, or a value of a user-defined type.

    A filled column with a value that isn't as it should be is a list of objects as well.

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
    #: The columns as they begin, and behind them those that they are made of.
    cdef _Column* _columns
    cdef Py_ssize_t _size

    def __cinit__(
        self, tuple names not None, tuple kinds not None, tuple others not None, tuple forms not None
    ):
        cdef Py_ssize_t count = len(names)
        cdef Py_ssize_t index
        cdef Py_ssize_t free = count
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
        self._size = sum([_columns_of(form) for form in forms])
        self._columns = <_Column*>PyMem_Malloc(self._size * sizeof(_Column))
        if self._columns == NULL:
            raise MemoryError
        memset(self._columns, 0, self._size * sizeof(_Column))
        for index in range(count):
            if forms[index] is None:
                self._columns[index].kind = OTHER
            else:
                _describe(forms[index], self._columns, index, &free)

    def __dealloc__(self):
        PyMem_Free(self._columns)

    def decode(self, bytes body not None, Py_ssize_t start, Py_ssize_t rows):
        """Return each column: a list of objects, or a tuple of

        - its length;
        - its nulls;
        - its buffers, in a tuple: the bitmap of values that aren't null, None if all aren't; offsets; values;
        - the columns that it is made of, each as such a tuple, in a tuple.

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
        cdef Py_ssize_t left = 16 * end + 65536
        cdef list found = [None] * count
        cdef bint has_odd = False
        cdef _Column* columns
        if not 0 <= start <= end or rows < 0:
            raise ValueError(f"There are no {rows} rows at byte {start} of a result of {end} bytes.")
        # Each value has its length at least.
        if rows > (end - start) / 4 / count:
            raise ValueError(f"{rows} rows can't be in the {end - start} bytes that a result has for them.")
        columns = <_Column*>PyMem_Malloc(self._size * sizeof(_Column))
        if columns == NULL:
            raise MemoryError
        memcpy(columns, self._columns, self._size * sizeof(_Column))
        for index in range(self._size):
            columns[index].part = columns + columns[index].first
        try:
            for index in range(count):
                # A large vector's nulls would take more than the result has: objects don't.
                if columns[index].kind == VECTOR and rows * columns[index].width > 2 * end + 4096:
                    columns[index].kind = OTHER
                if columns[index].kind == OTHER:
                    found[index] = []
                else:
                    _begin(&columns[index], rows, &left)
            self._fill(body, start, rows, columns, found)
            for index in range(count):
                if columns[index].is_odd:
                    has_odd, found[index] = True, []
                elif columns[index].kind != OTHER:
                    found[index] = _taken(&columns[index])
            if has_odd:
                for index in range(count):
                    # Only the lists that were made above are filled.
                    columns[index].kind = OTHER if columns[index].is_odd else BLOB
                    columns[index].is_odd = True
                self._fill(body, start, rows, columns, found)
            return found
        finally:
            for index in range(self._size):
                _give_back(&columns[index])
            PyMem_Free(columns)

    cdef int _fill(self, bytes body, Py_ssize_t start, Py_ssize_t rows, _Column* columns, list found) except -1:
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(body)
        cdef Py_ssize_t end = PyBytes_GET_SIZE(body)
        cdef Py_ssize_t count = PyTuple_GET_SIZE(self._names)
        cdef Py_ssize_t at = start
        cdef Py_ssize_t row, index
        cdef int32_t size
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
                        _put_null(column)
                    else:
                        _put_value(column, data + at, size)
                if size > 0:
                    at += size
        return 0
