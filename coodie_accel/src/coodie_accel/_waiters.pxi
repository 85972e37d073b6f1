"""Futures of responses, which wake their tasks from the read; and requests by templates, which return them."""

cdef extern from *:
    """
    /* Without am_send, an await would raise StopIteration for the result. */
    static int (*coodie_send)(PyObject *, PyObject *, PyObject **);
    static PySendResult coodie_send_value(PyObject *self, PyObject *value, PyObject **result) {
        return (PySendResult)coodie_send(self, value, result);
    }
    static void coodie_use_send(PyTypeObject *type, int (*send)(PyObject *, PyObject *, PyObject **)) {
        coodie_send = send;
        type->tp_as_async->am_send = coodie_send_value;
    }
    """
    void coodie_use_send(PyTypeObject* type, int (*send)(PyObject*, PyObject*, PyObject**) except? -1)
    int _RETURNED "PYGEN_RETURN"
    int _YIELDED "PYGEN_NEXT"

cdef extern from "Python.h":
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    object PyContext_CopyCurrent()

cdef enum _WaiterState:
    WAITING
    CANCELLED
    ENDED


@cython.final
@cython.freelist(128)
cdef class Waiter:
    """The future of a response, as far as tasks use one: as ``asyncio.Future``, in its loop's thread only.

    A task that awaits it is woken by ``deliver``, without a turn of the loop.

    Args:
        loop: The event loop.
    """

    cdef object _loop
    cdef object _value
    cdef object _message
    #: The callback and its context; nearly always, a task's only one.
    cdef object _callback
    cdef object _context
    #: Further callbacks, each with its context; None for none.
    cdef list _others
    #: What the request was sent by, and its frame; None for a future of the response as it is.
    cdef BoundTemplate _sent_by
    cdef bytes _frame
    cdef int _state
    cdef public bint _asyncio_future_blocking

    def __init__(self, loop):
        self._loop = loop

    def __repr__(self):
        return f"<Waiter {('pending', 'cancelled', 'finished')[self._state]}>"

    # --- as asyncio.Future ----------------------------------------------------------------

    def get_loop(self):
        """Return the event loop."""
        return self._loop

    def done(self):
        """Return whether it has a result, or was cancelled."""
        return self._state != WAITING

    def cancelled(self):
        """Return whether it was cancelled."""
        return self._state == CANCELLED

    def result(self):
        """Return the result.

        Raises:
            asyncio.CancelledError: It was cancelled.
            asyncio.InvalidStateError: There is no result yet.
        """
        if self._state == ENDED:
            return self._value
        raise self._error()

    def exception(self):
        """Return None: responses are results.

        Raises:
            asyncio.CancelledError: It was cancelled.
            asyncio.InvalidStateError: There is no result yet.
        """
        if self._state == ENDED:
            return None
        raise self._error()

    cdef object _error(self):
        from asyncio import CancelledError, InvalidStateError  # programs without a loop don't pay for it

        if self._state == WAITING:
            return InvalidStateError("Result is not set.")
        return CancelledError() if self._message is None else CancelledError(self._message)

    def cancel(self, msg=None):
        """Cancel it, and wake who awaits it in the loop's next turn; return False if it is done."""
        if self._state != WAITING:
            return False
        self._state = CANCELLED
        self._message = msg
        self._sent_by = None
        self._frame = None
        self._wake(False)
        return True

    def set_result(self, result):
        """End it with a response, as ``deliver`` does, and wake who awaits it in the loop's next turn.

        Raises:
            asyncio.InvalidStateError: It is done.
        """
        if self._state != WAITING:
            from asyncio import InvalidStateError

            raise InvalidStateError("invalid state")
        self._end(result, False)

    def add_done_callback(self, callback, *, context=None):
        """Call back with this future, in the context, once it is done."""
        if context is None:
            context = PyContext_CopyCurrent()
        if self._state != WAITING:
            self._loop.call_soon(callback, self, context=context)
        elif self._callback is None and self._others is None:
            self._callback = callback
            self._context = context
        elif self._others is None:
            self._others = [(callback, context)]
        else:
            self._others.append((callback, context))

    def remove_done_callback(self, callback):
        """Remove all instances of a callback; return their number."""
        cdef Py_ssize_t removed = 0
        cdef list kept
        if self._callback is not None and self._callback == callback:
            self._callback = None
            self._context = None
            removed = 1
        if self._others is not None:
            kept = [other for other in self._others if other[0] != callback]
            removed += len(self._others) - len(kept)
            self._others = kept or None
        return removed

    # --- awaiting -------------------------------------------------------------------------

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self._state == WAITING:
            self._asyncio_future_blocking = True
            return self
        raise StopIteration(self.result())

    # --- ending ---------------------------------------------------------------------------

    cdef int _end(self, object response, bint at_once) except -1:
        """Set the result: what the response contains; do nothing if it is done."""
        cdef BoundTemplate sent_by = self._sent_by
        cdef object value
        if self._state != WAITING:
            return 0
        value = response if sent_by is None else sent_by.outcome(response, self._frame)
        if self._state != WAITING:  # what decodes values may do anything
            return 0
        self._sent_by = None
        self._frame = None
        self._value = value
        self._state = ENDED
        return self._wake(at_once)

    cdef int _wake(self, bint at_once) except -1:
        """Call the callbacks in the loop's next turn, or the first one at once."""
        cdef object callback = self._callback
        cdef object context = self._context
        cdef object other, other_context
        cdef list others = self._others
        self._callback = None
        self._context = None
        self._others = None
        if others is not None:
            for other, other_context in others:
                self._loop.call_soon(other, self, context=other_context)
        if callback is None:
            return 0
        if at_once:
            try:
                PyContext_Enter(context)
            except RuntimeError:  # something else runs in this context
                at_once = False
        if not at_once:
            self._loop.call_soon(callback, self, context=context)
            return 0
        try:
            callback(self)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:  # as asyncio.Handle
            self._loop.call_exception_handler(
                {"message": "Exception in a callback of a response", "exception": exc, "future": self}
            )
        finally:
            PyContext_Exit(context)
        return 0


