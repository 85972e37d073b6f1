"""The streams of a connection: number requests, encode them, and match responses with them."""

cdef enum _State:
    FREE
    IN_FLIGHT
    ORPHANED

#: What is known of a stream, beside the token of its request.
cdef struct _Slot:
    double deadline
    double sent_at
    #: Counts requests: the order in which they were sent.
    uint64_t order
    _State state

cdef enum:
    LATENCIES = 128

#: Streams that there is room for at first.
cdef int _FEW_STREAMS = 16

#: The flag of a compressed body.
cdef uint8_t _COMPRESSED = 1

cdef Py_ssize_t _LARGEST_STREAMS = 32768


#: The kind of a RESULT without rows.
cdef uint32_t _VOID = 1

#: The opcode of a request that executes a prepared statement.
cdef uint8_t _EXECUTE = 10


@cython.final
@cython.no_gc_clear  # as RowDecoder
cdef class ExecuteTemplate:
    """What the EXECUTE messages of a statement have in common.

    Args:
        encoder: Encodes the parameters.
        before: The body before the parameters.
        after: The body after them.
        timestamps: Returns the number of microseconds that the message ends with; None for no such number.
        results: What reads the responses: ``read_single_page`` returns all rows of a RESULT's body, or None;
            ``single_page`` has the arguments of ``RowDecoder.only_page`` behind the body, and the decoder
            before them, or is None; ``new_rows`` makes a list. None if responses aren't read here.

    Raises:
        TypeError: An argument isn't of these types.
    """

    cdef ParameterEncoder _encoder
    cdef bytes _before
    cdef bytes _after
    cdef object _timestamps
    cdef object _results
    cdef object _new_rows
    #: ``single_page`` of the results, as it was last.
    cdef tuple _single_page

    def __cinit__(
        self,
        ParameterEncoder encoder not None,
        bytes before not None,
        bytes after not None,
        object timestamps=None,
        object results=None,
    ):
        if timestamps is not None and not callable(timestamps):
            raise TypeError(f"What gives timestamps can't be called: it is of {type(timestamps).__name__}.")
        self._encoder = encoder
        self._before = before
        self._after = after
        self._timestamps = timestamps
        self._results = results
        if results is not None:
            self._new_rows = results.new_rows
            self._note_single_page()

    cdef int _note_single_page(self) except -1:
        cdef object known = self._results.single_page
        if known is not None and (type(known) is not tuple or len(known) != 4 or type(known[0]) is not RowDecoder):
            raise TypeError("The arguments of only_page must be a tuple, with the decoder before them.")
        self._single_page = known
        return 0

    cdef bint is_void(self, object response):
        """Return whether a response is a RESULT without rows."""
        if self._results is None or not PyBytes_CheckExact(response) or PyBytes_GET_SIZE(response) != 4:
            return False
        return _unsigned32(<const uint8_t*>PyBytes_AS_STRING(response)) == _VOID

    cdef object rows(self, bytes body):
        """Return all rows of a RESULT's body; None if something else has to read it."""
        cdef tuple known = self._single_page
        cdef object rows
        if self._results is None:
            return None
        if self.is_void(body):
            return self._new_rows()
        if known is not None:
            rows = (<RowDecoder>known[0])._only_page(body, known[1], known[2], known[3])
            if rows is not None:
                return rows
        rows = self._results.read_single_page(body)
        # The columns have changed, or this is the first result.
        self._note_single_page()
        return rows

    cdef bytes frame(self, object params):
        """Return a frame whose header isn't written yet; nothing else refers to it."""
        cdef Py_ssize_t columns = PyTuple_GET_SIZE(self._encoder._others)
        cdef Py_ssize_t size = _HEADER + PyBytes_GET_SIZE(self._before) + PyBytes_GET_SIZE(self._after)
        cdef _Message message = _Message(_ROOM + size + 24 * columns)
        cdef uint8_t[9] nothing
        memset(nothing, 0, _HEADER)
        message.raw(nothing, _HEADER)
        message.raw(PyBytes_AS_STRING(self._before), PyBytes_GET_SIZE(self._before))
        self._encoder.add(message, params)
        message.raw(PyBytes_AS_STRING(self._after), PyBytes_GET_SIZE(self._after))
        if self._timestamps is not None:
            message.make_room(8)
            _put(message.data + message.size, <uint64_t><int64_t>self._timestamps(), 8)
            message.size += 8
        if message.size > _LARGEST_VALUE:
            raise ValueError(f"A message of {message.size} bytes is too long.")
        return PyBytes_FromStringAndSize(<const char*>message.data, message.size)

    cdef bytes values_in(self, bytes frame):
        """Return the encoded parameters in a frame that was made by this template."""
        cdef Py_ssize_t start = _HEADER + PyBytes_GET_SIZE(self._before)
        cdef Py_ssize_t end = PyBytes_GET_SIZE(self._after) + (8 if self._timestamps is not None else 0)
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(frame) + start, PyBytes_GET_SIZE(frame) - end - start)


