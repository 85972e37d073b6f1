"""Table options: validate them, and format them as CQL."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from coodie.exceptions import ConfigurationError
from coodie.schema.identifiers import quote_literal

__all__ = ["NOT_OPTIONS", "OptionValue", "check_options", "write_option", "write_value"]

OptionValue: TypeAlias = "str | int | float | bool | dict[str, str]"

_NAME = re.compile(r"[a-z][a-z0-9_]*")
#: Columns of system_schema.tables that aren't options, or that CQL accepts and ignores.
NOT_OPTIONS = {
    "keyspace_name": "it has its own argument",
    "table_name": "it has its own argument",
    "flags": "the server sets it",
    "id": "the server sets it, and it can't be changed",
    "extensions": "Cassandra ignores it",
}


def check_options(options: Mapping[str, Any] | None) -> dict[str, OptionValue]:
    """Return the options with lower-case names and values that CQL supports.

    Args:
        options: Values by name: a number, a bool, a string, or for maps a mapping of those.

    Raises:
        ConfigurationError: The argument isn't a mapping, a name isn't an option or occurs twice, or a value
            has an unsupported type.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ConfigurationError(
            f"table_options: expected a dict of names and values, got {type(options).__name__}.",
            option="table_options",
        )
    checked: dict[str, OptionValue] = {}
    for given, value in options.items():
        name = str(given).lower()
        if not isinstance(given, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{given!r} isn't the name of a table option.",
                hint='Example: "comment". Set the clustering order on the columns.',
                option="table_options",
            )
        if name in NOT_OPTIONS:
            raise ConfigurationError(
                f"{name!r} can't be given as a table option: {NOT_OPTIONS[name]}.",
                hint="Leave it out.",
                option="table_options",
            )
        if name in checked:
            raise ConfigurationError(
                f"The table option {name!r} is given twice.",
                hint="Names are case-insensitive; give it once.",
                option="table_options",
            )
        checked[name] = _check_value(name, value)
    return checked


def _check_value(name: str, value: object) -> OptionValue:
    if isinstance(value, Mapping):
        return {str(key): _map_text(f"{name}[{key!r}]", item) for key, item in value.items()}
    if isinstance(value, (float, Decimal)):  # convert to plain types: a subclass may have another str()
        value = float(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = int(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(
            f"The table option {name!r} is {value}.", hint="Give a finite number.", option="table_options"
        )
    if isinstance(value, (str, int, float)):
        return value
    raise ConfigurationError(
        f"The table option {name!r} is {value!r}: expected a number, a bool, a str or a dict, "
        f"got {type(value).__name__}.",
        option="table_options",
    )


def _map_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float, Decimal)):
        return str(value)
    raise ConfigurationError(
        f"The table option {name} is {value!r}: expected a number, a bool or a str, "
        f"got {type(value).__name__}.",
        option="table_options",
    )


def write_option(name: str, value: OptionValue) -> str:
    """Return ``name = value`` for WITH."""
    return f"{name} = {write_value(value)}"


def write_value(value: OptionValue) -> str:
    """Return the value as CQL."""
    if isinstance(value, dict):
        pairs = (f"{quote_literal(key)}: {quote_literal(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote_literal(value)
    return repr(value)
