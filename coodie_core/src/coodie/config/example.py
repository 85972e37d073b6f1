"""An example of a configuration file with comments; made from the table of options."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from coodie.config.url import parse_url
from coodie.options.declarations import Scope, options_for
from coodie.options.valuetypes import parse_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.options.declarations import Option

__all__ = ["example_file"]

#: What stands in the example without a comment sign: enough for a connection.
_GIVEN = {"driver": '"scylla"', "hosts": '["127.0.0.1"]'}

#: What is better shown in another form than as an example of a value.
_SHOWN = {
    "password": '"{env:DB_PASSWORD}"  # or "{file:/run/secrets/db}"',
    "url": '"scylla://ada:{env:DB_PASSWORD}@db1/shop"',
    "default": '"main"',
    "allow": '["coodie-scylla"]',
    "block": "[]",
    "observers": '["requestlog"]',
}


def example_file() -> str:
    """Return the text of an example: one connection, with every option that there is."""
    lines = [
        "# Connections by name: coodie.load_config(), then coodie.get_driver(NAME).",
        "# An environment variable wins over a key: COODIE__MAIN__PORT=9142",
        "# To look for mistakes: coodie config check",
        "",
        *_keys(Scope.FILE),
        "[connections.main]",
        *_keys(Scope.CONNECTION),
        "# The backend's own options; which there are: coodie drivers",
        "# [connections.main.options]",
        "# aware_timestamps = true",
        "",
        '# What requests with RequestOptions(profile="reports") have in common.',
        "# [connections.main.profiles.reports]",
        *_keys(Scope.REQUEST),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _keys(scope: Scope) -> Iterator[str]:
    for option in options_for(scope):
        if option.key:
            unit = f", in {option.unit}" if option.unit else ""
            yield f"# {option.help} Without it: {option.default}{unit}."
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
    """Return the value as TOML, which for these few types is JSON."""
    return json.dumps(value, ensure_ascii=False)
