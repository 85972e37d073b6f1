"""How values of simple types lie on the wire (native_protocol_v5.spec, section 6)."""

from __future__ import annotations

__all__ = ["FIXED_SIZE", "VARIABLE_SIZE"]

#: Families of fixed size: struct's letter, and bytes.
FIXED_SIZE = {
    "bigint": ("q", 8),
    "boolean": ("?", 1),
    "counter": ("q", 8),
    "double": ("d", 8),
    "float": ("f", 4),
    "int": ("i", 4),
    "smallint": ("h", 2),
    "timestamp": ("q", 8),
    "timeuuid": ("16s", 16),
    "tinyint": ("b", 1),
    "uuid": ("16s", 16),
}

#: Families of any size that are text or bytes, as they stand.
VARIABLE_SIZE = ("ascii", "blob", "text")
