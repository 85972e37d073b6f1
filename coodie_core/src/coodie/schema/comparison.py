"""Wanted against shown: what can be done, what can't, what is only worth a word."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from coodie.schema.servers import is_storage_attached
from coodie.schema.tables import Column, Index, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ColumnComparison", "IndexComparison", "compare_columns", "compare_indexes", "name_clashes"]

#: What a storage-attached index does where its options don't say (IndexTermType, NonTokenizingOptions).
_SAI_DEFAULTS = {
    "ascii": "false",
    "case_sensitive": "true",
    "normalize": "false",
    "similarity_function": "cosine",
}


@dataclass(slots=True)
class ColumnComparison:
    """What is to be done about a table's columns."""

    new: list[Column] = field(default_factory=list)
    #: Differences that ALTER TABLE can't remove.
    problems: list[str] = field(default_factory=list)
    #: What the server has and the definition doesn't.
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class IndexComparison:
    """What is to be done about a table's indexes."""

    drop: list[Index] = field(default_factory=list)
    create: list[Index] = field(default_factory=list)
    #: Differences that can't be removed, or not without dropping an index.
    problems: list[str] = field(default_factory=list)
    #: What the server has and the definition doesn't.
    notes: list[str] = field(default_factory=list)
    #: The names under which the server has what is wanted, or will have it.
    names: list[str] = field(default_factory=list)


def compare_columns(wanted: Table, shown: Table) -> ColumnComparison:
    """Compare keys, order, types, static columns and counters."""
    result = ColumnComparison()
    for kind, what in ((Kind.PARTITION_KEY, "partition key"), (Kind.CLUSTERING, "clustering key")):
        names = [[c.name for c in table.key(kind)] for table in (shown, wanted)]
        if names[0] != names[1]:
            here, there = (f"({', '.join(part)})" if part else "none" for part in names)
            result.problems.append(f"{what}: server {here}, wanted {there}")
    for column in wanted.columns:
        current = shown.column(column.name)
        if current is not None:
            _compare_column(column, current, result)
        elif not column.kind.is_key:  # a new key column is a changed key, told of above
            result.new.append(column)
    shown_kind, wanted_kind = (_what_it_holds(table.counter) for table in (shown, wanted))
    if result.new and shown_kind != wanted_kind:
        names_of_new = ", ".join(repr(c.name) for c in result.new)
        result.problems.append(
            f"new columns {names_of_new}: server a table of {shown_kind}, wanted {wanted_kind} beside them"
        )
    for current in shown.columns:
        if wanted.column(current.name) is None and not current.kind.is_key:
            result.notes.append(
                f"column {current.name!r} ({current.type}) is on the server, not in the definition"
            )
    return result


def _what_it_holds(counter: bool) -> str:  # noqa: FBT001 - a word for a flag
    return "counters" if counter else "ordinary columns"


def _compare_column(wanted: Column, shown: Column, result: ColumnComparison) -> None:
    if wanted.type.shown != shown.type.shown:
        result.problems.append(f"column {wanted.name!r}: server {shown.type}, wanted {wanted.type}")
    if {wanted.kind, shown.kind} == {Kind.STATIC, Kind.REGULAR}:
        result.problems.append(
            f"column {wanted.name!r}: server {shown.kind.value}, wanted {wanted.kind.value}"
        )
    if wanted.kind is shown.kind is Kind.CLUSTERING and wanted.order != shown.order:
        result.problems.append(
            f"clustering order of {wanted.name!r}: server {shown.order}, wanted {wanted.order}"
        )


def compare_indexes(
    wanted: Table, shown: Table, taken: Mapping[str, str], *, drop_removed: bool
) -> IndexComparison:
    """Compare indexes by what they index, and by name where the definition gives one.

    Args:
        wanted: The wanted table.
        shown: The server's table.
        taken: Names of other tables' indexes, with their tables.
        drop_removed: Whether indexes that the definition doesn't have are dropped.
    """
    result = IndexComparison(problems=name_clashes(wanted, taken))
    settled: set[str] = set()  # names of the server's indexes that are spoken for
    for index in wanted.indexes:
        if index.name not in taken:
            settled |= _compare_index(index, shown, result, drop_removed=drop_removed)
    for index in shown.indexes:
        if index.name in settled:
            continue
        if drop_removed:
            result.drop.append(index)
        else:
            result.notes.append(
                f"index {index.name!r} {_describe(index)} is on the server, not in the definition; "
                "drop_removed_indexes=True drops it"
            )
    return result


def name_clashes(wanted: Table, taken: Mapping[str, str]) -> list[str]:
    """Return a problem for each wanted index whose name another table's index has."""
    return [
        f"index {index.name!r} on {index.column!r}: the name belongs to table {taken[index.name]!r} "
        "of the same keyspace; give another index_name"
        for index in wanted.indexes
        if index.name in taken
    ]


def _compare_index(index: Index, shown: Table, result: IndexComparison, *, drop_removed: bool) -> set[str]:
    """Settle one wanted index; return the names of the server's indexes that it speaks for."""
    fits = {other.name: other for other in shown.indexes if _fits(index, other, shown)}
    match = fits.get(index.name)
    if match is None and not index.named and fits:
        match = fits[min(fits)]
    if match is not None:
        result.names.append(match.name)
        _compare_match(index, match, result, drop_removed=drop_removed)
        return {match.name}
    if drop_removed:  # whatever has its name or its column is dropped first
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
    if fits:  # a second one on the same column would be passed over by the server, without a word
        result.notes.append(
            f"the index on column {index.column!r} is named {min(fits)!r}, not {index.name!r}; "
            "drop_removed_indexes=True drops it and builds it under the wanted name"
        )
        result.names.append(min(fits))
        return set(fits)
    result.names.append(index.name)
    result.create.append(index)
    return set()


def _fits(wanted: Index, other: Index, shown: Table) -> bool:
    """Whether the server's index does what the wanted one is for, whatever its name and options."""
    if (wanted.column, wanted.function) != (other.column, other.function):
        return False
    if wanted.class_name is not None:
        return _class(wanted) == _class(other)
    column = shown.column(wanted.column or "")
    return not (column is not None and column.type.is_vector and is_storage_attached(other.class_name))


def _class(index: Index) -> str:
    """Return the class's name in one spelling, without its package."""
    name = (index.class_name or "").rpartition(".")[2].lower()
    return "sai" if is_storage_attached(name) else name


def _compare_match(wanted: Index, match: Index, result: IndexComparison, *, drop_removed: bool) -> None:
    defaults = _SAI_DEFAULTS if is_storage_attached(wanted.class_name) else {}
    shown_options = {**defaults, **match.options}
    if all(shown_options.get(key, "").lower() == value.lower() for key, value in wanted.options.items()):
        extra = {
            key: value
            for key, value in match.options.items()
            if key not in wanted.options and defaults.get(key) != value.lower()
        }
        if extra and wanted.class_name:
            result.notes.append(
                f"options {extra} of index {match.name!r} are on the server, not in the definition"
            )
        return
    if drop_removed:
        result.drop.append(match)
        result.create.append(wanted)
        return
    result.problems.append(
        f"index {match.name!r}: server {_describe(match)}, wanted {_describe(wanted)}; "
        "drop_removed_indexes=True drops it and builds it anew"
    )


def _describe(index: Index) -> str:
    target = f"{index.function}({index.column})" if index.function else str(index.column)
    if index.class_name:
        target += f" using {index.class_name.rpartition('.')[2]}"
    options = f" with {dict(index.options)}" if index.options else ""
    return f"on {target}{options}"
