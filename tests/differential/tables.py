"""Random tables, and random statements for them."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.differential.cqlvalues import UserType, ValueType, plain_name, random_type

from coodie.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Plan", "Request"]

_NAMES = ('"Odd ""name"" "', '"select"', '"ünï"', "plain", '"UPPER"', "x1", '"a,b"', "c_9")
INT = ValueType("int")


@dataclass(frozen=True)
class Request:
    """One statement.

    Args:
        text: Its CQL; ``{table}`` is the table.
        params: Its values, with the type of each.
        batch: More of them, which are written in one batch with it, or by ``execute_many``.
        kind: "execute", "many", or the type of a batch.
        outside: Columns of the result that aren't the table's → their types.
    """

    text: str
    params: tuple[tuple[ValueType, Any], ...] = ()
    batch: tuple[tuple[tuple[ValueType, Any], ...], ...] = ()
    kind: str = "execute"
    outside: dict[str, ValueType] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    type: ValueType
    role: str = "regular"

    @property
    def definition(self) -> str:
        """As it stands in CREATE TABLE."""
        return f"{self.name} {self.type.cql}{' static' if self.role == 'static' else ''}"


def _insert_into(columns: list[Column]) -> str:
    names, marks = ", ".join(column.name for column in columns), ", ".join("?" * len(columns))
    return f"INSERT INTO {{table}} ({names}) VALUES ({marks})"


class Plan:
    """A table of a seed's, and what is done with it.

    Args:
        seed: Decides everything.
    """

    def __init__(self, seed: int) -> None:
        self._rng = rng = random.Random(seed)
        self.seed = seed
        self._timestamps = itertools.count(1_000_000)
        self.user_types = self._make_user_types()
        self.counters = rng.random() < 0.15
        names = iter(rng.sample(_NAMES, len(_NAMES)))
        make = self._type
        self.partition = [
            Column(next(names), make(key=True), "partition") for _ in range(rng.choice([1, 1, 2]))
        ]
        self.clustering = [
            Column(next(names), make(key=True), "clustering") for _ in range(rng.choice([0, 1, 1, 2]))
        ]
        static = rng.choice([0, 1, 2]) if self.clustering else 0
        self.static = [Column(f"s{n}", self._column_type(), "static") for n in range(static)]
        self.regular = [Column(f"r{n}", self._column_type()) for n in range(rng.randint(1, 4))]
        self._orders = [rng.choice(["ASC", "DESC"]) for _ in self.clustering]
        #: The server chooses no timestamp in this table, so that WRITETIME can be compared.
        self.exact_times = not self.counters and rng.random() < 0.6
        # Few keys, so that writes meet.
        self._keys = [[column.type.make(rng) for column in self.partition] for _ in range(3)]
        self._rows = [[column.type.make(rng) for column in self.clustering] for _ in range(6)]

    @property
    def columns(self) -> list[Column]:
        """All of them."""
        return [*self.partition, *self.clustering, *self.static, *self.regular]

    def types(self) -> dict[str, ValueType]:
        """Return the columns' types, by the names that rows have."""
        return {plain_name(column.name): column.type for column in self.columns}

    def definition(self) -> str:
        """Return what CREATE TABLE has to say."""
        key = ", ".join(
            [f"({', '.join(c.name for c in self.partition)})", *(c.name for c in self.clustering)]
        )
        columns = ", ".join(column.definition for column in self.columns)
        order = ", ".join(f"{c.name} {way}" for c, way in zip(self.clustering, self._orders, strict=True))
        with_order = f" WITH CLUSTERING ORDER BY ({order})" if order else ""
        return f"({columns}, PRIMARY KEY ({key})){with_order}"

    def _make_user_types(self) -> tuple[UserType, ...]:
        made: tuple[UserType, ...] = ()
        for number in range(self._rng.randint(1, 3)):
            names = self._rng.sample(['"A b"', "f1", "f2", '"int"'], self._rng.randint(1, 3))
            fields = [(name, random_type(self._rng, made, 0 if number == 0 else 1)) for name in names]
            made += (UserType(f"u{self.seed}_{number}", tuple(fields)),)
        return made

    def _type(self, *, key: bool = False) -> ValueType:
        return random_type(self._rng, self.user_types, 1 if key else 2, key=key)

    def _column_type(self) -> ValueType:
        if self.counters:
            return ValueType("counter")
        rng = self._rng
        kind = rng.choice(["any", "any", "list", "set", "map", "udt"])
        if kind == "any":
            return self._type()
        if kind == "udt":
            return ValueType("udt", user_type=rng.choice(self.user_types))
        first = random_type(rng, self.user_types, 1, key=kind != "list")
        return ValueType(kind, (first, random_type(rng, self.user_types, 1)) if kind == "map" else (first,))

    # --- statements -----------------------------------------------------------------------

    def add_column(self) -> str:
        """Add a column, and return how ALTER TABLE does."""
        kind = ValueType("counter") if self.counters else self._type()
        column = Column(f"r{len(self.regular)}", kind)
        self.regular.append(column)
        return f"ADD {column.definition}"

    def writes(self, count: int) -> Iterator[Request]:
        """Make writes of all kinds."""
        ways = [self._add] if self.counters else [
            self._insert, self._insert, self._insert_part, self._update, self._update_collection, self._batch,
            self._many, *([] if self.exact_times else [self._conditional]),
        ]  # fmt: skip
        for _ in range(count):
            yield self._rng.choice([*ways, self._delete])()

    def reads(self) -> list[Request]:
        """Make reads of all kinds."""
        partition, rng = self._at(self.partition), self._rng
        key = self._key_params()
        names = ", ".join(
            column.name for column in rng.sample(self.columns, rng.randint(1, len(self.columns)))
        )
        first = self.partition[0].name if len(self.partition) == 1 else None
        reads = [
            Request("SELECT * FROM {table}"),
            Request(f"SELECT {names} FROM {{table}}"),
            Request(f"SELECT * FROM {{table}} WHERE {partition}", key),
            Request("SELECT * FROM {table} LIMIT ?", ((INT, rng.randint(1, 5)),)),
            Request("SELECT COUNT(*) AS n FROM {table}", outside={"n": ValueType("bigint")}),
            Request(f"SELECT * FROM {{table}} WHERE {partition} PER PARTITION LIMIT 2", key),
        ]
        if self.clustering:
            column = self.clustering[0]
            row = ((column.type, rng.choice(self._rows)[0]),)
            order = "DESC" if self._orders[0] == "ASC" else "ASC"
            where = f"{partition} AND {column.name} {rng.choice(['=', '>', '<='])} ?"
            reads += [
                Request(f"SELECT * FROM {{table}} WHERE {where}", key + row),
                Request(f"SELECT * FROM {{table}} WHERE {partition} ORDER BY {column.name} {order}", key),
            ]
        if self.static:
            distinct = ", ".join(c.name for c in [*self.partition, *self.static])
            reads.append(Request(f"SELECT DISTINCT {distinct} FROM {{table}}"))
        if first:
            params = tuple((self.partition[0].type, each[0]) for each in self._keys[:2])
            reads.append(Request(f"SELECT * FROM {{table}} WHERE {first} IN (?, ?)", params))
        simple = [c for c in self.regular if c.type.frozen or not (c.type.inner or c.type.user_type)]
        if simple and not self.counters:
            name = rng.choice(simple).name
            select = f"TTL({name}) AS ttl" + (f", WRITETIME({name}) AS written" if self.exact_times else "")
            reads.append(Request(f"SELECT {select} FROM {{table}}", outside={"ttl": INT, "written": INT}))
        for column in self.regular:
            if column.type.kind == "udt" and not column.type.frozen:
                name, kind = rng.choice(column.type.fields)
                reads.append(
                    Request(f"SELECT {column.name}.{name} AS part FROM {{table}}", outside={"part": kind})
                )
        return reads

    def _key_params(self) -> tuple[tuple[ValueType, Any], ...]:
        return tuple(zip([c.type for c in self.partition], self._rng.choice(self._keys), strict=True))

    def _row_params(self) -> tuple[tuple[ValueType, Any], ...]:
        return tuple(zip([c.type for c in self.clustering], self._rng.choice(self._rows), strict=True))

    @staticmethod
    def _at(columns: list[Column]) -> str:
        return " AND ".join(f"{column.name} = ?" for column in columns)

    def _value(self, kind: ValueType) -> Any:
        return self._rng.choice([None, UNSET, *[kind.make(self._rng) for _ in range(5)]])

    def _using(self) -> str:
        """Return a timestamp, without which what happens at once is ordered by chance, and often a TTL."""
        ttl = f" AND TTL {self._rng.choice([100_000, 1_000_000])}" if self._rng.random() < 0.3 else ""
        return f" USING TIMESTAMP {next(self._timestamps)}{ttl}"

    def _insert(self, *, using: str | None = None) -> Request:
        columns = self.columns
        text = _insert_into(columns)
        others = [(c.type, self._value(c.type)) for c in [*self.static, *self.regular]]
        params = (*self._key_params(), *self._row_params(), *others)
        return Request(f"{text}{self._using() if using is None else using}", params)

    def _insert_part(self) -> Request:
        chosen = self._rng.sample(self.regular, self._rng.randint(0, len(self.regular)))
        columns = [*self.partition, *self.clustering, *chosen]
        text = _insert_into(columns)
        others = [(c.type, self._value(c.type)) for c in chosen]
        return Request(f"{text}{self._using()}", (*self._key_params(), *self._row_params(), *others))

    def _conditional(self) -> Request:
        return self._insert(using=" IF NOT EXISTS")

    def _update(self) -> Request:
        column = self._rng.choice([*self.static, *self.regular])
        return self._change(column, "=", column.type, self._value(column.type))

    def _change(self, column: Column, operator: str, kind: ValueType, value: Any) -> Request:
        is_static = column.role == "static"
        where = self._at(self.partition if is_static else [*self.partition, *self.clustering])
        change = f"{column.name} = ?" if operator == "=" else f"{column.name} = {column.name} {operator} ?"
        if operator.startswith("."):
            change = f"{column.name}{operator} = ?"
        params = ((kind, value), *self._key_params(), *(() if is_static else self._row_params()))
        return Request(f"UPDATE {{table}}{self._using()} SET {change} WHERE {where}", params)

    def _update_collection(self) -> Request:
        rng = self._rng
        columns = [
            c
            for c in [*self.static, *self.regular]
            if not c.type.frozen and (c.type.inner or c.type.user_type)
        ]
        columns = [c for c in columns if c.type.kind in {"list", "set", "map", "udt"}]
        if not columns:
            return self._update()
        column = rng.choice(columns)
        if column.type.kind == "udt":
            name, kind = rng.choice(column.type.fields)
            return self._change(column, f".{name}", kind, rng.choice([None, kind.make(rng)]))
        operator = rng.choice("+-")
        kind = column.type
        if operator == "-" and kind.kind == "map":
            kind = ValueType("set", (kind.inner[0],))
        return self._change(column, operator, kind, kind.make(rng))

    def _add(self) -> Request:
        column = self._rng.choice([*self.static, *self.regular])
        is_static = column.role == "static"
        where = self._at(self.partition if is_static else [*self.partition, *self.clustering])
        change = f"{column.name} = {column.name} {self._rng.choice('+-')} ?"
        amount = (ValueType("bigint"), self._rng.randint(-(10**6), 10**6))
        params = (amount, *self._key_params(), *(() if is_static else self._row_params()))
        return Request(f"UPDATE {{table}} SET {change} WHERE {where}", params)

    def _delete(self) -> Request:
        rng = self._rng
        using = "" if self.counters else f" USING TIMESTAMP {next(self._timestamps)}"
        key, row = self._key_params(), self._row_params()
        depth = rng.randint(0, len(self.clustering)) if rng.random() < 0.4 else len(self.clustering)
        where = self._at([*self.partition, *self.clustering[:depth]])
        column = (
            f" {rng.choice(self.regular).name}"
            if depth == len(self.clustering) and rng.random() < 0.5
            else ""
        )
        return Request(f"DELETE{column} FROM {{table}}{using} WHERE {where}", key + row[:depth])

    def _batch(self) -> Request:
        request, *others = [self._insert(using="") for _ in range(self._rng.randint(1, 4))]
        kind = self._rng.choice(["LOGGED", "UNLOGGED"])
        batch = tuple(each.params for each in others)
        return Request(f"{request.text}{self._using()}", request.params, batch, kind)

    def _many(self) -> Request:
        request = self._batch()
        return Request(request.text, request.params, request.batch, "many")
