"""Compare a desired table with the server's: possible changes, impossible ones, and warnings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coodie.schema.identifiers import quote_literal
from coodie.schema.options import NOT_OPTIONS, write_value
from coodie.schema.server_features import is_storage_attached
from coodie.schema.tables import Column, Index, Kind, Table

if TYPE_CHECKING:
    from coodie.schema.options import OptionValue

__all__ = [
    "ColumnComparison",
    "IndexComparison",
    "OptionComparison",
    "compare_columns",
    "compare_indexes",
    "compare_options",
    "name_clashes",
    "nondefault_options",
]

#: The default options of a storage-attached index (IndexTermType, NonTokenizingOptions).
_SAI_DEFAULTS = {
    "ascii": "false",
    "case_sensitive": "true",
    "normalize": "false",
    "similarity_function": "cosine",
}
#: Options of ScyllaDB without a column in system_schema.tables.
_UNSHOWN = (
    "cdc",
    "in_memory",
    "paxos_grace_seconds",
    "per_partition_rate_limit",
    "synchronous_updates",
    "tablets",
    "tombstone_gc",
)
#: The values of options that the server shows as null.
_NULL_MEANS: dict[str, OptionValue] = {
    "allow_auto_snapshot": True,
    "cdc": False,
    "incremental_backups": True,
    "memtable": "default",
}
#: Options with the same default on all servers; another value was set by a user, and gets a warning.
_DEFAULTS: dict[str, OptionValue] = {
    **_NULL_MEANS,
    "additional_write_policy": "99p",
    "comment": "",
    "crc_check_chance": 1.0,
    "default_time_to_live": 0,
    "gc_grace_seconds": 864000,
    "max_index_interval": 2048,
    "memtable_flush_period_in_ms": 0,
    "min_index_interval": 128,
    "read_repair": "BLOCKING",
    "speculative_retry": "99p",
}
#: Default entries of maps, which servers add or omit: Cassandra's first, then ScyllaDB's.
_MAP_DEFAULTS: dict[str, dict[str, tuple[str, ...]]] = {
    "caching": {"keys": ("ALL",), "rows_per_partition": ("NONE", "ALL")},
    "compaction": {"enabled": ("true",), "max_threshold": ("32",), "min_threshold": ("4",)},
    "compression": {"chunk_length_in_kb": ("16", "4"), "min_compress_ratio": ("0",)},
}
#: The names of compression's entries in Cassandra 2 and ScyllaDB → in Cassandra 5.
_COMPRESSION_NAMES = {"sstable_compression": "class", "chunk_length_kb": "chunk_length_in_kb"}
#: Options of Cassandra 3 that later versions show and ignore.
_OBSOLETE = ("dclocal_read_repair_chance", "read_repair_chance")
#: The packages of the server's own classes, which a name without a package is in.
_PACKAGES = ("org.apache.cassandra.db.compaction.", "org.apache.cassandra.io.compress.")
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_PERCENTILE = re.compile(r"(\d+(?:\.\d+)?)(?:P|PERCENTILE)")
_MILLISECONDS = re.compile(r"(\d+(?:\.\d+)?)MS")
_HYBRID = re.compile(r"(MIN|MAX)\(([^,]+),([^,]+)\)")
_POLICIES = ("additional_write_policy", "speculative_retry")


@dataclass(slots=True)
class ColumnComparison:
    """The changes of a table's columns."""

    new: list[Column] = field(default_factory=list)
    #: Differences that ALTER TABLE can't remove.
    problems: list[str] = field(default_factory=list)
    #: What the server has and the definition doesn't.
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class IndexComparison:
    """The changes of a table's indexes."""

    drop: list[Index] = field(default_factory=list)
    create: list[Index] = field(default_factory=list)
    #: Differences that can't be removed, or only by dropping an index.
    problems: list[str] = field(default_factory=list)
    #: What the server has and the definition doesn't.
    notes: list[str] = field(default_factory=list)
    #: The names of the desired indexes on the server, existing or to be created.
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OptionComparison:
    """The changes of a table's options."""

    #: Options to set, with their complete new values.
    changes: Mapping[str, OptionValue]
    #: Problems that make the change impossible.
    problems: tuple[str, ...] = ()
    #: What the server has and the definition doesn't.
    notes: tuple[str, ...] = ()


