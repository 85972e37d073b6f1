"""The table of options: nothing is left unsaid, and everything that is made from it agrees with it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from coodie_core.tests.fakes import Backend, registry_of

import coodie
from coodie import RequestOptions, RequestProfile
from coodie.config import NOT_OF_THE_CONNECTION, TLS_OPTIONS, ConnectionConfig
from coodie.config.reference import json_schema
from coodie.drivers import AbstractDriver
from coodie.exceptions import ConfigurationError
from coodie.options import OPTIONS, Option, Scope, options_for
from coodie.options.valuetypes import VALUE_TYPES, check_value, parse_speculation, parse_value
from coodie.plugins import DriverDescription, OptionDescription, hookimpl
from coodie.registry import using_registry
from options import made_from_options

#: Types whose values are quantities: numbers that mean nothing without a unit.
QUANTITIES = {"count", "seconds", "float", "speculation"}


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.name)
def test_nothing_is_left_unsaid(option: Option) -> None:
    """Each option has a type, a default, a unit, a line of help, and each form or what to do instead."""
    assert option.type in VALUE_TYPES
    assert option.default
    assert option.help.endswith(".")
    assert "\n" not in option.help
    assert option.unit or option.type not in QUANTITIES
    assert isinstance(option.scope, Scope)
    assert isinstance(option.secret, bool)
    assert (option.key and option.url) or option.instead
    assert not option.key or VALUE_TYPES[option.type].schema


@pytest.mark.parametrize("field", Option._fields)
def test_nothing_can_be_left_out(field: str) -> None:
    """An option that lacks any of these can't even be declared."""
    said = OPTIONS["port"]._asdict()
    del said[field]
    with pytest.raises(TypeError, match=field):
        Option(**said)


def test_the_table_has_what_code_takes() -> None:
    """The fields of configurations and profiles, and the arguments of requests, are the table's; no other."""
    fields = {entry.name for entry in dataclasses.fields(ConnectionConfig)} - NOT_OF_THE_CONNECTION
    cores_own = {"driver_type", "distribution", "credentials", "name", "lazy", "rows", "url"}
    assert {option.name for option in options_for(Scope.CONNECTION)} == fields | {*TLS_OPTIONS} | cores_own
    options = {entry.name for entry in dataclasses.fields(RequestOptions)}
    profile = {entry.name for entry in dataclasses.fields(RequestProfile)}
    arguments = {"consistency", "timeout", "fetch_size", "paging_state"}
    assert arguments <= set(AbstractDriver.execute.__annotations__)
    assert {option.name for option in options_for(Scope.REQUEST)} == options | arguments
    assert {option.name for option in options_for(Scope.REQUEST) if option.key} == profile


def test_secrets_are_marked() -> None:
    """Whatever may hold a secret says so."""
    secret = {name for name, option in OPTIONS.items() if option.secret}
    certificates = {"ssl_private_key", "ssl_key_password", "ssl_context"}
    assert secret == {"url", "password", "credentials", "session"} | certificates


def test_what_is_made_from_the_table_is_current() -> None:
    """The reference page and the JSON schema are what `python scripts/options.py` writes."""
    for path, text in made_from_options().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python scripts/options.py"


def test_the_schema_knows_each_key() -> None:
    """Editors are told of each key, with its help, and of no other."""
    schema = json_schema()
    tables = {
        Scope.FILE: (schema, {"connections"}),
        Scope.CONNECTION: (schema["$defs"]["connection"], {"options", "profiles"}),
        Scope.REQUEST: (schema["$defs"]["profile"], set()),
    }
    for scope, (table, more) in tables.items():
        keys = {option.key: option.help for option in options_for(scope) if option.key}
        assert set(table["properties"]) == set(keys) | more
        assert table["additionalProperties"] is False
        for key, text in keys.items():
            assert text in table["properties"][key]["description"]
    json.dumps(schema)


# --- values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("str", "5", "5"),
        ("secret", "true", "true"),
        ("bool", "true", True),
        ("bool", "No", False),
        ("bool", "1", True),
        ("count", "5000", 5000),
        ("port", "9142", 9142),
        ("seconds", "2.5", 2.5),
        ("seconds", "10", 10),
        ("hosts", "a, ::1", ["a", "::1"]),
        ("compression", "lz4", "lz4"),
        ("compression", "false", False),
        ("verification", "3", 3),
        ("names", "a,b", ["a", "b"]),
        # what a backend describes in words of its own
        ("", "true", True),
        ("", "1.5", 1.5),
        ("'ephemeral' or 'durable'", "durable", "durable"),
    ],
)
def test_text_becomes_a_value(kind: str, text: str, value: Any) -> None:
    """What stands in a URL or the environment is read as the option's type has it."""
    read = parse_value(kind, text)
    assert (read, type(read)) == (value, type(value))
    check_value("x", kind, read)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("bool", "maybe"), ("count", "0"), ("count", "1.5"), ("seconds", "5 s"), ("seconds", ""), ("port", "x")],
)
def test_text_that_is_no_value_is_refused_as_it_was_written(kind: str, text: str) -> None:
    """The error shows what stands there, not what became of it."""
    with pytest.raises(ConfigurationError) as caught:
        check_value("colour", kind, parse_value(kind, text))
    assert text in str(caught.value)
    assert caught.value.option == "colour"


def test_a_secret_is_not_in_its_error() -> None:
    """The error of a secret option has its type in the place of the value."""
    with pytest.raises(ConfigurationError) as caught:
        check_value("token", "bool", "hunter2", secret=True)
    assert "hunter2" not in str(caught.value)
    assert "str" in str(caught.value)


def test_speculation() -> None:
    """A text says after how many seconds how many further hosts are asked."""
    assert parse_speculation("0.25x3") == (0.25, 3)
    assert parse_speculation("1x1") == (1.0, 1)
    for text in ("x2", "0.1x", "0.1x0", "0.1 x 2", "-1x2"):
        with pytest.raises(ConfigurationError):
            parse_speculation(text)


# --- a backend's own --------------------------------------------------------------------


class Typed(Backend):
    """A backend that says of which types its options are."""

    @hookimpl
    def coodie_describe_driver(self) -> DriverDescription:
        """Take three options."""
        options = (
            OptionDescription(name="wait", type="seconds"),
            OptionDescription(name="token", type="count", secret=True),
            OptionDescription(name="shape", type="'round' or 'square'"),
        )
        return DriverDescription(summary="typed", options=options)


def test_a_backends_options_are_checked_by_type() -> None:
    """Core refuses a value of the wrong type; what the backend says in words, it checks itself."""
    with using_registry(registry_of(typed=Typed())):
        coodie.init_coodie(driver_type="typed", wait=0.5, token=None, shape=["any"])
        with pytest.raises(ConfigurationError, match=r"wait='long' can't be used\. Give seconds") as caught:
            coodie.init_coodie(driver_type="typed", wait="long")
        assert caught.value.option == "wait"
        with pytest.raises(ConfigurationError) as caught:
            coodie.init_coodie(driver_type="typed", token="hunter2")
        assert "hunter2" not in str(caught.value)
