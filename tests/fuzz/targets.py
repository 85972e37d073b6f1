"""What reads bytes of a network, as functions of bytes: each returns, or raises what is a fault.

Where the accelerator is installed, it gets the same bytes as the code in Python, and both have to agree.
"""

from __future__ import annotations

import sys
from struct import pack
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tests.integration.arrow_values import column_values

from coodie.columnar import ArrowRows
from coodie.drivers.cassandra.fastpath import accelerated, reader
from coodie.drivers.cassandra.values.codecs import ValueOptions
from coodie.protocol import frames, messages, results, segments
from coodie.protocol._accelerator import accelerator
from coodie.protocol.codec import Reader
from coodie.protocol.connection import KeepAlive, connection_class
from coodie.protocol.errors import BrokenFrameError, BrokenMessageError, HandshakeError
from coodie.protocol.handshake import Handshake
from coodie.protocol.server_errors import read_error
from coodie.protocol.streams import Streams
from coodie.row_shapes import parse_rows

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TARGETS"]

#: Bytes that one target may add to what the process holds: a response's size bounds what its decoding takes.
_FACTOR = 2_000


class _Input:
    """The bytes of a run, taken from the left; zeros at their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bool__(self) -> bool:
        return bool(self._data)

    def take(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def byte(self) -> int:
        """Return the next byte as a number."""
        return (self.take(1) or b"\0")[0]

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._data))


def exactly(value: Any) -> Any:
    """Return what tells values apart that are equal, but of other types, order or bits."""
    kind = type(value)
    if kind is float:
        return kind, pack(">d", value)
    if isinstance(value, (list, tuple)):
        return kind.__name__, getattr(value, "_fields", None), [exactly(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return kind, sorted([repr(exactly(item)) for item in value])
    if isinstance(value, dict):
        return kind, [(exactly(key), exactly(item)) for key, item in value.items()]
    return kind, repr(value)


def handshake(data: bytes) -> None:
    """A server's side of a handshake, in pieces."""
    source = _Input(data)
    version = 4 + source.byte() % 2
    made = Handshake(version, b"token" if source.byte() % 2 else None)
    made.start()
    try:
        while source:
            made.receive(source.take(1 + source.byte()))
    except (BrokenFrameError, BrokenMessageError, HandshakeError):
        return
    if made.is_ready:
        made.frames()


def bodies(data: bytes) -> None:
    """Bodies of responses, and of the requests that proxies read."""
    source = _Input(data)
    choice, version = source.byte(), 3 + source.byte() % 3
    body = source.rest()
    readers: tuple[Callable[[], Any], ...] = (
        lambda: read_error(body, version),
        lambda: read_error(body, version, 0x4321),
        lambda: results.bare_message(choice, body),
        lambda: results.next_paging_state(body),
        lambda: results.rows_without_metadata(body),
        lambda: results.prepared_id(body),
        lambda: messages.statement_text(body),
        lambda: messages.statement_id(body),
        lambda: Reader(body).read_string_multimap(),
        lambda: Reader(body).read_bytes_map(),
        lambda: Reader(body).read_inet_address(),
    )
    try:
        found = readers[choice % len(readers)]()
    except BrokenMessageError:
        return
    assert sys.getsizeof(found) <= 1000 + _FACTOR * len(body), "a small body makes a large value"


def reading(data: bytes) -> None:
    """Frames of either side, in pieces, with segments or without; responses in C as in Python."""
    source = _Input(data)
    choice = source.byte()
    cuts = [frames._cut] if accelerator() is None else [frames._cut, frames.cut]
    outcomes = [_cut(cut, data[1:], 0x84 + choice % 2) for cut in cuts]
    assert outcomes == outcomes[:1] * len(outcomes), outcomes
    made = frames.FrameReader(frames.RESPONSE if choice & 1 else 0)
    if choice & 2:
        made.use_segments(segments.Segments())
    try:
        while source:
            list(made.feed(source.take(1 + source.byte())))
    except BrokenFrameError:
        pass


def _cut(cut: Callable[[bytes, int], Any], data: bytes, version: int) -> Any:
    try:
        return cut(data, version)
    except ValueError:
        return None


def segment(data: bytes) -> None:
    """Segments whose checksums are right, and what isn't one; in C as in Python."""
    source = _Input(data)
    choice = source.byte()
    payloads = []
    while source:
        payloads.append(source.take(1 + source.byte()))
    sides = [segments.Segments()] if accelerator() is None else [segments.Segments(), _without_c()]
    outcomes: list[bytes | None] = []
    for side in sides:
        wire = side.wrap(payloads) if choice & 1 else data
        if choice & 2:  # one byte is another
            at = choice % (len(wire) + 1)
            wire = wire[:at] + bytes([choice]) + wire[at + 1 :]
        cut = choice * 7 % (len(wire) + 1)
        try:
            outcomes.append(side.feed(wire[:cut]) + side.feed(wire[cut:]))
        except BrokenFrameError:
            outcomes.append(None)
    assert outcomes == outcomes[:1] * len(outcomes), outcomes
    if choice & 3 == 1:
        assert outcomes[0] == b"".join(payloads)


def _without_c() -> segments.Segments:
    with patch.object(segments, "accelerator", lambda: None):
        return segments.Segments()


def connection(data: bytes) -> None:
    """Requests, responses in pieces, time, and closing in any order; in C as in Python."""
    source = _Input(data)
    choice = source.byte()
    with patch.object(frames, "cut", frames._cut):
        _both_connections(source, choice)