cdef int _send_to_waiter(PyObject* waiter, PyObject* value, PyObject** result) except? -1:
    """Return the result of a waiter that is awaited, or the waiter itself."""
    cdef Waiter self = <Waiter>waiter
    cdef object found
    result[0] = NULL
    if self._state == WAITING:
        self._asyncio_future_blocking = True
        found = self
    else:
        found = self.result()
    Py_INCREF(found)
    result[0] = <PyObject*>found
    return _YIELDED if found is self else _RETURNED


coodie_use_send(<PyTypeObject*>Waiter, _send_to_waiter)


def deliver(list ended not None, bint at_once):
    """End requests: set the results of their futures, and wake who awaits them.

    Args:
        ended: The futures, each with its response: waiters, executions of a window, and futures of asyncio.
        at_once: Run the tasks that await waiters now: no task is running, and the loop calls. Otherwise they
            run in the loop's next turn.

    Raises:
        KeyboardInterrupt: A task was interrupted; the others run in the loop's next turn.
        SystemExit: The same.
    """
    cdef Py_ssize_t index = 0
    cdef list windows = []
    try:
        while index < PyList_GET_SIZE(ended):
            future, response = <tuple?>ended[index]
            index += 1
            _end(future, response, at_once, windows)
        _wake_all(windows, at_once)
    except BaseException:
        while index < PyList_GET_SIZE(ended):
            future, response = <tuple?>ended[index]
            index += 1
            _end(future, response, False, windows)
        _wake_all(windows, False)
        raise


cdef int _end(object future, object response, bint at_once, list windows) except -1:
    cdef Window window
    if type(future) is Waiter:
        return (<Waiter>future)._end(response, at_once)
    if type(future) is Execution:
        # A window's task runs once, after all of its executions have ended.
        window = (<Execution>future)._window
        if not windows or windows[PyList_GET_SIZE(windows) - 1] is not window:
            windows.append(window)
        return (<Execution>future)._end(response)
    if not future.done():
        future.set_result(response)
    return 0


