"""Generate the reference documentation of the options, an example file and a JSON schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from coodie.config.url import parse_url
from coodie.options.declarations import options_for
from coodie.options.option import Option, Scope
from coodie.options.valuetypes import VALUE_TYPES, parse_value

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["example_file", "json_schema", "options_reference"]

_TITLES = {
    Scope.CONNECTION: "Connections",
    Scope.REQUEST: "Requests and request profiles",
    Scope.FILE: "Configuration files",
}

#: The lines of the example that aren't commented out: enough for a connection.
_GIVEN = {"driver": '"scylla"', "hosts": '["127.0.0.1"]'}

#: Examples that don't come from the declarations.
_SHOWN = {
    "password": '"{env:DB_PASSWORD}"  # or "{file:/run/secrets/db}"',
    "address_map": '{ "10.0.0.1" = "db1:9043", "10.0.0.2" = "db1:9044" }',
    "url": '"scylla://ada:{env:DB_PASSWORD}@db1/shop"',
    "default": '"main"',
    "allow": '["coodie-scylla"]',
    "block": "[]",
    "observers": '["requestlog"]',
}

#: A reference; its value is validated when it is resolved.
_ELSEWHERE = {"type": "string", "pattern": "\\{(env|file):[^{}]+\\}"}

#: The table of a backend's options.
_BACKENDS_OWN = {
    "type": "object",
    "description": "The backend's options; `coodie config check` validates them.",
}


def options_reference() -> str:
    """Return all options as Markdown: a section for connections, requests and files."""
    return "\n".join(line for scope in _TITLES for line in _section(scope))


def _section(scope: Scope) -> Iterator[str]:
    yield f"## {_TITLES[scope]}"
    yield ""
    for option in options_for(scope):
        # A definition that links to itself, so that its address can be copied. HTML, for viewers without ids.
        target = f"{scope.name.lower()}-{option.name.replace('_', '-')}"
        yield f'<a id="{target}" href="#{target}"><code>{option.name}</code></a> *{_value(option)}*'
        yield f": {option.help}"
        yield f"  {_default(option)} {' '.join(_forms(option, scope))}"
        yield ""


def _forms(option: Option, scope: Scope) -> Iterator[str]:
    """Say where an option can be set, and with which backends."""
    if scope is Scope.FILE:
        yield f"In Python: {option.instead}."
        return
    url = option.url
    if scope is Scope.REQUEST and option.for_connections:
        # The declared form is for connections; in a profile, it follows the profile's name.
        url = option.url and f"?profiles.reports.{option.url.removeprefix('?')}"
    if option.key and option.key != option.name:
        yield f"In a file: `{option.key}`."
    elif not option.key:
        yield f"{_capitalized(option.instead)}."
    if url:
        yield f"In a URL: `{url}`."
    elif option.key:
        yield f"In Python: {option.instead}."
    if option.capability:
        yield f"Requires the capability *{option.capability}*."


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _value(option: Option) -> str:
    unit = f", {option.unit}" if option.unit not in ("", option.type) else ""
    secret = ", a secret" if option.secret and option.type != "secret" else ""
    return f"{option.type}{unit}{secret}"


def example_file() -> str:
    """Return an example file: one connection, with all options."""
    lines = [
        "# Named connections: coodie.load_config(), then coodie.get_driver(NAME).",
        "# Environment variables override keys: COODIE__MAIN__PORT=9142",
        "# To validate this file: coodie config check",
        "",
        *_keys(Scope.FILE),
        "[connections.main]",
        *_keys(Scope.CONNECTION),
        "# The backend's options; to list them: coodie drivers",
        "[connections.main.options]",
        "# Return timestamps as aware datetimes in UTC.",
        "aware_timestamps = true",
        "",
        '# Defaults of requests with RequestOptions(profile="reports").',
        "# [connections.main.profiles.reports]",
        *_keys(Scope.REQUEST),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _keys(scope: Scope) -> Iterator[str]:
    for option in options_for(scope):
        if option.key:
            yield f"# {_about(option)}"
            given = _GIVEN.get(option.key) if scope is Scope.CONNECTION else None
            yield f"{option.key} = {given}" if given else f"# {option.key} = {_example(option)}"
            yield ""


def _example(option: Option) -> str:
    if option.key in _SHOWN:
        return _SHOWN[option.key]
    if "://" in option.url:
        return _literal(parse_url(option.url).arguments[option.name])
    return _literal(parse_value(option.type, option.url.rpartition("=")[2]))


def _literal(value: Any) -> str:
    """Return a value as TOML, which is the same as JSON for these types."""
    return json.dumps(value, ensure_ascii=False)


def json_schema() -> dict[str, Any]:
    """Return the schema of ``coodie.toml``, and of ``[tool.coodie]`` in pyproject.toml."""
    file = _properties(Scope.FILE)
    file["connections"] = {
        "type": "object",
        "description": "Connections by name, for get_driver(name).",
        "additionalProperties": {"$ref": "#/$defs/connection"},
    }
    connection = _properties(Scope.CONNECTION, elsewhere=True)
    connection["options"] = _BACKENDS_OWN
    connection["profiles"] = {
        "type": "object",
        "description": "Request profiles by name, for RequestOptions(profile=…).",
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
    """Return the keys of a table.

    Args:
        scope: The scope of the options.
        elsewhere: Values may be ``{env:NAME}`` or ``{file:PATH}``.
    """
    found: dict[str, Any] = {}
    for option in options_for(scope):
        if not option.key:
            continue
        value = dict(VALUE_TYPES[option.type].schema)
        if elsewhere and value.get("type") != "string":
            value = {"anyOf": [value, _ELSEWHERE]}
        found[option.key] = {"description": _about(option), **value}
    return found


def _about(option: Option) -> str:
    unit = f", in {option.unit}" if option.unit else ""
    return f"{option.help} {_default(option, unit)}"


def _default(option: Option, unit: str = "") -> str:
    if option.default.startswith("required"):
        return f"{_capitalized(option.default)}."
    return f"Default: {option.default}{unit}."