def _both_connections(source: _Input, choice: int) -> None:
    kinds = [Streams] if accelerator() is None else [Streams, accelerator().Streams]
    sides = [_Connection(kind, 4 + choice % 2) for kind in kinds]
    while source:
        step, argument = source.byte() % len(_Connection.STEPS), source.byte()
        piece = source.take(argument)
        seen = [side.do(_Connection.STEPS[step], argument, piece) for side in sides]
        assert seen == seen[:1] * len(seen), (_Connection.STEPS[step], seen)
    for side in sides:
        side.finish()


class _Connection:
    """A connection, and what was promised of it: each request ends once.

    Args:
        streams: Its class of streams.
        version: The protocol version.
    """

    STEPS = ("send", "receive", "answer", "answer", "expire", "write", "retire", "close")

    def __init__(self, streams: type[Any], version: int) -> None:
        self._now = 0.0
        self._version = version
        made = frames.Frames(version, segments.Segments() if version > 4 else None)
        self._made: Any = connection_class(streams)(made, 0.0, KeepAlive(5.0, 3.0, 9.0))
        self._sent: list[int] = []
        self._ended: list[int] = []

    def do(self, step: str, argument: int, piece: bytes) -> Any:
        """Take a step; return all that can be seen of the connection."""
        self._now += argument / 50
        ended = getattr(self, f"_{step}")(argument, piece)
        self._ended += [token for token, _ in ended]
        assert sorted(set(self._ended)) == sorted(self._ended), "a request ended twice"
        assert set(self._ended) <= set(self._sent), "a request ended that wasn't sent"
        made = self._made
        shown = [(token, repr(outcome)) for token, outcome in ended]
        counts = (made.in_flight, made.waiting, made.queued, made.has_data_to_send, made.is_closed)
        return shown, counts, made.requests(), made.next_deadline, made.usable_until

    def finish(self) -> None:
        """Close it: every request has ended."""
        self._ended += [token for token, _ in self._made.close(OSError())]
        assert sorted(self._ended) == self._sent, "requests didn't end"

    def _send(self, argument: int, piece: bytes) -> list[Any]:
        token = len(self._sent)
        if self._made.send(frames.EXECUTE, piece, token, argument / 10, self._now):
            self._sent.append(token)
        return []

    def _receive(self, _argument: int, piece: bytes) -> list[Any]:
        return self._made.receive(piece, self._now)  # type: ignore[no-any-return]

    def _answer(self, argument: int, piece: bytes) -> list[Any]:
        """Receive a whole frame, whose stream may have a request."""
        opcode, flags = (frames.RESULT, 0) if argument & 1 else (argument % 17, argument >> 4)
        stream = argument % (len(self._sent) + 1) - (argument == 255)
        frame = pack(">BBhBi", self._version | 0x80, flags, stream, opcode, len(piece)) + piece
        wire = segments.Segments().wrap([frame]) if self._version > 4 else frame
        return self._made.receive(wire, self._now)  # type: ignore[no-any-return]

    def _expire(self, _argument: int, _piece: bytes) -> list[Any]:
        return self._made.expire(self._now)  # type: ignore[no-any-return]

    def _write(self, argument: int, _piece: bytes) -> list[Any]:
        data = self._made.data_to_send()
        if argument < len(data):
            self._made.put_back(data, argument)
        return []

    def _retire(self, argument: int, _piece: bytes) -> list[Any]:
        return self._made.retire() if argument > 200 else []

    def _close(self, argument: int, _piece: bytes) -> list[Any]:
        return self._made.close(OSError("closed")) if argument > 200 else []


def rows(data: bytes) -> None:
    """A RESULT with its metadata, whatever they say; in C as in Python."""
    source = _Input(data)
    choice = source.byte()
    body = (pack(">i", 2) if choice & 4 else b"") + source.rest()
    outcomes = []
    for compiled in (False, True) if accelerator() is not None else (False,):
        with patch.object(accelerated, "accelerator", accelerator if compiled else lambda: None):
            made = reader.ResultReader(4 + choice % 2, {}, ValueOptions(bool(choice & 2)))
            outcomes.append(_page(made, body))
            if outcomes[0] != "raised":
                outcomes.append(_page(made, body))  # with what is known of the first
    assert outcomes == outcomes[:1] * len(outcomes), outcomes


def columns(data: bytes) -> None:
    """A RESULT with its metadata, as Arrow columns; filled in C as made of objects."""
    source = _Input(data)
    choice = source.byte()
    body = (pack(">i", 2) if choice & 4 else b"") + source.rest()
    outcomes = []
    for compiled in (False, True) if accelerator() is not None else (False,):
        with patch.object(accelerated, "accelerator", accelerator if compiled else lambda: None):
            made = reader.ResultReader(4 + choice % 2, {}, ValueOptions(), parse_rows("arrow"))
            outcomes.append(_page(made, body))
    assert outcomes == outcomes[:1] * len(outcomes), outcomes


def _page(made: reader.ResultReader, body: bytes) -> Any:
    try:
        page = made.read_single_page(body) or made.read(body)
    except Exception:  # noqa: BLE001 - the driver's own way decodes it then, and says why
        return "raised"
    found = page.rows if isinstance(page, reader.Page) else page
    if isinstance(found, ArrowRows):
        return repr(column_values(found)) if found.schema else "no columns"
    assert sys.getsizeof(found) <= 1000 + _FACTOR * len(body), "a small result makes a large value"
    return exactly(list(found))


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (handshake, bodies, reading, segment, connection, rows, columns)
}
