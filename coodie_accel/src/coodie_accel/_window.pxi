"""Executions of one statement, up to a number at a time: sent, matched and counted here."""


@cython.final
@cython.freelist(128)
cdef class Execution:
    """The token of one execution of a window; made by ``Window.fill`` only."""

    cdef Window _window
    cdef Py_ssize_t _index
    cdef object _params
    cdef BoundTemplate _sent_by
    cdef bytes _frame

    def done(self):
        """Return whether the response isn't awaited any more."""
        return self._window._is_closed

    cdef int _end(self, object response) except -1:
        """Count the response, or list it; drop it if the window is closed."""
        cdef Window window = self._window
        cdef ExecuteTemplate template = self._sent_by._template
        cdef object value
        window.in_flight -= 1
        window._has_news = True
        if window._is_closed:
            return 0
        if not window._lists_all and template.is_void(response):
            window._succeeded += 1
            return 0
        value = self._sent_by.outcome(response, self._frame)
        if type(value) is tuple:
            window._unusual.append((self._index, self._params, value))
        elif window._lists_all or value:
            window._ended.append((self._index, value))
        else:
            window._succeeded += 1
        return 0


@cython.final
@cython.no_gc_clear  # as RowDecoder
cdef class Window:
    """Executions of a statement for each of many parameters, up to a number in flight; used in one thread.

    ``fill`` sends them by a template. Their responses end in ``deliver``, or in ``end``: successes without
    rows are only counted, and everything else is listed until ``take``.

    Args:
        source: The parameters, an iterator.
        most: The maximum number in flight.
        lists_all: List all successes, also those without rows.

    Raises:
        TypeError: source isn't an iterator.
    """

    cdef object _source
    cdef Py_ssize_t _most
    cdef bint _lists_all
    cdef bint _is_closed
    #: Something has ended since ``take``.
    cdef bint _has_news
    cdef Py_ssize_t _succeeded
    cdef list _ended
    cdef list _unusual
    cdef Waiter _waiter
    #: The number of executions without a response.
    cdef readonly Py_ssize_t in_flight
    #: The index of the next parameters.
    cdef public Py_ssize_t index
    #: Whether there are no more parameters.
    cdef readonly bint is_exhausted

    def __cinit__(self, object source, Py_ssize_t most, bint lists_all):
        if not hasattr(source, "__next__"):
            raise TypeError(f"Parameters come from an iterator, found {type(source).__name__}.")
        self._source = source
        self._most = most
        self._lists_all = lists_all
        self._ended = []
        self._unusual = []

    def fill(self, BoundTemplate sender not None, Py_ssize_t others=0):
        """Send executions until there are enough in flight, or no more parameters.

        Args:
            sender: The template, and the connection; one of an event loop is told of them.
            others: The number of executions that are in flight elsewhere.

        Returns:
            The index and the parameters of an execution that wasn't sent, for another way to decide; or None.

        Raises:
            BaseException: The iterator raised it.
        """
        cdef Py_ssize_t before = self.in_flight
        try:
            return self._fill(sender, others)
        finally:
            if self.in_flight > before and sender._loop is not None and not sender._connection.has_unsent_requests:
                sender._connection.accepted()

    cdef object _fill(self, BoundTemplate sender, Py_ssize_t others):
        cdef Execution execution
        cdef object params
        while not self.is_exhausted and not self._is_closed and self.in_flight + others < self._most:
            params = next(self._source, _END)
            if params is _END:
                self.is_exhausted = True
                break
            execution = Execution.__new__(Execution)
            execution._window = self
            execution._index = self.index
            execution._params = params
            execution._sent_by = sender
            self.index += 1
            try:
                execution._frame = sender._streams.sent_frame(
                    sender._template, params, execution, sender._timeout, sender._clock()
                )
            except Exception:
                execution._frame = None
            if execution._frame is None:
                return execution._index, params
            self.in_flight += 1
        return None

    def end(self, list ended not None):
        """End the executions among requests with their responses; return the other requests."""
        cdef list others = []
        for one in ended:
            future, response = <tuple?>one
            if type(future) is Execution:
                (<Execution>future)._end(response)
            else:
                others.append(one)
        return others

    def take(self):
        """Return the number of successes without rows, the other successes, and the unusual ends, once.

        A success is its index, and the rows. An unusual end is its index, the parameters, and what a waiter
        would return.
        """
        cdef tuple found = (self._succeeded, self._ended, self._unusual)
        self._has_news = False
        self._succeeded = 0
        if self._ended:
            self._ended = []
        if self._unusual:
            self._unusual = []
        return found

    def wait(self, loop):
        """Return a waiter that ends when an execution has ended since ``take``, or at ``wake``."""
        cdef Waiter waiter = Waiter.__new__(Waiter)
        waiter._loop = loop
        self._waiter = waiter
        if self._has_news:
            waiter._end(None, False)
        return waiter

    def wake(self):
        """End the waiter; whoever awaits it runs in the loop's next turn."""
        self._has_news = True
        self._wake(False)

    cdef int _wake(self, bint at_once) except -1:
        cdef Waiter waiter = self._waiter
        self._waiter = None
        return 0 if waiter is None else waiter._end(None, at_once)

    def close(self):
        """Send no more executions, and drop the responses of those in flight."""
        self._is_closed = True
        self._source = None
        self._waiter = None
        self._ended = []
        self._unusual = []


cdef object _END = object()
