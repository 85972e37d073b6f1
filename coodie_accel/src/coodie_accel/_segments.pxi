"""Segments of protocol version 5 without compression, and their checksums."""

cdef uint32_t[256] _CRC24


cdef void _make_table() noexcept:
    cdef uint32_t crc
    cdef int byte, bit
    for byte in range(256):
        crc = <uint32_t>byte << 16
        for bit in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1974F0B
        _CRC24[byte] = crc


_make_table()


def crc24(bytes data not None):
    """Return the checksum of a segment's header (native_protocol_v5.spec, section 2.2)."""
    return _crc24(<const uint8_t*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


cdef uint32_t _crc24(const uint8_t* data, Py_ssize_t size) noexcept:
    cdef uint32_t crc = 0x875060
    cdef Py_ssize_t index
    for index in range(size):
        crc = (crc << 8 & 0xFFFFFF) ^ _CRC24[crc >> 16 ^ data[index]]
    return crc


#: Sizes of a segment's header with its checksum, and of the payload's checksum; and the longest payload.
cdef enum:
    SEGMENT_HEAD = 6
    SEGMENT_CRC = 4
    MAX_PAYLOAD = 131071

cdef object _CRC32_START = _crc32(b"\xfa\x2d\x55\xca")


cdef void _put_little(uint8_t* data, uint32_t value, int size) noexcept:
    cdef int index
    for index in range(size):
        data[index] = <uint8_t>(value >> (8 * index))


def seal_segment(bytes payload not None, bint alone):
    """Return the segment of a payload, without compression (native_protocol_v5.spec, section 2.2).

    Raises:
        ValueError: The payload is too long.
    """
    cdef Py_ssize_t size = PyBytes_GET_SIZE(payload)
    cdef uint32_t crc
    cdef bytes made
    cdef uint8_t* data
    if size > MAX_PAYLOAD:
        raise ValueError(f"A segment has no room for {size} bytes.")
    crc = _crc32(payload, _CRC32_START)
    made = PyBytes_FromStringAndSize(NULL, SEGMENT_HEAD + size + SEGMENT_CRC)
    data = <uint8_t*>PyBytes_AS_STRING(made)
    _put_little(data, <uint32_t>size | <uint32_t>alone << 17, 3)
    _put_little(data + 3, _crc24(data, 3), 3)
    memcpy(data + SEGMENT_HEAD, PyBytes_AS_STRING(payload), size)
    _put_little(data + SEGMENT_HEAD + size, crc, SEGMENT_CRC)
    return made


def open_segments(bytes data not None):
    """Return the payloads of complete segments without compression, and where the first incomplete one begins.

    Raises:
        ValueError: A checksum is wrong.
    """
    cdef const uint8_t* start = <const uint8_t*>PyBytes_AS_STRING(data)
    cdef Py_ssize_t end = PyBytes_GET_SIZE(data)
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t size
    cdef const uint8_t* head
    cdef const uint8_t* tail
    cdef uint32_t crc
    cdef list payloads = []
    cdef bytes payload
    while end - at >= SEGMENT_HEAD:
        head = start + at
        if _crc24(head, 3) != (<uint32_t>head[3] | <uint32_t>head[4] << 8 | <uint32_t>head[5] << 16):
            raise ValueError("A segment's header has a wrong checksum.")
        size = (<uint32_t>head[0] | <uint32_t>head[1] << 8 | <uint32_t>head[2] << 16) & MAX_PAYLOAD
        if size + SEGMENT_CRC > end - at - SEGMENT_HEAD:
            break
        payload = PyBytes_FromStringAndSize(<const char*>head + SEGMENT_HEAD, size)
        tail = head + SEGMENT_HEAD + size
        crc = <uint32_t>tail[0] | <uint32_t>tail[1] << 8 | <uint32_t>tail[2] << 16 | <uint32_t>tail[3] << 24
        if <uint32_t>_crc32(payload, _CRC32_START) != crc:
            raise ValueError("A segment's payload has a wrong checksum.")
        payloads.append(payload)
        at += SEGMENT_HEAD + size + SEGMENT_CRC
    return payloads[0] if len(payloads) == 1 else b"".join(payloads), at
