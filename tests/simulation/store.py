"""The data of the simulated nodes: rows that identify their request, and the count of each write."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.simulation.world import world

from coodie.protocol.error_codes import ERRORS, ErrorCode, Write
from coodie_testing.fake.cqltypes import Column, parse_type
from coodie_testing.fake.replies import Failed, Prepared, Rows, SchemaChanged, Void
from coodie_testing.fake.schema import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coodie_testing.fake.node import FakeNode, Nodes, Statement
    from coodie_testing.fake.replies import Reply
    from coodie_testing.fake.requests import Query

__all__ = ["ADD", "CONDITIONAL", "COUNT", "INSERT", "READ", "WIDE", "Store"]

READ = "SELECT id, tag FROM sim.items WHERE id = ?"
WIDE = "SELECT id, n FROM sim.wide WHERE id = ?"
INSERT = "INSERT INTO sim.log (id, v) VALUES (?, ?)"
COUNT = "UPDATE sim.counts SET n = n + 1 WHERE id = ?"
ADD = "UPDATE sim.log SET v = ? WHERE id = ?"
CONDITIONAL = "INSERT INTO sim.log (id, v) VALUES (?, ?) IF NOT EXISTS"

_BIGINT, _INT, _TEXT = parse_type("bigint"), parse_type("int"), parse_type("text")
_BOOLEAN = parse_type("boolean")

#: Rows to a page, at most.
_PAGE = 40


def rows_of(identity: int) -> int:
    """Return the number of rows of a wide partition."""
    return identity % 7 * 30


def _misfits(column: Column, value: Any) -> bool:
    """Return whether a value's type differs from its column's."""
    size = {"int": 4, "bigint": 8}.get(column.type.name)
    return size is not None and len(value) != size


class Store:
    """The responses of all nodes."""

    def __init__(self) -> None:
        self.nodes: Nodes
        #: How often each write has been done.
        self.done: Counter[int] = Counter()
        #: Writes after which something may have been applied, and those that are idempotent by their caller.
        self.touched: set[int] = set()
        self.idempotent: set[int] = set()
        #: Writes that arrived again though they may have been applied, and aren't idempotent.
        self.twice: list[int] = []
        #: Errors that the next requests get, one after the other.
        self.errors: list[ErrorCode] = []
        #: Seconds by which the next answers are late.
        self.delays: list[float] = []
        #: How many answers don't come.
        self.silences = 0
        self.warnings = 0
        self.closes = 0
        #: The type of the column v; a node that hears of another one has forgotten its statements.
        self.version = 0

    # --- schema -------------------------------------------------------------------------

    def tables(self) -> list[Table]:
        """Return the current tables."""
        kind = _INT if self.version % 2 == 0 else _BIGINT
        return [
            Table("sim", "items", {"id": _BIGINT, "tag": _TEXT}, ["id"]),
            Table("sim", "wide", {"id": _BIGINT, "n": _INT}, ["id"], ["n"]),
            Table("sim", "log", {"id": _BIGINT, "v": kind}, ["id"], version=self.version),
            Table("sim", "counts", {"id": _BIGINT, "n": parse_type("counter")}, ["id"]),
        ]

    def change(self) -> None:
        """Alter a table: drop its prepared statements, and send schema events."""
        self.version += 1
        for table in self.tables():
            self.nodes.schema.put(table)
        for node in self.nodes.nodes:
            node.prepared = {key: one for key, one in node.prepared.items() if "sim.log" not in one.text}
            node.tell("SCHEMA_CHANGE", SchemaChanged("UPDATED", "TABLE", "sim", "log").event())

    def _columns(self, text: str) -> tuple[tuple[str, str], list[Column], list[int]]:
        name = next(name for name in ("items", "wide", "log", "counts") if f"sim.{name}" in text)
        table = self.nodes.schema.find("sim", name)
        assert table is not None
        names = ["v", "id"] if text.startswith("UPDATE sim.log") else ["id", "v"] if name == "log" else ["id"]
        markers = [Column(one, table.columns[one]) for one in names]
        return ("sim", name), markers, [names.index("id")]

    def prepare(self, statement: Statement, identity: bytes, node: FakeNode) -> Reply:
        """Return the bind markers of a statement."""
        if "sim." not in statement.text:
            return Failed(ErrorCode.SYNTAX_ERROR, "no such statement")
        delay = self.delays.pop() if self.delays else 0.0
        return Prepared(identity, *self._columns(statement.text), delay=delay)

    # --- requests -----------------------------------------------------------------------

    def execute(self, query: Query, statements: Sequence[Statement], node: FakeNode) -> Reply:
        """Execute a request, unless a fault is due."""
        if "sim." not in statements[0].text:
            return Failed(ErrorCode.SYNTAX_ERROR, "no such statement")
        delay = self.delays.pop() if self.delays else 0.0
        writes: list[int] = []
        for part, statement in zip(query.parts, statements, strict=True):
            if not statement.text.strip().upper().startswith("SELECT") and part.values:
                _, markers, (place,) = self._columns(statement.text)
                if any(map(_misfits, markers, part.values)):
                    return Failed(ErrorCode.INVALID, "Expected another number of bytes", delay=delay)
                writes.append(_BIGINT.decode(part.values[place]))  # type: ignore[arg-type]
        self.twice += [one for one in writes if one in self.touched and one not in self.idempotent]
        code = self.errors.pop() if self.errors else None
        if code is not None:
            conditional = any(" IF " in one.text for one in statements)
            return self._failed(code, writes, query, delay, conditional=conditional)
        reply = self._answer(query, statements, writes)
        self.touched.update(writes)
        extra: dict[str, Any] = {"delay": delay}
        if self.silences:
            self.silences -= 1
            extra["silent"] = True
        elif self.closes:
            self.closes -= 1
            extra["closes"] = True
        elif self.warnings:
            self.warnings -= 1
            extra["warnings"] = ("beware",)
        return type(reply)(**{**vars(reply), **extra})

    def _failed(
        self, code: ErrorCode, writes: list[int], query: Query, delay: float, *, conditional: bool
    ) -> Reply:
        """Fail a request; a write may be applied nevertheless, if the error allows it."""
        if code == ErrorCode.IS_BOOTSTRAPPING and writes:
            code = ErrorCode.OVERLOADED
        kind = Write.LOGGED if query.batch_type == 0 else Write.PARTS if query.batch_type else Write.SINGLE
        if conditional:
            kind = Write.CONDITIONAL
        if writes and ERRORS[code].may_have_been_applied(kind, {}):
            self.touched.update(writes)
            if world().random.random() < 0.5:
                self.done.update(writes)
        details = {"write_type": "BATCH" if query.batch_type is not None else "SIMPLE"}
        return Failed(code, "", details if "write_type" in ERRORS[code].fields else {}, delay=delay)

    def _answer(self, query: Query, statements: Sequence[Statement], writes: list[int]) -> Reply:
        text = statements[0].text.strip()
        if len(statements) == 1 and text.startswith("SELECT"):
            identity: int = _BIGINT.decode(query.parts[0].values[0])  # type: ignore[arg-type]
            if "sim.items" in text:
                columns = (Column("id", _BIGINT), Column("tag", _TEXT))
                values = [_BIGINT.encode(identity), f"tag-{identity}".encode()]
                return Rows(("sim", "items"), columns, [values], bare=query.skips_metadata)
            return self._page(identity, query)
        if len(statements) == 1 and "IF NOT EXISTS" in text and text.startswith("INSERT"):
            applied = not self.done[writes[0]]
            self.done[writes[0]] += applied
            return Rows(("sim", "log"), (Column("[applied]", _BOOLEAN),), [[bytes([applied])]])
        self.done.update(writes)
        return Void()

    def _page(self, identity: int, query: Query) -> Reply:
        start = 0
        if query.paging_state is not None:
            owner, _, at = query.paging_state.decode().partition("/")
            assert int(owner) == identity, "a paging state of another request"
            start = int(at)
        total = rows_of(identity)
        end = min(total, start + min(query.page_size or _PAGE, _PAGE))
        values = [[_BIGINT.encode(identity), _INT.encode(n)] for n in range(start, end)]
        columns = (Column("id", _BIGINT), Column("n", _INT))
        state = f"{identity}/{end}".encode() if end < total else None
        return Rows(("sim", "wide"), columns, values, state, bare=query.skips_metadata)
