"""Scripted responses to statements, and the recorded requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from coodie.cql import inspect_statement, tokens, unqualified, with_positional_markers
from coodie.exceptions import ConfigurationError
from coodie.protocol.codec import Consistency
from coodie.protocol.error_codes import ErrorCode
from coodie.protocol.frames import Opcode
from coodie.types import UNSET
from coodie_testing.fake.cqltypes import Column, CqlType, parse_type, type_of
from coodie_testing.fake.errors import scripted_error
from coodie_testing.fake.markers import marked_columns, markers_of
from coodie_testing.fake.replies import Failed, Prepared, Reply, Rows, SchemaChanged, Void

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from coodie.exceptions import CoodieError
    from coodie_testing.fake.node import FakeNode, Nodes, Statement
    from coodie_testing.fake.requests import Query

__all__ = ["ANY", "FakeRequest", "Script", "Stub", "normalized"]


class _Any(Enum):
    """The type of ``ANY``, for annotations."""

    ANY = "ANY"

    def __repr__(self) -> str:
        return "ANY"


#: Matches all parameters, or any single one.
ANY = _Any.ANY

_NO_COLUMNS = (Column("fake", parse_type("text")),)
_BATCH_TYPES = ("LOGGED", "UNLOGGED", "COUNTER")
_NAMES = {int(code): code.name for code in Consistency}


def normalized(stmt: str) -> str:
    """Return a statement for comparisons: with ``?`` as markers, normalized white space, and no comments."""
    text, _ = with_positional_markers(stmt)
    words = [word.lower() if group == "word" else word for group, word in tokens(text)]
    return " ".join(words).removesuffix(" ;")


@dataclass(frozen=True)
class FakeRequest:
    """A request that a fake server has received.

    Args:
        kind: ``query`` for a statement that is sent as text, ``execute`` for a prepared one, ``batch``.
        statement: The CQL text, without the keyspace that drivers add to names of tables; for a batch, all
            statements, separated by ``"; "``.
        params: The parameters, as Python objects; for a batch, a list of parameters for each statement.
        consistency: The name of the consistency level.
        serial_consistency: The name of the serial level, or None.
        page_size: The number of rows per page, or None.
        paging_state: The paging state, or None.
        timestamp: The write timestamp in microseconds since 1970, or None.
        batch_type: LOGGED, UNLOGGED or COUNTER; None if the request isn't a batch.
        statements: The list of statements.
        node: The number of the node that received it, from 0.
    """

    kind: str
    statement: str
    params: list[Any]
    consistency: str
    serial_consistency: str | None
    page_size: int | None
    paging_state: bytes | None
    timestamp: int | None
    batch_type: str | None
    statements: tuple[str, ...]
    node: int


class Stub:
    """The response to a statement; by default, success without rows.

    Each method returns the stub, so that they can be chained.

    Args:
        statement: The CQL text.
        params: The parameters to match: a list, a dict for named markers, or ``ANY`` for all parameters.
        markers: Returns the markers' columns; called on first use.
        newest: The newest protocol version of the cluster.
    """

    def __init__(
        self,
        statement: str,
        params: Any,
        markers: Callable[[str, Any], tuple[Column, ...]],
        newest: int,
    ) -> None:
        self.statement = statement
        self.text = normalized(statement)
        names = with_positional_markers(statement)[1]
        self._params = [params[name] for name in names] if isinstance(params, dict) else params
        self.markers = markers(statement, self._params)
        self._newest = newest
        self._reply: Reply = Void()
        self._rows: list[Mapping[str, Any]] | None = None
        self._columns: tuple[Column, ...] = ()
        self._page_size: int | None = None
        self._left: int | None = None
        #: The number of requests that it was used for.
        self.calls = 0

    # --- what is answered ---------------------------------------------------------------

    def rows(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        types: Mapping[str, str] | None = None,
        page_size: int | None = None,
    ) -> Stub:
        """Respond with rows, a page at a time.

        Args:
            rows: The rows; the keys of the first one are the columns. Without rows and types, there is a
                column ``fake``: drivers reject a result without columns.
            types: The CQL types of columns, if they can't be derived from the values; by default, an
                ``int`` is a ``bigint``, a ``UUID`` a ``uuid``, and a column of nulls ``text``.
            page_size: The maximum number of rows of a page, even if the client requests more.

        Raises:
            ValueError: The type of a value is unknown or invalid.
        """
        given = {name: parse_type(text) for name, text in (types or {}).items()}
        self._rows = list(rows)
        names = dict.fromkeys((*(rows[0] if rows else ()), *given))
        self._columns = (
            tuple(Column(name, given.get(name) or type_of(row[name] for row in rows)) for name in names)
            or _NO_COLUMNS
        )
        for row in rows:
            _encoded(self._columns, row)
        self._page_size = page_size
        return self

    def applied(self, applied: bool = True, row: Mapping[str, Any] | None = None) -> Stub:  # noqa: FBT001, FBT002 - as the server's column
        """Respond as to a conditional write.

        Args:
            applied: Whether it was applied.
            row: The existing row, if the write wasn't applied.
        """
        return self.rows([{"[applied]": applied, **(row or {})}])

    def error(self, error: type[CoodieError] | ErrorCode, message: str = "", **attributes: Any) -> Stub:
        """Respond with an error.

        Args:
            error: The class of ``coodie.exceptions`` that the driver should raise, or the server's error
                code. For ``RequestTimeoutError``, there is no response; for ``ConnectionLostError``, the
                connection is closed.
            message: The server's message.
            attributes: Attributes of the error, such as ``consistency``, ``received``, ``required``,
                ``alive`` and ``write_type``; the others have example values. Protocol version 4 has no
                ``reasons`` and ``contentions``: clients with this version don't get them.

        Raises:
            ConfigurationError: No response of a server causes this error, or has these attributes.
        """
        return self._replied(scripted_error(error, message, attributes, self._newest))

    def schema_change(self, change: str, target: str, keyspace: str, name: str = "") -> Stub:
        """Respond as to a schema statement; connected clients receive the event.

        Args:
            change: CREATED, UPDATED or DROPPED.
            target: KEYSPACE, TABLE or TYPE.
            keyspace: The keyspace.
            name: The table or type.
        """
        return self._replied(SchemaChanged(change, target, keyspace, name))

    def _replied(self, reply: Reply) -> Stub:
        old = self._reply
        self._reply, self._rows = replace(reply, warnings=old.warnings, delay=old.delay), None
        return self

    def warnings(self, *warnings: str) -> Stub:
        """Add warnings to the response."""
        self._reply = replace(self._reply, warnings=warnings)
        return self

    def delay(self, seconds: float) -> Stub:
        """Delay the response, without delaying other requests of the connection."""
        self._reply = replace(self._reply, delay=seconds)
        return self

    def times(self, count: int) -> Stub:
        """Respond to this number of requests; then the previous matching script applies, if there is one."""
        self._left = count
        return self

    # --- what is asked ------------------------------------------------------------------

    def takes(self, text: str, values: Sequence[Any]) -> bool:
        """Return whether this stub matches a statement with these encoded values."""
        if self._left == 0 or text != self.text:
            return False
        if self._params is ANY:
            return True
        if len(values) != len(self._params):
            return False
        return all(
            wanted is ANY or _same(kind, wanted, value)
            for (_, kind), wanted, value in zip(self.markers, self._params, values, strict=True)
        )

    def answer(self, query: Query, table: tuple[str, str]) -> Reply:
        """Return the response to a request, and count the request."""
        self.calls += 1
        if query.paging_state is None and self._left is not None:
            self._left -= 1
        if self._rows is None:
            return self._reply
        start = int(query.paging_state or b"0")
        sizes = [size for size in (query.page_size, self._page_size) if size and size > 0]
        end = min([start + size for size in sizes], default=len(self._rows))
        values = [_encoded(self._columns, row) for row in self._rows[start:end]]
        state = str(end).encode() if end < len(self._rows) else None
        reply = self._reply
        return Rows(table, self._columns, values, state, warnings=reply.warnings, delay=reply.delay)


def _encoded(columns: Sequence[Column], row: Mapping[str, Any]) -> list[bytes | None]:
    try:
        return [kind.encode(row.get(name)) for name, kind in columns]
    except Exception as exc:
        kinds = ", ".join(f"{name} {kind}" for name, kind in columns)
        raise ValueError(f"A row doesn't fit its columns ({kinds}). Give types=.") from exc


def _same(kind: CqlType, wanted: Any, value: Any) -> bool:
    if wanted is UNSET or value is UNSET:
        return wanted is value
    try:
        return bool(kind.encode(wanted) == value)
    except Exception:  # noqa: BLE001 - a value that the type doesn't have is another one
        return False


class Script:
    """The stubs of a cluster, and the recorded requests."""

    def __init__(self) -> None:
        self._stubs: list[Stub] = []
        #: The requests, in order, without those for the cluster's metadata.
        self.requests: list[FakeRequest] = []
        #: Made when the cluster is.
        self.cluster: Nodes

    def add(self, statement: str, params: Any, types: Sequence[str] | None) -> Stub:
        """Add a stub before the others, and return it."""
        newest = max(node.max_protocol for node in self.cluster.nodes)
        stub = Stub(statement, params, lambda text, values: self._markers(text, values, types), newest)
        self._stubs.insert(0, stub)
        return stub

    def clear(self) -> None:
        """Remove all stubs and requests."""
        self._stubs.clear()
        self.requests.clear()

    def _markers(self, text: str, params: Any, types: Sequence[str] | None) -> tuple[Column, ...]:
        """Return what a statement's values are.

        Raises:
            ConfigurationError: It can't be known.
        """
        shape = inspect_statement(text)
        table = self.cluster.schema.find(shape.keyspace, shape.table)
        names = markers_of(text)
        given = [None] * len(names) if params is ANY else params
        if types is not None:
            return tuple(Column(name, parse_type(kind)) for name, kind in zip(names, types, strict=True))
        columns = marked_columns(text, {} if table is None else table.columns)
        found = []
        for name, kind, value in zip(names, columns, given, strict=True):
            known = kind
            if known is None and not any(value is other for other in (ANY, UNSET, None)):
                known = type_of([value])
            if known is None:
                message = f"The type of {name!r} in {text!r} is unknown."
                hint = "Give types= with a type per marker, declare the table with table(), or give values."
                raise ConfigurationError(message, hint=hint)
            found.append(Column(name, known))
        return tuple(found)

    # --- what nodes ask -----------------------------------------------------------------

    def prepare(self, statement: Statement, identity: bytes, node: FakeNode) -> Reply:
        """Return the columns of a statement's markers, by its first stub."""
        statement = self._as_written(statement)
        text = normalized(statement.text)
        stub = next((one for one in self._stubs if one.text == text), None)
        if stub is None:
            return self._unknown(statement.text)
        table, key = self._table(statement)
        names = [name for name, _ in stub.markers]
        places = [names.index(name) for name in key] if key and set(key) <= set(names) else []
        return Prepared(identity, table, stub.markers, places)

    def execute(self, query: Query, statements: Sequence[Statement], node: FakeNode) -> Reply:
        """Return the response to a request, and record the request."""
        statements = [self._as_written(statement) for statement in statements]
        self.requests.append(self._request(query, statements, node))
        replies = []
        for part, statement in zip(query.parts, statements, strict=True):
            text = normalized(statement.text)
            stub = next((one for one in self._stubs if one.takes(text, part.values)), None)
            if stub is None:
                return self._unknown(statement.text, with_values=any(one.text == text for one in self._stubs))
            replies.append(stub.answer(query, self._table(statement)[0]))
        # A batch has one answer: the first that isn't plain success.
        reply = next((one for one in replies if not isinstance(one, Void) or one != Void()), replies[0])
        if isinstance(reply, SchemaChanged):
            for other in self.cluster.nodes:
                other.tell("SCHEMA_CHANGE", reply.event())
        return reply

    def _as_written(self, statement: Statement) -> Statement:
        """Return a statement without the connection's keyspace, unless a stub has it.

        Drivers of coodie qualify the names of a statement that they prepare.
        """
        text, keyspace = statement
        if keyspace is None or any(one.text == normalized(text) for one in self._stubs):
            return statement
        return statement._replace(text=unqualified(text, keyspace))

    @staticmethod
    def _unknown(text: str, *, with_values: bool = False) -> Reply:
        what = "these parameters of " if with_values else ""
        return Failed(
            ErrorCode.INVALID, f"No response is scripted for {what}{text!r}. Add when(…) to the test."
        )

    def _table(self, statement: Statement) -> tuple[tuple[str, str], tuple[str, ...]]:
        """Return the names that columns are of, and the partition key of a table that is declared."""
        shape = inspect_statement(statement.text)
        keyspace = shape.keyspace or statement.keyspace
        table = self.cluster.schema.find(keyspace, shape.table)
        return (keyspace or "fake", shape.table or "fake"), tuple(table.partition_key) if table else ()

    def _request(self, query: Query, statements: Sequence[Statement], node: FakeNode) -> FakeRequest:
        params = [
            self._decoded(statement.text, part.values)
            for part, statement in zip(query.parts, statements, strict=True)
        ]
        is_batch = query.opcode == Opcode.BATCH
        kinds = {Opcode.QUERY: "query", Opcode.EXECUTE: "execute", Opcode.BATCH: "batch"}
        serial = query.serial_consistency
        return FakeRequest(
            kind=kinds[Opcode(query.opcode)],
            statement="; ".join(statement.text.strip() for statement in statements),
            params=params if is_batch else params[0],
            consistency=_NAMES.get(query.consistency, str(query.consistency)),
            serial_consistency=None if serial is None else _NAMES.get(serial, str(serial)),
            page_size=query.page_size,
            paging_state=query.paging_state,
            timestamp=query.timestamp,
            batch_type=None if query.batch_type is None else _BATCH_TYPES[query.batch_type],
            statements=tuple(statement.text.strip() for statement in statements),
            node=node.number,
        )

    def _decoded(self, text: str, values: Sequence[Any]) -> list[Any]:
        key = normalized(text)
        stub = next((one for one in self._stubs if one.text == key), None)
        if stub is None or len(stub.markers) != len(values):
            return list(values)
        return [
            value if value is UNSET else kind.decode(value)
            for (_, kind), value in zip(stub.markers, values, strict=True)
        ]