def compare_columns(desired: Table, shown: Table) -> ColumnComparison:
    """Compare keys, order, types, static columns and counters."""
    result = ColumnComparison()
    for kind, what in ((Kind.PARTITION_KEY, "partition key"), (Kind.CLUSTERING, "clustering key")):
        names = [[c.name for c in table.key(kind)] for table in (shown, desired)]
        if names[0] != names[1]:
            here, there = (f"({', '.join(part)})" if part else "none" for part in names)
            result.problems.append(f"{what}: server {here}, wanted {there}")
    for column in desired.columns:
        current = shown.column(column.name)
        if current is not None:
            _compare_column(column, current, result)
        elif not column.kind.is_key:  # a new key column changes the key, which is reported above
            result.new.append(column)
    shown_kind, desired_kind = (
        "counters" if table.counter else "ordinary columns" for table in (shown, desired)
    )
    if result.new and shown_kind != desired_kind:
        names_of_new = ", ".join(repr(c.name) for c in result.new)
        result.problems.append(
            f"new columns {names_of_new}: server a table of {shown_kind}, wanted {desired_kind} beside them"
        )
    for current in shown.columns:
        if desired.column(current.name) is None and not current.kind.is_key:
            result.notes.append(
                f"column {current.name!r} ({current.type}) is on the server, not in the definition"
            )
    return result


def _compare_column(desired: Column, shown: Column, result: ColumnComparison) -> None:
    if desired.type.shown != shown.type.shown:
        result.problems.append(f"column {desired.name!r}: server {shown.type}, wanted {desired.type}")
    if {desired.kind, shown.kind} == {Kind.STATIC, Kind.REGULAR}:
        result.problems.append(
            f"column {desired.name!r}: server {shown.kind.value}, wanted {desired.kind.value}"
        )
    if desired.kind is shown.kind is Kind.CLUSTERING and desired.order != shown.order:
        result.problems.append(
            f"clustering order of {desired.name!r}: server {shown.order}, wanted {desired.order}"
        )


def compare_indexes(
    desired: Table, shown: Table, taken: Mapping[str, str], *, drop_removed: bool
) -> IndexComparison:
    """Compare indexes by what they index, and by name if the definition has one.

    Args:
        desired: The desired table.
        shown: The server's table.
        taken: The names of other tables' indexes, with their tables.
        drop_removed: Drop indexes that aren't in the definition.
    """
    result = IndexComparison(problems=name_clashes(desired, taken))
    matched: set[str] = set()  # names of the server's indexes with a definition
    for index in desired.indexes:
        if index.name not in taken:
            matched |= _compare_index(index, shown, result, drop_removed=drop_removed)
    for index in shown.indexes:
        if index.name in matched:
            continue
        if drop_removed:
            result.drop.append(index)
        else:
            result.notes.append(
                f"index {index.name!r} {_describe(index)} is on the server, not in the definition; "
                "drop_removed_indexes=True drops it"
            )
    return result


def name_clashes(desired: Table, taken: Mapping[str, str]) -> list[str]:
    """Return a problem for each desired index whose name is used by another table's index."""
    return [
        f"index {index.name!r} on {index.column!r}: the name belongs to table {taken[index.name]!r} "
        "of the same keyspace; give another index_name"
        for index in desired.indexes
        if index.name in taken
    ]


def _compare_index(index: Index, shown: Table, result: IndexComparison, *, drop_removed: bool) -> set[str]:
    """Compare one desired index; return the names of the matching indexes of the server."""
    fits = {other.name: other for other in shown.indexes if _fits(index, other, shown)}
    match = fits.get(index.name)
    if match is None and not index.named and fits:
        match = fits[min(fits)]
    if match is not None:
        result.names.append(match.name)
        _compare_match(index, match, result, drop_removed=drop_removed)
        return {match.name}
    if drop_removed:  # indexes with its name or its column are dropped first
        result.names.append(index.name)
        result.create.append(index)
        return set()
    rival = next((other for other in shown.indexes if other.name == index.name), None)
    if rival is not None:
        result.problems.append(
            f"index {index.name!r}: server {_describe(rival)}, wanted {_describe(index)}; "
            "give another index_name"
        )
        return {rival.name}
    if fits:  # the server would silently ignore a second index on the same column
        result.notes.append(
            f"the index on column {index.column!r} is named {min(fits)!r}, not {index.name!r}; "
            "drop_removed_indexes=True drops it and builds it under the new name"
        )
        result.names.append(min(fits))
        return set(fits)
    result.names.append(index.name)
    result.create.append(index)
    return set()


