"""Record what a driver's codec and a real Cassandra say to each other, for test_recorded: record.py.

It starts local nodes, with and without logins, asks what the protocol's rooms know to read, once with each
version, and writes all bytes as they crossed the wire to recorded.txt. coodie.protocol has no hand in it.
"""

from __future__ import annotations

import socket
from io import BytesIO
from pathlib import Path
from typing import Any

from cassandra import ConsistencyLevel
from cassandra.protocol import (
    AuthResponseMessage,
    BatchMessage,
    ExecuteMessage,
    OptionsMessage,
    PrepareMessage,
    QueryMessage,
    RegisterMessage,
    StartupMessage,
)
from cassandra.query import BatchType
from cassandra.segment import SegmentCodec

from coodie_local import LocalNode

FILE = Path(__file__).with_name("recorded.txt")

_KEYSPACE = "CREATE KEYSPACE rec WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
_INSERT = "INSERT INTO rec.t (k, v) VALUES (?, ?)"
_ONE, _THREE = ConsistencyLevel.ONE, ConsistencyLevel.THREE
_VALUES = [b"\0\0\0\1", "é".encode()]


class Recorder:
    """A connection in one version, on which one message after the other is sent.

    Args:
        version: The protocol version.
        address: The node's.
        lines: Takes what is recorded.
    """

    def __init__(self, version: int, address: tuple[str, int], lines: list[str]) -> None:
        self._version = version
        self._socket = socket.create_connection(address, timeout=10)
        self._lines = lines
        lines.append("")  # a connection begins
        self._codec: Any = None

    def ask(self, title: str, message: Any, answers: int = 1) -> bytes:
        """Send a message, record it and its answers, and return the last answer's body."""
        out = BytesIO()
        message.send_body(out, self._version)
        body = out.getvalue()
        stream = 7 if self._codec else 0
        frame = bytes([self._version, 0, 0, stream, message.opcode]) + len(body).to_bytes(4, "big") + body
        wire = frame
        if self._codec is not None:
            segments = BytesIO()
            self._codec.encode(segments, frame)
            wire = segments.getvalue()
        self._socket.sendall(wire)
        self._note(f"> {title}", wire)
        answer = b""
        for _ in range(answers):
            answer = self._answer(title)
        if self._version > 4 and title == "STARTUP":
            self._codec = SegmentCodec()
        return answer

    def _answer(self, title: str) -> bytes:
        header = self._read(9 if self._codec is None else 6)
        if self._codec is None:
            rest = self._read(int.from_bytes(header[5:], "big"))
            self._note(f"< {title}", header + rest)
            return rest
        rest = self._read((int.from_bytes(header[:3], "little") & 0x1FFFF) + 4)
        self._note(f"< {title}", header + rest)
        return rest[9:-4]

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._socket.recv(size - len(data))
        return data

    def _note(self, title: str, data: bytes) -> None:
        self._lines.append(f"{self._version} {title}: {data.hex()}")


def _record(version: int, address: tuple[str, int], lines: list[str]) -> None:
    link = Recorder(version, address, lines)
    link.ask("OPTIONS", OptionsMessage())
    link.ask("STARTUP", StartupMessage("3.0.0", {}))
    link.ask("already exists", QueryMessage(_KEYSPACE, _ONE))
    link.ask("syntax error", QueryMessage("SELEKT", _ONE))
    link.ask("invalid", QueryMessage("SELECT * FROM rec.none", _ONE))
    link.ask("unavailable", QueryMessage("INSERT INTO rec.t (k, v) VALUES (1, '')", _THREE))
    link.ask("unprepared", ExecuteMessage(b"?" * 16, [], _ONE, result_metadata_id=b"!" * 16))
    prepared = link.ask("PREPARE", PrepareMessage(_INSERT))
    size = int.from_bytes(prepared[4:6], "big")
    statement, metadata = prepared[6 : 6 + size], prepared[8 + size : 24 + size]
    link.ask("EXECUTE", ExecuteMessage(statement, _VALUES, _ONE, result_metadata_id=metadata))
    batch = [(True, statement, [b"\0\0\0\2", b"b"]), (True, statement, [b"\0\0\0\3", None])]
    link.ask("BATCH", BatchMessage(BatchType.UNLOGGED, batch, _ONE, timestamp=1))
    link.ask("rows", QueryMessage("SELECT k, v FROM rec.t WHERE k = 1", _ONE))
    link.ask("page", QueryMessage("SELECT k, v FROM rec.t", _ONE, fetch_size=1))
    link.ask("warning", QueryMessage("SELECT count(*) FROM rec.t", _ONE))
    link.ask("USE", QueryMessage("USE rec", _ONE))
    link.ask("REGISTER", RegisterMessage(["SCHEMA_CHANGE", "STATUS_CHANGE", "TOPOLOGY_CHANGE"]))
    link.ask("schema change", QueryMessage(f"CREATE TYPE rec.u{version} (a int)", _ONE), answers=2)


def main() -> None:
    """Start the nodes, and write the file."""
    lines: list[str] = []
    with LocalNode("recorded") as node:
        address = (node.host, node.port)
        setup = Recorder(4, address, [])
        setup.ask("STARTUP", StartupMessage("3.0.0", {}))
        setup.ask("QUERY", QueryMessage(_KEYSPACE, _ONE))
        setup.ask("QUERY", QueryMessage("CREATE TABLE rec.t (k int PRIMARY KEY, v text)", _ONE))
        for version in (4, 5):
            _record(version, address, lines)
        Recorder(7, address, lines).ask("too new", StartupMessage("3.0.0", {}))
    with LocalNode("recorded-auth", auth=True) as node:
        assert node.credentials is not None
        setup = Recorder(4, (node.host, node.port), [])
        setup.ask("STARTUP", StartupMessage("3.0.0", {}))
        setup.ask("login", AuthResponseMessage(f"\0cassandra\0{node.credentials.password}".encode()))
        setup.ask("QUERY", QueryMessage("CREATE ROLE rec WITH PASSWORD = 'rec' AND LOGIN = true", _ONE))
        for version in (4, 5):
            for title, password in (("login", "rec"), ("bad credentials", "wrong")):
                link = Recorder(version, (node.host, node.port), lines)
                link.ask("STARTUP", StartupMessage("3.0.0", {}))
                link.ask(title, AuthResponseMessage(f"\0rec\0{password}".encode()))
    FILE.write_text("\n".join(lines[1:]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
