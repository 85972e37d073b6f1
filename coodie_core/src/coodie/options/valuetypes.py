"""The types of options' values: validation, parsing and JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from types import MappingProxyType
from typing import Any, NamedTuple

from coodie.consistency import CONSISTENCY_LEVELS, SERIAL_CONSISTENCY_LEVELS, parse_consistency
from coodie.exceptions import ConfigurationError
from coodie.options.hosts import MAX_PORT, parse_host
from coodie.row_shapes import parse_rows

__all__ = [
    "MAX_TIMEOUT",
    "RETRY_POLICIES",
    "VALUE_TYPES",
    "ValueType",
    "check_value",
    "parse_speculation",
    "parse_value",
]

#: The maximum of a timeout, a year; much larger values overflow in clocks and locks.
MAX_TIMEOUT = 365 * 86_400

#: The named retry policies → their descriptions.
RETRY_POLICIES = {
    "default": "the backend's default: one retry if another replica or host may respond",
    "never": "no retries",
    "backoff": "up to three retries, after about 0.1 s, 0.2 s and 0.4 s, also on the same host",
}

_SPECULATION = re.compile(r"(\d+(?:\.\d+)?)x([1-9]\d*)")
_APPLICATION = re.compile(r"[^\s/][^/\n]{0,199}(?<!\s)(/[^\s/]{1,200})?")
_PROVIDER = re.compile(r"\w[\w.-]*(@\w[\w.-]*)?")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


class _InvalidValue(Exception):  # noqa: N818 - no error: a verdict
    """A value is invalid; the message replaces the type's description of valid values."""


def _as_it_is(text: str) -> Any:
    return text


class ValueType(NamedTuple):
    """One type of value.

    Args:
        wanted: A description of valid values, which follows "Give" in messages.
        check: Validates and normalizes a value; raises if it is invalid.
        parse: Parses text; returns invalid text unchanged, for ``check`` to reject.
        schema: The JSON Schema.
    """

    wanted: str
    check: Callable[[Any], Any]
    parse: Callable[[str], Any] = _as_it_is
    schema: Mapping[str, Any] = MappingProxyType({})


def check_value(option: str, type_name: str, value: Any, *, secret: bool = False) -> Any:
    """Validate and normalize a value.

    Args:
        option: The option's name, for the error.
        type_name: One of ``VALUE_TYPES``; a value of another type is returned unchanged.
        value: Any value but None.
        secret: Omit the value from the error.

    Raises:
        ConfigurationError: The value has the wrong type.
    """
    kind = VALUE_TYPES.get(type_name)
    if kind is None:
        return value
    try:
        return kind.check(value)
    except _InvalidValue as invalid:
        wanted = str(invalid) or kind.wanted
    # A host may be a URL with a password, by mistake.
    secret = secret or (type_name == "hosts" and "@" in str(value))
    shown = f"= is of type {type(value).__name__} and" if secret else f"={value!r}"
    raise ConfigurationError(f"{option}{shown} can't be used.", hint=f"Give {wanted}.", option=option)


def parse_value(type_name: str, text: str) -> Any:
    """Parse a value from a URL or an environment variable.

    Args:
        type_name: One of ``VALUE_TYPES``; for any other, true, false and numbers are recognised.
        text: The text.
    """
    kind = VALUE_TYPES.get(type_name)
    if kind is not None:
        return kind.parse(text)
    return _flag(text) if text in ("true", "false") else _number(text)


def parse_speculation(text: str) -> tuple[float, int]:
    """Parse ``"0.1x2"``: the delay in seconds, and the number of additional attempts.

    Raises:
        ConfigurationError: The text doesn't have this form.
    """
    check_value("speculative_execution_policy", "speculation", text)
    delay, _, attempts = text.partition("x")
    return float(delay), int(attempts)


# --- checks -----------------------------------------------------------------------------


def _rows(value: Any) -> Any:
    parse_rows(value)
    return value


def _codecs(value: Any) -> Any:
    from coodie.codec_registry import parse_codecs  # few programs have codecs

    parse_codecs(value)
    return value


def _require(condition: object, wanted: str = "") -> None:
    if not condition:
        raise _InvalidValue(wanted)