def _fits(desired: Index, other: Index, shown: Table) -> bool:
    """Whether the server's index is equivalent to the desired one, regardless of name and options."""
    if (desired.column, desired.function) != (other.column, other.function):
        return False
    if desired.class_name is not None:
        return _class(desired) == _class(other)
    column = shown.column(desired.column or "")
    return not (column is not None and column.type.is_vector and is_storage_attached(other.class_name))


def _class(index: Index) -> str:
    """Return the class's name in a normal form, without its package."""
    name = (index.class_name or "").rpartition(".")[2].lower()
    return "sai" if is_storage_attached(name) else name


def _compare_match(desired: Index, match: Index, result: IndexComparison, *, drop_removed: bool) -> None:
    defaults = _SAI_DEFAULTS if is_storage_attached(desired.class_name) else {}
    shown_options = {**defaults, **match.options}
    if all(shown_options.get(key, "").lower() == value.lower() for key, value in desired.options.items()):
        extra = {
            key: value
            for key, value in match.options.items()
            if key not in desired.options and defaults.get(key) != value.lower()
        }
        if extra and desired.class_name:
            result.notes.append(
                f"options {extra} of index {match.name!r} are on the server, not in the definition"
            )
        return
    if drop_removed:
        result.drop.append(match)
        result.create.append(desired)
        return
    result.problems.append(
        f"index {match.name!r}: server {_describe(match)}, wanted {_describe(desired)}; "
        "drop_removed_indexes=True drops and rebuilds it"
    )


def _describe(index: Index) -> str:
    target = f"{index.function}({index.column})" if index.function else str(index.column)
    if index.class_name:
        target += f" using {index.class_name.rpartition('.')[2]}"
    options = f" with {dict(index.options)}" if index.options else ""
    return f"on {target}{options}"


def compare_options(desired: Mapping[str, OptionValue], shown: Mapping[str, Any]) -> OptionComparison:
    """Compare options by meaning with a row of ``system_schema.tables``.

    Args:
        desired: The options, from ``check_options``.
        shown: The row.

    Returns:
        The options to set. CQL replaces a map as a whole, so the new value includes the server's other
        entries, unless the map's class changes.
    """
    changes: dict[str, OptionValue] = {}
    problems: list[str] = []
    notes: list[str] = []
    for name, value in desired.items():
        # Cassandra only shows cdc if it is enabled (cdc_enabled in cassandra.yaml).
        hidden = name == "cdc" and shown.get(name) is None and _BOOLEANS.get(str(value).lower()) is not False
        if name not in shown or hidden:
            if name in _UNSHOWN:
                notes.append(f"option {name}: this server doesn't show it, so it isn't changed")
            else:
                problems.append(
                    f"option {name}: the server doesn't have this option, wanted {write_value(value)}"
                )
            continue
        current = _current(name, shown[name])
        change: OptionValue | None
        try:
            if isinstance(current, dict):
                change = _compare_maps(name, value, current, notes)
            else:
                change = None if _same(name, value, current) else value
        except ValueError as exc:
            problems.append(
                f"option {name}: server {write_value(current)}, wanted {write_value(value)}, {exc}"
            )
            continue
        if change is not None:
            changes[name] = change
    for name, default in _DEFAULTS.items():
        if name in shown and name not in desired:
            current = _current(name, shown[name])
            if not isinstance(current, dict) and not _same(name, default, current):
                notes.append(
                    f"option {name} = {write_value(current)} is on the server, not in the definition"
                )
    return OptionComparison(changes, tuple(problems), tuple(notes))


def nondefault_options(shown: Mapping[str, Any]) -> dict[str, OptionValue]:
    """Return the options of a table, without those whose value is the default of all servers.

    Args:
        shown: The row of ``system_schema.tables``.
    """
    options: dict[str, OptionValue] = {}
    for name, value in shown.items():
        if name in NOT_OPTIONS or value is None or (name in _OBSOLETE and "read_repair" in shown):
            continue
        current = _current(name, value)
        if isinstance(current, dict):
            options[name] = {key: _without_package(item) for key, item in current.items()}
        elif name not in _DEFAULTS or not _same(name, _DEFAULTS[name], current):
            options[name] = current
    return options