@cython.no_gc_clear  # what is called while garbage is collected must not find the lists gone
cdef class Streams:
    """The requests in flight of one connection: ``coodie.protocol.streams.Streams`` in C.

    Requests are numbered and encoded, and responses cut and matched here. Everything else is a call of one of
    these, so that there is one implementation of it: ``frames.make``, where bodies are compressed;
    ``frames.split``, where what was received is invalid or compressed; ``frames.join`` for what arrived in
    parts; ``frames.unusual`` for a response that isn't a RESULT without flags; and the methods ``refuse``,
    ``enqueue`` and ``received_late`` of the subclass.

    Args:
        frames: Encodes and splits the connection's frames.
        limit: The number of streams.

    Raises:
        ValueError: There can't be so many streams.
        RuntimeError: It has been used already.
    """

    cdef object _make
    cdef object _join
    cdef object _split
    cdef object _keep
    cdef object _unusual
    cdef uint8_t _version
    cdef bint _compresses
    cdef int _limit
    #: Token by stream. A list, and not in the slots, so that the collector sees the tokens.
    cdef list _tokens
    cdef _Slot* _slots
    #: Streams that were used and are free, a stack.
    cdef int* _free
    cdef int _room
    cdef int _frees
    cdef int _next_stream
    cdef int _assigned
    cdef int _orphaned
    cdef uint64_t _sent
    cdef double[LATENCIES] _latencies
    cdef uint64_t _measured
    cdef readonly list out
    cdef public double usable_until
    cdef public double next_deadline

    def __cinit__(self, *_arguments, **_options):
        self._tokens = []
        self.out = []
        self.usable_until = float("-inf")
        self.next_deadline = float("inf")

    def __init__(self, object frames, Py_ssize_t limit):
        if self._next_stream:
            raise RuntimeError("The connection has been used.")
        if not 0 < limit <= _LARGEST_STREAMS:
            raise ValueError(f"A connection can't have {limit} streams.")
        self._make = frames.make
        self._join = frames.join
        self._split = frames.split
        self._keep = frames.keep
        self._unusual = frames.unusual
        self._version = frames.version
        self._compresses = frames.compresses
        self._limit = <int>limit

    def __dealloc__(self):
        PyMem_Free(self._slots)
        PyMem_Free(self._free)

    # --- streams --------------------------------------------------------------------------

    cdef int _grow(self) except -1:
        """Make room for more streams."""
        cdef int room = min(max(self._room * 2, _FEW_STREAMS), self._limit)
        cdef _Slot* slots = <_Slot*>PyMem_Realloc(self._slots, room * sizeof(_Slot))
        cdef int* free
        if slots is NULL:
            raise MemoryError
        self._slots = slots
        free = <int*>PyMem_Realloc(self._free, room * sizeof(int))
        if free is NULL:
            raise MemoryError
        self._free = free
        self._room = room
        return 0

    cdef int _take(self) except -1:
        """Take a free stream; there is one."""
        cdef int stream
        if self._frees:
            self._frees -= 1
            return self._free[self._frees]
        if self._next_stream == self._limit:
            raise RuntimeError("There is no free stream.")
        if self._next_stream == self._room:
            self._grow()
        PyList_Append(self._tokens, None)
        stream = self._next_stream
        self._slots[stream].state = FREE
        self._next_stream += 1
        return stream

    cdef void _give_back(self, int stream) noexcept:
        self._slots[stream].state = FREE
        self._free[self._frees] = stream
        self._frees += 1

    cdef int _put(self, int stream, object token, double deadline, double now) except -1:
        """Note the request on a stream."""
        cdef _Slot* slot = &self._slots[stream]
        if stream >= PyList_GET_SIZE(self._tokens):  # the collector has cleared them
            raise RuntimeError("The connection is being collected.")
        slot.deadline = deadline
        slot.sent_at = now
        slot.order = self._sent
        slot.state = IN_FLIGHT
        self._sent += 1
        self._assigned += 1
        self._tokens[stream] = token
        return 0

    cdef object _frame(self, int opcode, int stream, bytes body):
        """Encode a frame."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
        cdef bytes made
        if self._compresses or size > _LARGEST_VALUE:
            return self._make(opcode, stream, body)
        made = PyBytes_FromStringAndSize(NULL, _HEADER + size)
        self._write_header(<uint8_t*>PyBytes_AS_STRING(made), opcode, stream, size)
        memcpy(PyBytes_AS_STRING(made) + _HEADER, PyBytes_AS_STRING(body), size)
        return made

    cdef void _write_header(self, uint8_t* data, int opcode, int stream, Py_ssize_t size) noexcept:
        data[0] = self._version
        data[1] = 0
        _put(data + 2, <uint64_t>stream, 2)
        data[4] = <uint8_t>opcode
        _put(data + 5, <uint64_t>size, 4)

    # --- requests -------------------------------------------------------------------------

    def send(self, int opcode, bytes body not None, object token, double timeout, double now):
        """Accept a request; return the number of requests in flight, or 0 if it wasn't accepted."""
        cdef double deadline = now + timeout
        if now > self.usable_until:
            return self.refuse(now)
        if deadline < self.next_deadline:
            self.next_deadline = deadline
        if not self._frees and self._next_stream == self._limit:
            self.enqueue(token, deadline, opcode, body)
            return self._next_stream
        self._send(opcode, body, token, deadline, now)
        return self._assigned

    cdef int _send(self, int opcode, bytes body, object token, double deadline, double now) except -1:
        cdef int stream = self._take()
        try:
            PyList_Append(self.out, self._frame(opcode, stream, body))
        except BaseException:
            self._give_back(stream)
            raise
        return self._put(stream, token, deadline, now)

    def execute(self, ExecuteTemplate template not None, object params, object token, double timeout, double now):
        """Accept a request by a template; return the encoded parameters, or None if ``send`` has to decide.

        Args:
            template: The template.
            params: The parameters.
            token: Returned with the response.
            timeout: The request's timeout in seconds.
            now: The time.

        Raises:
            Exception: The parameters can't be encoded.
        """
        cdef bytes frame = self.sent_frame(template, params, token, timeout, now)
        return None if frame is None else template.values_in(frame)

    cdef bytes sent_frame(
        self, ExecuteTemplate template, object params, object token, double timeout, double now
    ):
        """Accept a request by a template, as ``execute``; return its frame."""
        cdef bytes frame = template.frame(params)
        cdef int stream
        # After the parameters are encoded, which may call anything.
        if now > self.usable_until or self._compresses or (not self._frees and self._next_stream == self._limit):
            return None
        stream = self._take()
        self._write_header(
            <uint8_t*>PyBytes_AS_STRING(frame), _EXECUTE, stream, PyBytes_GET_SIZE(frame) - _HEADER
        )
        try:
            PyList_Append(self.out, frame)
        except BaseException:
            self._give_back(stream)
            raise
        self._put(stream, token, now + timeout, now)
        if now + timeout < self.next_deadline:
            self.next_deadline = now + timeout
        return frame

    def assign(self, object token, double deadline, int opcode, bytes body not None, double now):
        """Send a queued request; there is a free stream."""
        self._send(opcode, body, token, deadline, now)

    def send_orphan(self, int opcode, bytes body not None):
        """Send a request whose response isn't awaited; there is a free stream."""
        cdef int stream = self._take()
        try:
            PyList_Append(self.out, self._frame(opcode, stream, body))
        except BaseException:
            self._give_back(stream)
            raise
        self._slots[stream].state = ORPHANED
        self._orphaned += 1

    @property
    def has_free_stream(self):
        """Whether a request can be sent without being queued."""
        return self._frees > 0 or self._next_stream < self._limit

    # --- responses ------------------------------------------------------------------------

    def match(self, bytes data not None, double now):
        """Process received data; return the requests whose responses are complete."""
        cdef bytes whole = self._join(data)
        cdef Py_ssize_t end = PyBytes_GET_SIZE(whole)
        cdef const uint8_t* start = <const uint8_t*>PyBytes_AS_STRING(whole)
        cdef const uint8_t* head
        cdef Py_ssize_t stop = self._usual(start, end)
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t size
        cdef list responses = []
        cdef object answer
        cdef double sent_at = -1.0
        if stop < 0:
            for stream, answer in self._split(whole):
                self._answer(stream, answer, responses, &sent_at)
        else:
            if stop < end:
                self._keep(whole[stop:] if stop else whole)
            while at < stop:
                head = start + at
                size = _unsigned32(head + 5)
                answer = PyBytes_FromStringAndSize(<const char*>head + _HEADER, size)
                if head[1] or head[4] != _RESULT:
                    answer = self._unusual(head[1], head[4], answer)
                self._answer(<int16_t>_unsigned16(head + 2), answer, responses, &sent_at)
                at += _HEADER + size
        if sent_at >= 0:
            self._latencies[self._measured % LATENCIES] = now - sent_at
            self._measured += 1
        return responses

    cdef Py_ssize_t _usual(self, const uint8_t* data, Py_ssize_t end) noexcept:
        """Return where the complete responses end; -1 if one of them is invalid or compressed."""
        cdef Py_ssize_t at = 0
        cdef uint32_t size
        while end - at >= _HEADER:
            size = _unsigned32(data + at + 5)
            if data[at] != self._version | 0x80 or size > _MAX_BODY or data[at + 1] & _COMPRESSED:
                return -1
            if size > end - at - _HEADER:
                break
            at += _HEADER + size
        return at

    cdef int _answer(self, int stream, object answer, list responses, double* sent_at) except -1:
        """Match a response with its request."""
        cdef _Slot* slot
        sent_at[0] = -1.0
        if not 0 <= stream < self._next_stream or stream >= PyList_GET_SIZE(self._tokens):
            return 0
        slot = &self._slots[stream]
        if slot.state == IN_FLIGHT:
            sent_at[0] = slot.sent_at
            token = self._tokens[stream]
            self._assigned -= 1
            self._give_back(stream)
            self._tokens[stream] = None
            PyList_Append(responses, (token, answer))
        elif slot.state == ORPHANED:
            self._orphaned -= 1
            self._give_back(stream)
            if PyBytes_CheckExact(answer):
                self.received_late()
        return 0

    @property
    def latencies(self):
        """The last response times in seconds, one for each read."""
        return [self._latencies[index] for index in range(<int>min(self._measured, LATENCIES))]

    # --- the requests in flight -----------------------------------------------------------

    cdef list _ordered(self, double until):
        """Return the requests in flight with a deadline until then: stream, token and slot, as they were sent."""
        cdef list found = []
        cdef int stream
        for stream in range(<int>min(self._next_stream, PyList_GET_SIZE(self._tokens))):
            if self._slots[stream].state == IN_FLIGHT and self._slots[stream].deadline <= until:
                found.append((self._slots[stream].order, stream))
        found.sort()
        return [stream for _, stream in found]

    def requests(self):
        """Return the requests in flight with their deadlines, in the order in which they were sent."""
        cdef int stream
        return [(self._tokens[stream], self._slots[stream].deadline) for stream in self._ordered(float("inf"))]

    def orphan_overdue(self, double now):
        """Orphan the streams of overdue requests; return these, each with the time when it was sent."""
        cdef list overdue = []
        cdef int stream
        for stream in self._ordered(now):
            overdue.append((self._tokens[stream], self._slots[stream].sent_at))
            self._slots[stream].state = ORPHANED
            self._assigned -= 1
            self._orphaned += 1
            self._tokens[stream] = None
        return overdue

    def clear(self):
        """Forget all requests, and the frames to be sent."""
        cdef int stream
        cdef list tokens = self._tokens
        for stream in range(self._next_stream):
            self._slots[stream].state = FREE
        self._assigned = self._orphaned = 0
        # Free streams stay free; those of the requests are gone, as is the connection.
        self._tokens = [None] * self._next_stream
        self.out.clear()
        tokens.clear()

    @property
    def assigned(self):
        """The number of requests that have a stream, without orphaned ones."""
        return self._assigned

    @property
    def orphaned(self):
        """The number of orphaned streams."""
        return self._orphaned