cdef int _wake_all(list windows, bint at_once) except -1:
    while windows:
        (<Window>windows.pop(0))._wake(at_once)
    return 0


@cython.final
@cython.no_gc_clear  # as RowDecoder
cdef class BoundTemplate:
    """A template bound to a connection.

    Args:
        template: The template.
        connection: The connection: its ``protocol`` are streams, ``has_unsent_requests`` says whether it
            will send requests by itself, and ``accepted`` makes it do so.
        loop: The event loop; None for a connection of a thread, which a window's executions are sent on.
        clock: Returns the time.
        sent: What the result of an unusual response begins with: three values, of which the last is the
            timeout in seconds.

    Raises:
        TypeError: An argument isn't of these types.
    """

    cdef ExecuteTemplate _template
    cdef Streams _streams
    cdef object _connection
    cdef object _loop
    cdef object _clock
    cdef tuple _sent
    cdef double _timeout

    def __cinit__(self, ExecuteTemplate template not None, object connection, object loop, object clock, tuple sent not None):
        if len(sent) != 3:
            raise TypeError(f"Expected three values of a request, found {len(sent)}.")
        self._template = template
        self._streams = <Streams?>connection.protocol
        self._connection = connection
        self._loop = loop
        self._clock = clock
        self._sent = sent
        self._timeout = sent[2]

    def send(self, params):
        """Send a request; return its waiter, or None if nothing was sent: another way has to decide.

        The waiter's result is all rows, as a list, or for any other response a tuple: the three values that
        were given, the encoded parameters, and the response.
        """
        return self.sent(params)

    cdef Waiter sent(self, object params):
        cdef Waiter waiter = Waiter.__new__(Waiter)
        cdef bytes frame
        waiter._loop = self._loop
        try:
            frame = self._streams.sent_frame(self._template, params, waiter, self._timeout, self._clock())
        except Exception:
            return None
        if frame is None:
            return None
        waiter._frame = frame
        waiter._sent_by = self
        if not self._connection.has_unsent_requests:
            self._connection.accepted()
        return waiter

    cdef object outcome(self, object response, bytes frame):
        """Return all rows of a response, or the tuple of an unusual one."""
        if PyBytes_CheckExact(response):
            try:
                rows = self._template.rows(response)
            except Exception:  # reported by what decodes unusual responses
                rows = None
            if rows is not None:
                return rows
        return (*self._sent, self._template.values_in(frame), response)


@cython.final
@cython.no_gc_clear  # as RowDecoder
cdef class Gate:
    """Send requests by the templates of the running event loop's current tick.

    Args:
        path: ``disabled_reason`` isn't None if no request may be sent; ``running_loop`` returns the running loop.
        loops: By weak reference to an event loop, an object whose ``templates`` has the bound templates by statement.
        registry: ``registry.observers.of_requests`` is empty if nobody observes requests.
        last_page: A context variable, which each request sets to None.
    """

    cdef object _path
    cdef dict _loops
    cdef object _registry
    cdef object _last_page

    def __cinit__(self, object path, dict loops not None, object registry, object last_page):
        self._path = path
        self._loops = loops
        self._registry = registry
        self._last_page = last_page

    def send(self, stmt, params, consistency, timeout, fetch_size, paging_state, options, rows):
        """Send a request; return its waiter, or None if nothing was sent: another way has to decide."""
        cdef object pool, bound
        if (
            consistency is not None
            or timeout is not None
            or fetch_size is not None
            or paging_state is not None
            or options is not None
            or rows is not None
            or not PyUnicode_CheckExact(stmt)
            or self._path.disabled_reason is not None
            or self._registry.registry.observers.of_requests
        ):
            return None
        if get_value(self._last_page, None) is not None:
            PyContextVar_Set(self._last_page, None)
        try:
            pool = self._loops[PyWeakref_NewRef(self._path.running_loop(), None)]
        except (KeyError, RuntimeError):  # the first request on this loop; a fork
            return None
        bound = (<dict?>pool.templates).get(stmt)
        return (<BoundTemplate>bound).sent(params) if type(bound) is BoundTemplate else None
