"""Bodies of RESULT messages as a server writes them (native_protocol_v5.spec, section 4.2.5)."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Any

from cassandra.protocol import ResultMessage
from coodie_core.tests.cassandra.fastpath.arbitrary import type_of

from coodie.drivers.cassandra.values.types import family, subtypes

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cells", "rows_body"]

_PACKAGE = "org.apache.cassandra.db.marshal."

_CODES = {family(typ): code for code, typ in ResultMessage.type_codes.items() if isinstance(typ, type)}


def rows_body(
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[bytes | None]],
    *,
    state: bytes | None = None,
    shared_table: bool = True,
) -> bytes:
    """Write a result of rows.

    Args:
        columns: Names and CQL types.
        rows: The cells.
        state: Where the next page starts.
        shared_table: The columns' table is written once, for all.
    """
    flags = (1 if shared_table else 0) | (2 if state is not None else 0)
    parts = [pack(">iii", 2, flags, len(columns))]
    if state is not None:
        parts.append(pack(">i", len(state)) + state)
    table = _string("ks") + _string("t")
    if shared_table:
        parts.append(table)
    for name, cql in columns:
        parts += ([] if shared_table else [table]) + [_string(name), _type(type_of(cql))]
    return b"".join((*parts, pack(">i", len(rows)), *[cells(row) for row in rows]))


def cells(row: Sequence[bytes | None]) -> bytes:
    """Write a row's cells, each behind its length."""
    return b"".join([pack(">i", -1) if cell is None else pack(">i", len(cell)) + cell for cell in row])


def _string(text: str) -> bytes:
    data = text.encode()
    return pack(">H", len(data)) + data


def _type(typ: Any) -> bytes:
    """Write a type as an [option]."""
    name = family(typ)
    if name in ("frozen", "reversed"):
        return _type(subtypes(typ)[0])
    if name == "vector":
        (element,) = subtypes(typ)
        named = f"{_PACKAGE}VectorType({_PACKAGE}{element.cassname}, {typ.vector_size})"
        return pack(">H", 0) + _string(named)
    if name == "udt":
        fields = [
            _string(field) + _type(part) for field, part in zip(typ.fieldnames, subtypes(typ), strict=True)
        ]
        return b"".join(
            (pack(">H", 0x30), _string("ks"), _string(typ.typename), pack(">H", len(fields)), *fields)
        )
    parts = b"".join([_type(part) for part in subtypes(typ)])
    if name == "tuple":
        parts = pack(">H", len(subtypes(typ))) + parts
    return pack(">H", _CODES[name]) + parts