def _is_number(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _checked_text(value: Any) -> Any:
    _require(isinstance(value, str) and value.strip())
    return value


def _checked_path(value: Any) -> Any:
    value = fspath(value) if isinstance(value, PathLike) else value
    return _checked_text(value)


def _checked_application(value: Any) -> Any:
    _require(isinstance(value, str) and _APPLICATION.fullmatch(value))
    return value


def _checked_provider(value: Any) -> Any:
    # The error doesn't contain the value, which may be a password by mistake.
    _require(callable(value) or (isinstance(value, str) and _PROVIDER.fullmatch(value)))
    return value


def _checked_flag(value: Any) -> Any:
    _require(isinstance(value, bool))
    return value


def _checked_secret(value: Any) -> Any:
    _require(isinstance(value, str))
    return value


def _checked_count(value: Any) -> Any:
    _require(_is_number(value, (int,)) and 0 < value < 2**31)
    return value


def _checked_float(value: Any) -> Any:
    _require(_is_number(value, (int, float)))
    return value


def _checked_integer(value: Any) -> Any:
    _require(_is_number(value, (int,)))
    return value


def _checked_token(value: Any) -> Any:
    _require(_is_number(value, (int,)) and -(2**63) <= value < 2**63)
    return value


def _checked_timestamp(value: Any) -> Any:
    _require(_is_number(value, (int,)) and -(2**63) < value < 2**63)  # servers reserve -2^63
    return value


def _checked_port(value: Any) -> Any:
    _require(_is_number(value, (int,)) and 0 < value <= MAX_PORT)
    return value


def _checked_seconds(value: Any) -> Any:
    _require(_is_number(value, (int, float)) and 0 < value <= MAX_TIMEOUT)
    return value


def _checked_hosts(hosts: Any) -> tuple[str, ...]:
    _require(not isinstance(hosts, str) and isinstance(hosts, Sequence))
    _require(hosts, "at least one host, or leave hosts out")
    return tuple(_checked_host(host) for host in hosts)


def _checked_host(host: Any) -> str:
    """Validate a contact point; the error suggests the correct form."""
    _require(isinstance(host, str) and host.strip(), "names or addresses, each a non-empty str")
    try:
        return str(parse_host(host))
    except ValueError as exc:
        raise _InvalidValue(str(exc)) from None


def _checked_addresses(value: Any) -> dict[str, str]:
    _require(isinstance(value, Mapping) and value)
    found = {_checked_announced(announced): _checked_host(host) for announced, host in value.items()}
    _require(len(found) == len(value), "each announced address once")
    return found


def _checked_announced(text: Any) -> str:
    from ipaddress import ip_address  # only needed for this option

    _require(isinstance(text, str))
    try:
        point = parse_host(text)
        return str(point._replace(host=str(ip_address(point.host))))
    except ValueError:
        wanted = "the IP addresses that nodes announce, optionally with a port: {'10.0.0.1': 'db1:9043'}"
        raise _InvalidValue(wanted) from None


def _checked_names(value: Any) -> tuple[str, ...]:
    _require(not isinstance(value, str) and isinstance(value, Sequence))
    _require(all(isinstance(name, str) and name.strip() for name in value))
    return tuple(value)


def _checked_level(value: Any) -> str:
    return parse_consistency(value)


def _checked_serial_level(value: Any) -> str:
    return parse_consistency(value, option="serial_consistency", serial=True)


def _checked_compression(value: Any) -> Any:
    # 1 == True, but the backends test for a bool.
    _require(isinstance(value, bool) or value in ("lz4", "snappy"))
    return value


def _checked_verification(value: Any) -> Any:
    _require(_is_number(value, (int,)) and value in (0, 1, 3))
    return value


def _checked_speculation(value: Any) -> Any:
    _require(not isinstance(value, (bool, int, float, Mapping)))
    _require(not isinstance(value, str) or _SPECULATION.fullmatch(value))
    return value


def _checked_retries(value: Any) -> Any:
    _require(not isinstance(value, (bool, int, float, Mapping)))
    _require(not isinstance(value, str) or value in RETRY_POLICIES)
    return value


def _checked_payload(value: Any) -> Any:
    _require(
        isinstance(value, Mapping)
        and all(isinstance(key, str) and isinstance(item, bytes) for key, item in value.items())
    )
    return value


# --- text -------------------------------------------------------------------------------


def _flag(text: str) -> Any:
    low = text.lower()
    return True if low in _TRUE else False if low in _FALSE else text


def _number(text: str) -> Any:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    return float(text) if match[1] else int(text)


def _listed(text: str) -> Any:
    return [part.strip() for part in text.split(",")]


def _addresses(text: str) -> Any:
    pairs = [part.partition("=") for part in text.split(",")]
    return {announced.strip(): host.strip() for announced, _, host in pairs}


def _compression(text: str) -> Any:
    return _flag(text) if text.lower() in ("true", "false") else text


def _case_insensitive(names: Sequence[str]) -> dict[str, Any]:
    """Return the schema of names in upper or lower case; ``parse_consistency`` accepts any case."""
    return {"enum": [*names, *(name.lower() for name in names)]}


#: The types by name. A plug-in's option may use one of these, or describe its type in words.
VALUE_TYPES: Mapping[str, ValueType] = {
    "str": ValueType(
        wanted="a non-empty str", check=_checked_text, schema={"type": "string", "minLength": 1}
    ),
    "secret": ValueType(wanted="a str", check=_checked_secret, schema={"type": "string"}),
    "provider": ValueType(
        wanted="a provider's name, optionally with @ and its distribution, or a function without parameters "
        "that returns coodie.Credentials",
        check=_checked_provider,
        schema={"type": "string", "pattern": f"^{_PROVIDER.pattern}$"},
    ),
    "application": ValueType(
        wanted="a name, or a name and a version: 'shop' or 'shop/1.4.2'",
        check=_checked_application,
        schema={"type": "string", "minLength": 1},
    ),
    "bool": ValueType(wanted="True or False", check=_checked_flag, parse=_flag, schema={"type": "boolean"}),
    "int": ValueType(wanted="an integer", check=_checked_integer, parse=_number, schema={"type": "integer"}),
    "token": ValueType(wanted="a signed 64-bit integer, as token(key) returns", check=_checked_token),
    "timestamp": ValueType(
        wanted="a signed 64-bit integer above -2^63: microseconds since 1970", check=_checked_timestamp
    ),
    "float": ValueType(wanted="a number", check=_checked_float, parse=_number, schema={"type": "number"}),
    "count": ValueType(
        wanted="an integer from 1 to 2,147,483,647",
        check=_checked_count,
        parse=_number,
        schema={"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    ),
    "version": ValueType(
        wanted="an integer, such as 4 or 5",
        check=_checked_count,
        parse=_number,
        schema={"type": "integer", "minimum": 1},
    ),
    "port": ValueType(
        wanted=f"an integer from 1 to {MAX_PORT}",
        check=_checked_port,
        parse=_number,
        schema={"type": "integer", "minimum": 1, "maximum": MAX_PORT},
    ),
    "seconds": ValueType(
        wanted="seconds, more than 0 and at most a year",
        check=_checked_seconds,
        parse=_number,
        schema={"type": "number", "exclusiveMinimum": 0, "maximum": MAX_TIMEOUT},
    ),
    "hosts": ValueType(
        wanted="a list, such as hosts=['db1', 'db2:9042']",
        check=_checked_hosts,
        parse=_listed,
        schema={"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ),
    "addresses": ValueType(
        wanted="announced addresses and hosts, such as {'10.0.0.1': 'db1:9043'}",
        check=_checked_addresses,
        parse=_addresses,
        schema={"type": "object", "additionalProperties": {"type": "string", "minLength": 1}},
    ),
    "names": ValueType(
        wanted="a list of names, each a non-empty str",
        check=_checked_names,
        parse=_listed,
        schema={"type": "array", "items": {"type": "string", "minLength": 1}},
    ),
    "consistency": ValueType(
        wanted="a consistency level",
        check=_checked_level,
        schema=_case_insensitive(tuple(CONSISTENCY_LEVELS)),
    ),
    "serial consistency": ValueType(
        wanted="SERIAL or LOCAL_SERIAL",
        check=_checked_serial_level,
        schema=_case_insensitive(SERIAL_CONSISTENCY_LEVELS),
    ),
    "compression": ValueType(
        wanted="True, False, 'lz4' or 'snappy'",
        check=_checked_compression,
        parse=_compression,
        schema={"enum": [True, False, "lz4", "snappy"]},
    ),
    "PEM": ValueType(
        wanted="a path or PEM text, as a str",
        check=_checked_text,
        schema={"type": "string", "minLength": 1},
    ),
    "path": ValueType(wanted="a path", check=_checked_path, schema={"type": "string", "minLength": 1}),
    "verification": ValueType(
        wanted="0 (verify nothing), 1 (the certificate) or 3 (the certificate and the address)",
        check=_checked_verification,
        parse=_number,
        schema={"enum": [0, 1, 3]},
    ),
    "speculation": ValueType(
        wanted="'0.1x2' (after 0.1 s, send it to another host, up to two), or a policy object",
        check=_checked_speculation,
        schema={"type": "string", "pattern": f"^{_SPECULATION.pattern}$"},
    ),
    "retry policy": ValueType(
        wanted=f"one of {', '.join(map(repr, RETRY_POLICIES))}, or a policy object",
        check=_checked_retries,
        schema={"enum": list(RETRY_POLICIES)},
    ),
    "payload": ValueType(wanted="{'name': b'value'}", check=_checked_payload),
    "rows": ValueType(wanted="dict, tuple, 'scalar', 'arrow', a class or another callable", check=_rows),
    "codecs": ValueType(
        wanted="codecs",
        check=_codecs,
        parse=_listed,
        schema={"type": "array", "items": {"type": "string", "pattern": "^[^:]+:[^:]+$"}},
    ),
    "object": ValueType(wanted="an object", check=_as_it_is),
}
