"""Strategies for hypothesis: definitions of tables of any shape, and what may become of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from coodie.schema import ColumnDefinition as Col

if TYPE_CHECKING:
    from tests.features import Features

__all__ = ["TYPE_NAMES", "Definition", "definitions", "evolved"]

#: User-defined types, as CQL, that a keyspace must have for these definitions; any fields will do.
TYPE_NAMES = ("plain", '"Odd ""one"""', '"int"', '"select"')

_NATIVE = st.sampled_from(
    "ascii bigint blob boolean date decimal double float inet int smallint text time timestamp timeuuid "  # noqa: SIM905 - twenty lines otherwise
    "tinyint uuid varchar varint 'Int32Type' 'LexicalUUIDType'".split()
)
_USER_DEFINED = st.sampled_from([f"frozen<{name}>" for name in TYPE_NAMES])


def _around(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        inner.map("frozen<list<{}>>".format),
        inner.map("FROZEN<Set<{}>>".format),
        st.tuples(inner, inner).map(lambda pair: f"frozen<map<{pair[0]},{pair[1]}>>"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"tuple<{', '.join(parts)}>"),
        st.tuples(inner, st.integers(1, 9)).map(lambda pair: f"vector<{pair[0]} , {pair[1]}>"),
    )


_FROZEN = st.recursive(_NATIVE | _USER_DEFINED, _around, max_leaves=5)
_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)

#: Columns that can have an index: their type, and what a definition may say of it.
_INDEXED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("int", {"index": True}),
    ("Text", {"index": True, "index_class": "sai"}),
    ("text", {"index": True, "index_class": "sai", "index_options": {"case_sensitive": False}}),
    ("set<text>", {"index": True}),
    ("frozen<list<int>>", {"index": True}),
    ("map<text, int>", {"index": True, "index_target": "keys"}),
    ("map<text, int>", {"index": True, "index_target": "entries", "index_class": "StorageAttachedIndex"}),
    ("vector<float, 3>", {"vector_index": True}),
    ("vector<float, 2>", {"vector_index": True, "vector_similarity_function": "euclidean"}),
)

_OLD_INDEXED = tuple(
    pair for pair in _INDEXED if not (pair[1].get("index_class") or pair[1].get("vector_index"))
)

#: Options, each with ways to write one value, and then another value.
_OPTIONS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "comment": (('it\'s "it"',), "$$ ; --"),
    "gc_grace_seconds": ((60, "60"), 61),
    "default_time_to_live": ((0, "0"), 5),
    "bloom_filter_fp_chance": ((0.1, "0.10"), 0.2),
    "speculative_retry": (("95p", "95PERCENTILE", "95.0p"), "MAX(50ms, 99p)"),
    "read_repair": (("NONE", "none"), "BLOCKING"),
    "caching": (({"keys": "none"}, {"keys": "NONE"}), {"keys": "ALL", "rows_per_partition": 5}),
    "compaction": (
        (
            {"class": "LeveledCompactionStrategy"},
            {"class": "org.apache.cassandra.db.compaction.LeveledCompactionStrategy", "enabled": True},
        ),
        {"class": "UnifiedCompactionStrategy", "scaling_parameters": "T4"},
    ),
    "compression": (
        ({"class": "ZstdCompressor"}, {"class": "ZstdCompressor", "chunk_length_in_kb": "16"}),
        {"enabled": False},
    ),
}


#: The other values of options where Cassandra 4.1 doesn't have those above.
_OLD_OPTIONS = {"compaction": {"class": "SizeTieredCompactionStrategy", "min_threshold": 5}}


@dataclass(frozen=True)
class Definition:
    """What a table is to be, and what it costs to get there from the one before."""

    columns: tuple[Col, ...]
    #: Option → whether it has the first value of ``_OPTIONS`` or the other one.
    chosen: dict[str, bool] = field(default_factory=dict)
    #: Option → its value, in one of its spellings.
    options: dict[str, Any] = field(default_factory=dict)
    #: How many statements of each kind lead here: "ADD", "WITH", "CREATE", "DROP".
    cost: dict[str, int] = field(default_factory=dict)
    #: How many columns there ever were: the number of the next one.
    number: int = 0
    #: Whether it is a table of counters, which it stays also without any.
    counters: bool = False
    #: Those of the server that it is for.
    features: Features = field(kw_only=True)

    @property
    def has_clustering(self) -> bool:
        """Whether columns can be static."""
        return any(column.clustering_key for column in self.columns)

    def columns_of(self, table: str) -> list[Col]:
        """Return the columns; indexes have names that no other table's have."""
        return [
            replace(
                column,
                index_name=column.index_name and f"{table}_{column.index_name}",
                vector_index_name=column.vector_index_name and f"{table}_{column.vector_index_name}",
            )
            for column in self.columns
        ]


def _is_indexed(column: Col) -> bool:
    return column.index or column.vector_index


def _frozen(features: Features) -> st.SearchStrategy[str]:
    """Choose a type that a key can have."""

    def known(cql_type: str) -> str:
        if "types named int" not in features:
            cql_type = cql_type.replace('"int"', '"select"')
        if "vectors" not in features:
            cql_type = re.sub(r" , \d>", ">>", cql_type.replace("vector<", "frozen<list<"))
        return cql_type

    return _FROZEN.map(known)


