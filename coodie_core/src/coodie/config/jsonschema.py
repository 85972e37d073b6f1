"""The JSON schema of a configuration file, for editors; made from the table of options."""

from __future__ import annotations

from typing import Any

from coodie.options.declarations import Scope, options_for
from coodie.options.valuetypes import VALUE_TYPES

__all__ = ["json_schema"]

#: A value that stands elsewhere; what it stands for is checked when it is read.
_ELSEWHERE = {"type": "string", "pattern": "\\{(env|file):[^{}]+\\}"}

#: What a bare TOML table of one's own keys may hold.
_BACKENDS_OWN = {
    "type": "object",
    "description": "The backend's own options; `coodie config check` looks at them.",
}


def json_schema() -> dict[str, Any]:
    """Return the schema of ``coodie.toml``, and of ``[tool.coodie]`` in pyproject.toml."""
    file = _properties(Scope.FILE)
    file["connections"] = {
        "type": "object",
        "description": "Name → connection; get_driver(name) returns it.",
        "additionalProperties": {"$ref": "#/$defs/connection"},
    }
    connection = _properties(Scope.CONNECTION, elsewhere=True)
    connection["options"] = _BACKENDS_OWN
    connection["profiles"] = {
        "type": "object",
        "description": "Name → request profile, for RequestOptions(profile=…).",
        "additionalProperties": {"$ref": "#/$defs/profile"},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "coodie",
        "description": "Named connections to Apache Cassandra and ScyllaDB.",
        **_object(file),
        "$defs": {
            "connection": _object(connection),
            "profile": _object(_properties(Scope.REQUEST)),
        },
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _properties(scope: Scope, *, elsewhere: bool = False) -> dict[str, Any]:
    """Return the keys of one kind of table.

    Args:
        scope: Whose options.
        elsewhere: A value may be ``{env:NAME}`` or ``{file:PATH}``.
    """
    found: dict[str, Any] = {}
    for option in options_for(scope):
        if not option.key:
            continue
        unit = f", in {option.unit}" if option.unit else ""
        about = f"{option.help} Without it: {option.default}{unit}."
        value = dict(VALUE_TYPES[option.type].schema)
        if elsewhere and value.get("type") != "string":
            value = {"anyOf": [value, _ELSEWHERE]}
        found[option.key] = {"description": about, **value}
    return found
