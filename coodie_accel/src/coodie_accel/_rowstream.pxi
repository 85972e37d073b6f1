"""An async iterator that hands on the rows of pages, without a generator's step for each of them."""

cdef extern from *:
    """
    static int (*coodie_step)(PyObject *, PyObject *, PyObject **);
    static PySendResult coodie_step_send(PyObject *self, PyObject *value, PyObject **result) {
        return (PySendResult)coodie_step(self, value, result);
    }
    /* An exception of a tuple or of another exception has to be made here, as genobject.c does. */
    static PyObject *coodie_step_next(PyObject *self) {
        PyObject *value = NULL, *error;
        int sent = coodie_step(self, Py_None, &value);
        if (sent != PYGEN_RETURN) return sent == PYGEN_NEXT ? value : NULL;
        if (PyTuple_Check(value) || PyExceptionInstance_Check(value)) {
            error = PyObject_CallFunctionObjArgs(PyExc_StopIteration, value, NULL);
            Py_DECREF(value);
            value = error;
        }
        if (value != NULL) {
            PyErr_SetObject(PyExc_StopIteration, value);
            Py_DECREF(value);
        }
        return NULL;
    }
    static void coodie_use_step(PyTypeObject *type, int (*step)(PyObject *, PyObject *, PyObject **)) {
        coodie_step = step;
        type->tp_as_async->am_send = coodie_step_send;
        type->tp_iternext = coodie_step_next;
    }
    """
    void coodie_use_step(PyTypeObject* type, int (*step)(PyObject*, PyObject*, PyObject**) except? -1)

cdef extern from "Python.h":
    int PyIter_Send(object iterator, object value, PyObject** result) except? -1
    PyObject* _PyIter_Next "PyIter_Next"(object iterator) except? NULL


@cython.final
cdef class RowStream:
    """The rows of pages, as the async generator that yields them one by one.

    Args:
        pages: An async generator of pages. It is asked for a page when all rows of the one before are taken,
            and has to let go of that itself.
    """

    cdef object _pages
    #: The rest of the page, an iterator; None for nothing.
    cdef object _rows

    def __cinit__(self, object pages not None):
        self._pages = pages

    def __aiter__(self):
        return self

    def __anext__(self):
        """Return an awaitable of the next row, which takes it when it is awaited."""
        cdef _Step step = _Step.__new__(_Step)
        step._stream = self
        return step

    def asend(self, value):
        """Return an awaitable of the next row; the value is ignored."""
        return self.__anext__()

    def athrow(self, *raised):
        """Return an awaitable that raises an exception where the pages are, which ends them."""
        self._rows = None
        return self._pages.athrow(*raised)

    def aclose(self):
        """Return an awaitable that closes the pages."""
        self._rows = None
        return self._pages.aclose()


@cython.final
@cython.freelist(8)
cdef class _Step:
    """The awaitable of one row: of the page that is there, or of the next one."""

    #: None once the row is taken.
    cdef RowStream _stream
    #: The awaitable of the next page.
    cdef object _waiting

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):  # the slot is replaced below
        return self.send(None)

    def send(self, value):
        """Take the row, or go on to wait for a page."""
        cdef PyObject* result = NULL
        cdef object found
        cdef int sent = _step(<PyObject*>self, <PyObject*>value, &result)
        found = <object>result
        Py_XDECREF(result)
        if sent == _YIELDED:
            return found
        raise StopIteration(found)

    def throw(self, *raised):
        """Raise an exception where a page is waited for."""
        if self._stream is not None and self._waiting is None:
            self._stream._rows = None
            self._waiting = self._stream._pages.__anext__()
        return _asked(self).throw(*raised)

    def close(self):
        """Wait no more."""
        self._stream = None
        if self._waiting is not None:
            self._waiting.close()


cdef object _asked(_Step step):
    """Return the awaitable of the next page."""
    if step._waiting is None:
        if step._stream is None:
            raise RuntimeError("cannot reuse already awaited __anext__()/asend()")
        step._waiting = step._stream._pages.__anext__()
    return step._waiting


cdef int _step(PyObject* step, PyObject* value, PyObject** result) except? -1:
    """Send a value: the result is a row, or what the pages wait for."""
    cdef _Step self = <_Step>step
    cdef RowStream stream = self._stream
    cdef object given = <object>value
    cdef PyObject* row
    cdef int sent
    while True:
        result[0] = NULL
        if self._waiting is None and stream is not None and stream._rows is not None:
            row = _PyIter_Next(stream._rows)
            if row != NULL:
                self._stream = None
                result[0] = row
                return _RETURNED
            stream._rows = None
        sent = PyIter_Send(_asked(self), given, result)
        if sent != _RETURNED:
            return sent
        page = <object>result[0]
        Py_XDECREF(result[0])
        self._waiting = None
        if stream is not None:
            stream._rows = iter(page)
        given = None


coodie_use_step(<PyTypeObject*>_Step, _step)