def _without_package(text: str) -> str:
    """Return the name of one of the server's own classes without its package; other texts unchanged."""
    for package in _PACKAGES:
        if text.startswith(package) and "." not in text[len(package) :]:
            return text[len(package) :]
    return text


def _current(name: str, shown: Any) -> OptionValue:
    if shown is None:
        return _NULL_MEANS.get(name, "")
    if isinstance(shown, Mapping):
        return {str(key): str(item) for key, item in shown.items()}
    return shown if isinstance(shown, (str, int, float)) else str(shown)


def _same(name: str, desired: OptionValue, current: str | float) -> bool:
    """Whether two values of an option that isn't a map are equivalent; ValueError if one is invalid."""
    if isinstance(desired, dict):
        raise ValueError("which is a single value on this server, not a dict")  # noqa: TRY004 - the caller adds it to a list
    text = str(desired).strip()
    if isinstance(current, bool):
        if text.lower() not in _BOOLEANS:
            raise ValueError("which isn't true or false")
        return _BOOLEANS[text.lower()] is current
    if isinstance(current, int):
        if isinstance(desired, bool) or not re.fullmatch(r"[+-]?\d+", text):
            raise ValueError("which isn't an integer")
        return int(text) == current
    if isinstance(current, float):
        number = _number(text)
        if number is None:
            raise ValueError("which isn't a number")
        return number == current
    if name in _POLICIES:
        return _policy(text) == _policy(current)
    if name == "read_repair":
        return text.upper() == current.upper()
    return str(desired) == current


def _policy(text: str) -> str:
    """Return a retry policy in a normal form: 99PERCENTILE is 99p, 50.9ms is truncated to 50ms."""
    text = re.sub(r"\s", "", text).upper()
    if match := _HYBRID.fullmatch(text):
        return f"{match[1]}({','.join(sorted((_policy(match[2]), _policy(match[3]))))})"
    if match := _PERCENTILE.fullmatch(text):
        return f"{float(match[1])}P"
    if match := _MILLISECONDS.fullmatch(text):
        return f"{int(float(match[1]))}MS"
    return "NEVER" if text == "NONE" else text


def _compare_maps(
    name: str, desired: OptionValue, current: dict[str, str], notes: list[str]
) -> dict[str, str] | None:
    """Return the map to set; None if the server's has all desired entries."""
    if not isinstance(desired, dict):
        raise ValueError("which isn't a dict")  # noqa: TRY004 - the caller adds it to a list
    if name == "compression":
        spelling = {new: old for old, new in _COMPRESSION_NAMES.items() if old in current}
        change = _compare_entries(name, _compression(desired), _compression(current), notes)
        return None if change is None else {spelling.get(key, key): item for key, item in change.items()}
    return _compare_entries(name, desired, current, notes)


def _compression(entries: dict[str, str]) -> dict[str, str]:
    """Return the entries in a normal form, with one representation of disabled compression."""
    renamed = {_COMPRESSION_NAMES.get(key, key): item for key, item in entries.items()}
    if renamed.pop("enabled", "true").lower() == "false" or renamed.get("class") == "":
        return {"enabled": "false"}
    return renamed


def _compare_entries(
    name: str, desired: dict[str, str], current: dict[str, str], notes: list[str]
) -> dict[str, str] | None:
    if "class" in desired and not _same_text("class", desired["class"], current.get("class", "")):
        return desired
    if desired == {"enabled": "false"} and name == "compression":
        return None if current == desired else desired
    defaults = _MAP_DEFAULTS.get(name, {})
    extra = {key: item for key, item in current.items() if key not in desired}
    if any(
        not _same_text(key, item, current.get(key, defaults.get(key, ("",))[0]))
        for key, item in desired.items()
    ):
        return {**desired, **extra}
    for key, item in extra.items():
        if key != "class" and not any(_same_text(key, item, default) for default in defaults.get(key, ())):
            notes.append(
                f"option {name}[{key!r}] = {quote_literal(item)} is on the server, not in the definition"
            )
    return None


def _same_text(key: str, one: str, other: str) -> bool:
    """Whether two entries of a map are equivalent: 0.10 is 0.1, TRUE is true, a class needs no package."""
    if key == "class":
        return one.rpartition(".")[2] == other.rpartition(".")[2]
    numbers = _number(one), _number(other)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return re.sub(r"\s", "", one).casefold() == re.sub(r"\s", "", other).casefold()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
