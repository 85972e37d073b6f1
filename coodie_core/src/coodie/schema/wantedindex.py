"""The border, for indexes: what a column's definition says of its index."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError
from coodie.schema.identifiers import check_schema_name
from coodie.schema.servers import is_storage_attached
from coodie.schema.tables import Index

if TYPE_CHECKING:
    from coodie.schema.tables import Column

__all__ = ["wanted_index"]

_VECTOR_CLASS = "StorageAttachedIndex"
_SIMILARITY = ("cosine", "dot_product", "euclidean")
_CLASS_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*")
#: What Cassandra lets the name of a column with a storage-attached index be (StorageAttachedIndex.java).
_WORD = re.compile(r"[A-Za-z0-9_]+")
_INDEX_ATTRIBUTES = ("index_name", "index_class", "index_options", "index_target")
_VECTOR_ATTRIBUTES = ("vector_index_name", "vector_similarity_function", "vector_index_options")


def wanted_index(definition: Any, column: Column, table: str, faults: list[str]) -> Index | None:
    """Return the index that the definition asks for, or None; what is wrong goes to faults.

    Args:
        definition: An object with the attributes of ColumnDefinition; the vector ones may be missing.
        column: The column, checked.
        table: The table's plain name, for the default name.
        faults: Where to say what is wrong.
    """
    flags = {}
    for attribute in ("index", "vector_index"):
        value = getattr(definition, attribute, False)
        if value is not None and not isinstance(value, bool):
            faults.append(f"column {column.name!r}: {attribute} is {value!r}, not True or False")
        flags[attribute] = bool(value)
    for flag, attributes in (("index", _INDEX_ATTRIBUTES), ("vector_index", _VECTOR_ATTRIBUTES)):
        if not flags[flag]:
            faults += [
                f"column {column.name!r}: {attribute} is given without {flag}=True"
                for attribute in attributes
                if getattr(definition, attribute, None)
            ]
    if flags["index"] and flags["vector_index"]:
        faults.append(f"column {column.name!r}: it has index and vector_index, and can only have one")
        return None
    if not (flags["index"] or flags["vector_index"]):
        return None
    make = _vector_index if flags["vector_index"] else _plain_index
    index = make(definition, column, table, faults)
    if index is not None and is_storage_attached(index.class_name) and not _WORD.fullmatch(column.name):
        faults.append(
            f"column {column.name!r}: a storage-attached index needs a column named with ASCII letters, "
            "digits and underscores alone"
        )
    return index


def _plain_index(definition: Any, column: Column, table: str, faults: list[str]) -> Index | None:
    kind = column.type
    class_name = getattr(definition, "index_class", None)
    options = _options(definition, "index_options", column, faults)
    if class_name is None:
        if kind.name == "duration" and not kind.user_defined:
            faults.append(f"column {column.name!r}: durations have no order and can't have an index")
        if options:
            faults.append(f"column {column.name!r}: index_options is given without index_class")
    elif not isinstance(class_name, str) or not _CLASS_NAME.fullmatch(class_name):
        faults.append(f"column {column.name!r}: index_class is {class_name!r}, not the name of a class")
        return None
    if kind.user_defined and not kind.frozen:
        faults.append(f"column {column.name!r}: only a frozen user-defined type can have an index")
    name = _name(definition.index_name, column, table, faults)
    function = _function(definition, column, faults)
    return Index(name, column.name, function, class_name, options, named=bool(definition.index_name))


def _function(definition: Any, column: Column, faults: list[str]) -> str:
    """Return what of a collection is indexed, as the server shows it."""
    kind = column.type
    given = getattr(definition, "index_target", None)
    if not kind.is_collection:
        can: tuple[str, ...] = ("",)
    elif kind.frozen:
        can = ("full",)
    else:
        can = ("values", "keys", "entries") if kind.name == "map" else ("values",)
    if given and str(given).lower() not in can:
        known = " or ".join(filter(None, can)) or "only on a collection"
        faults.append(f"column {column.name!r}: index_target is {given!r}, and can be {known} for {kind}")
    return str(given or can[0]).lower()


def _vector_index(definition: Any, column: Column, table: str, faults: list[str]) -> Index | None:
    kind = column.type
    if not kind.is_vector or kind.arguments[0].name != "float":
        faults.append(f"column {column.name!r}: a vector index needs a vector<float, n>, not {kind}")
    checked = _options(definition, "vector_index_options", column, faults)
    function = getattr(definition, "vector_similarity_function", None)
    also = checked.get("similarity_function", function)
    if function and also and str(function).lower() != also.lower():
        faults.append(f"column {column.name!r}: similarity_function is {function!r} and {also!r}")
    if also is not None:
        if str(also).lower() not in _SIMILARITY:
            known = ", ".join(_SIMILARITY)
            faults.append(f"column {column.name!r}: similarity_function is {also!r}, not one of {known}")
        checked["similarity_function"] = str(also)
    given = getattr(definition, "vector_index_name", None)
    name = _name(given, column, table, faults)
    return Index(name, column.name, class_name=_VECTOR_CLASS, options=checked, named=bool(given))


def _options(definition: Any, attribute: str, column: Column, faults: list[str]) -> dict[str, str]:
    """Return an index's options as CQL has them, text to text."""
    options = getattr(definition, attribute, None) or {}
    if not isinstance(options, Mapping):
        faults.append(f"column {column.name!r}: {attribute} is {options!r}, not a dict")
        return {}
    checked = {}
    for key, value in options.items():
        if isinstance(value, bool):
            value = "true" if value else "false"  # noqa: PLW2901 - CQL's spelling
        if not isinstance(key, str) or not isinstance(value, (str, int, float)):
            faults.append(f"column {column.name!r}: {attribute} has {key!r}: {value!r}, not text")
        checked[str(key)] = str(value)
    return checked


def _name(given: object, column: Column, table: str, faults: list[str]) -> str:
    if not given:
        # As the server makes its own: what an index's name can't hold is left out.
        return re.sub(r"[^A-Za-z0-9_]", "", f"{table}_{column.name}_idx")
    try:
        return check_schema_name("index", given)
    except ConfigurationError as exc:
        faults.append(f"column {column.name!r}: {exc}")
        return str(given)