@st.composite
def _column(draw: st.DrawFn, name: str, number: int, *, static: bool, features: Features) -> Col:
    """Make a column outside the key, with an index or without."""
    if draw(st.integers(0, 2)):
        frozen = _frozen(features)
        any_type = frozen | frozen.map("list<{}>".format) | st.sampled_from(["duration", "plain"])
        return Col(name, draw(any_type), static=static and draw(st.booleans()))
    cql_type, attributes = draw(st.sampled_from(_INDEXED if "vectors" in features else _OLD_INDEXED))
    # A storage-attached index wants a plain name.
    column = Col(f"Indexed_{number}", cql_type, **attributes)
    if column.index:
        return replace(column, index_name=f"i{number}")
    return replace(column, vector_index_name=f"i{number}")


@st.composite
def definitions(draw: st.DrawFn, features: Features) -> Definition:
    """Make a table of any shape that the server can have."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=8, unique=True))
    partition = draw(st.integers(1, len(names)))
    clustering = draw(st.integers(partition, len(names)))
    counters = draw(st.integers(0, 4)) == 0
    cols = []
    for place, name in enumerate(names):
        if place < partition:
            cols.append(Col(name, draw(_frozen(features)), primary_key=True, partition_key_index=place))
        elif place < clustering:
            order = draw(st.sampled_from(["ASC", "DESC"]))
            index = place - partition
            key = Col(name, draw(_frozen(features)), clustering_key=True, clustering_key_index=index)
            cols.append(replace(key, clustering_order=order))
        elif counters:
            cols.append(Col(name, "counter"))
        else:
            cols.append(draw(_column(name, place, static=clustering > partition, features=features)))
    # Counters don't expire, and the server refuses a default for that.
    possible = sorted(_OPTIONS.keys() - ({"default_time_to_live"} if counters else set()))
    chosen = dict.fromkeys(draw(st.lists(st.sampled_from(possible), unique=True)), False)
    # Without any counter at its beginning, a table can never have one.
    counters = any(column.cql_type == "counter" for column in cols)
    columns = tuple(draw(st.permutations(cols)))
    return draw(
        _respelt(Definition(columns, chosen, number=len(names), counters=counters, features=features))
    )


@st.composite
def _respelt(draw: st.DrawFn, before: Definition) -> Definition:
    """Say the same in other words."""
    columns = [
        column if "'" in column.cql_type or '"' in column.cql_type else replace(column, cql_type=spelling)
        for column in before.columns
        for spelling in [draw(st.sampled_from([column.cql_type, column.cql_type.upper()]))]
    ]
    others = {} if "UnifiedCompactionStrategy" in before.features else _OLD_OPTIONS
    options = {
        name: others.get(name, _OPTIONS[name][1]) if other else draw(st.sampled_from(_OPTIONS[name][0]))
        for name, other in before.chosen.items()
    }
    return replace(before, columns=tuple(draw(st.permutations(columns))), options=options, cost={})


@st.composite
def _grown(draw: st.DrawFn, before: Definition) -> Definition:
    """Add columns, some of them with an index."""
    known = {column.name for column in before.columns}
    names = draw(st.lists(_NAMES.filter(lambda name: name not in known), min_size=1, max_size=3, unique=True))
    new = []
    for place, name in enumerate(names, before.number):
        if before.counters:
            new.append(Col(f"n{place}{name}", "counter"))
        else:
            column = _column(f"n{place}{name}", place, static=before.has_clustering, features=before.features)
            new.append(draw(column))
    cost = {"ADD": 1, "CREATE": sum(map(_is_indexed, new))}
    return replace(before, columns=(*before.columns, *new), cost=cost, number=before.number + len(new))


@st.composite
def _reset(draw: st.DrawFn, before: Definition) -> Definition:
    """Give options that are set their other value, all at once."""
    names = draw(st.sets(st.sampled_from(sorted(before.chosen)), min_size=1))
    chosen = {name: other != (name in names) for name, other in before.chosen.items()}
    return replace(draw(_respelt(replace(before, chosen=chosen))), cost={"WITH": 1})


@st.composite
def _bared(draw: st.DrawFn, before: Definition) -> Definition:
    """Take an index away, or its whole column: the column stays on the server, the index goes."""
    victim = draw(st.sampled_from([column for column in before.columns if _is_indexed(column)]))
    bare = [] if draw(st.booleans()) else [Col(victim.name, victim.cql_type)]
    columns = [column for column in before.columns if column is not victim]
    return replace(before, columns=(*columns, *bare), cost={"DROP": 1})


@st.composite
def _forgotten(draw: st.DrawFn, before: Definition) -> Definition:
    """Leave a column out, which stays on the server: no statement."""
    victim = draw(st.sampled_from([column for column in before.columns if _can_be_forgotten(column)]))
    columns = tuple(column for column in before.columns if column is not victim)
    return replace(before, columns=columns, cost={})


def _can_be_forgotten(column: Col) -> bool:
    return not (column.primary_key or column.clustering_key or _is_indexed(column))


@st.composite
def _turned(draw: st.DrawFn, before: Definition) -> Definition:
    """Give a vector index another similarity function: dropped, and built anew."""
    victim = draw(st.sampled_from([column for column in before.columns if column.vector_index]))
    function = "dot_product" if victim.vector_similarity_function != "dot_product" else "euclidean"
    turned = replace(victim, vector_similarity_function=function)
    columns = tuple(turned if column is victim else column for column in before.columns)
    return replace(before, columns=columns, cost={"DROP": 1, "CREATE": 1})


def evolved(before: Definition) -> st.SearchStrategy[Definition]:
    """Make a definition that the server can be brought to from the one before."""
    ways = [_respelt(before), _grown(before)]
    if before.chosen:
        ways.append(_reset(before))
    if any(map(_is_indexed, before.columns)):
        ways.append(_bared(before))
    if any(map(_can_be_forgotten, before.columns)):
        ways.append(_forgotten(before))
    if any(column.vector_index for column in before.columns):
        ways.append(_turned(before))
    return st.one_of(ways)
