"""The types of options' values: what is let through, how text becomes one, what an editor is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coodie.consistency import CONSISTENCY_LEVELS, SERIAL_CONSISTENCY_LEVELS, parse_consistency
from coodie.exceptions import ConfigurationError

__all__ = [
    "LONGEST",
    "RETRY_POLICIES",
    "VALUE_TYPES",
    "ValueType",
    "check_value",
    "parse_speculation",
    "parse_value",
]

_MOST_PORT = 65535

#: Seconds beyond which clocks and locks overflow: nobody waits a year.
LONGEST = 365 * 86_400

#: The retry policies that have a name → what they do.
RETRY_POLICIES = {
    "default": "the backend's own: once more where a replica or another host may answer",
    "never": "no second attempt",
    "backoff": "up to three more attempts, after about 0.1 s, 0.2 s and 0.4 s",
}

_SPECULATION = re.compile(r"(\d+(?:\.\d+)?)x([1-9]\d*)")
_BRACKETED = re.compile(r"\[(.*)\](?::([0-9]+))?")
#: What neither a name nor an address has.
_NO_HOST = re.compile(r"[\s/\\@\[\]?#]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


class _Unfit(Exception):  # noqa: N818 - no error: a verdict
    """A value isn't of the type; the message says what to give, where the type's own words don't."""


def _as_it_is(text: str) -> Any:
    return text


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueType:
    """One type of value.

    Args:
        wanted: What to give, in words that follow "Give".
        check: Returns the value as it is kept; raises where it isn't of this type.
        parse: Makes a value of text; text that isn't one is returned for ``check`` to refuse.
        schema: The type as JSON Schema.
    """

    wanted: str
    check: Callable[[Any], Any]
    parse: Callable[[str], Any] = _as_it_is
    schema: Mapping[str, Any] = field(default_factory=dict)


def check_value(option: str, type_name: str, value: Any, *, secret: bool = False) -> Any:
    """Return the value as it is kept.

    Args:
        option: The option's name, for the error.
        type_name: One of ``VALUE_TYPES``; a value of another type is let through as it is.
        value: Anything but None.
        secret: Keep the value out of the error.

    Raises:
        ConfigurationError: It isn't of that type.
    """
    kind = VALUE_TYPES.get(type_name)
    if kind is None:
        return value
    try:
        return kind.check(value)
    except _Unfit as unfit:
        wanted = str(unfit) or kind.wanted
    # Somebody's URL may stand in the place of a host.
    secret = secret or (type_name == "hosts" and "@" in str(value))
    shown = f"= is of type {type(value).__name__} and" if secret else f"={value!r}"
    raise ConfigurationError(f"{option}{shown} can't be used.", hint=f"Give {wanted}.", option=option)


def parse_value(type_name: str, text: str) -> Any:
    """Make a value of text from a URL or an environment variable.

    Args:
        type_name: One of ``VALUE_TYPES``; for another, true, false and numbers are recognised.
        text: What was written.
    """
    kind = VALUE_TYPES.get(type_name)
    if kind is not None:
        return kind.parse(text)
    return _flag(text) if text in ("true", "false") else _number(text)


def parse_speculation(text: str) -> tuple[float, int]:
    """Return the delay in seconds and the number of further attempts that ``"0.1x2"`` stands for.

    Raises:
        ConfigurationError: It isn't of that form.
    """
    check_value("speculative_execution_policy", "speculation", text)
    delay, _, attempts = text.partition("x")
    return float(delay), int(attempts)


# --- checks -----------------------------------------------------------------------------


def _need(condition: object, wanted: str = "") -> None:
    if not condition:
        raise _Unfit(wanted)


def _is_number(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _checked_text(value: Any) -> Any:
    _need(isinstance(value, str) and value.strip())
    return value


def _checked_flag(value: Any) -> Any:
    _need(isinstance(value, bool))
    return value


def _checked_secret(value: Any) -> Any:
    _need(isinstance(value, str))
    return value


def _checked_count(value: Any) -> Any:
    _need(_is_number(value, (int,)) and 0 < value < 2**31)
    return value


def _checked_float(value: Any) -> Any:
    _need(_is_number(value, (int, float)))
    return value


def _checked_integer(value: Any) -> Any:
    _need(_is_number(value, (int,)))
    return value


def _checked_port(value: Any) -> Any:
    _need(_is_number(value, (int,)) and 0 < value <= _MOST_PORT)
    return value


def _checked_seconds(value: Any) -> Any:
    _need(_is_number(value, (int, float)) and 0 < value <= LONGEST)
    return value


def _checked_hosts(hosts: Any) -> tuple[str, ...]:
    _need(not isinstance(hosts, str) and isinstance(hosts, Sequence))
    _need(hosts, "at least one host, or leave hosts out")
    for host in hosts:
        _check_host(host)
    return tuple(hosts)


def _check_host(host: Any) -> None:
    """Refuse what is neither a name nor an address, with the way to write what was meant."""
    from ipaddress import ip_address  # keeps it out of the import of coodie.drivers

    _need(isinstance(host, str) and host.strip(), "names or addresses, each a non-empty str")
    _need("://" not in host, "a name or an address, and not a URL")
    if "," in host:
        raise _Unfit(f"each host by itself: hosts={_listed(host)!r}")
    if (bracketed := _BRACKETED.fullmatch(host)) is not None:
        address, port = bracketed.groups()
        apart = "" if port is None else f", and the port apart, as port={port}"
        raise _Unfit(f"an address without brackets: {address!r}{apart}")
    _need(_NO_HOST.search(host) is None, "names or addresses, without spaces and slashes")
    name, colon, port = host.rpartition(":")
    if colon and ":" not in name:
        raise _Unfit(f"the port apart, as port={port}" if port.isdecimal() else "names or addresses")
    if colon:
        try:
            ip_address(host)
        except ValueError:
            raise _Unfit("an IPv6 address in full, such as '2001:db8::1'") from None


def _checked_names(value: Any) -> tuple[str, ...]:
    _need(not isinstance(value, str) and isinstance(value, Sequence))
    _need(all(isinstance(name, str) and name.strip() for name in value))
    return tuple(value)


def _checked_level(value: Any) -> str:
    return parse_consistency(value)


def _checked_serial_level(value: Any) -> str:
    return parse_consistency(value, option="serial_consistency", serial=True)


def _checked_compression(value: Any) -> Any:
    # 1 == True, and a bool is what the backends look for.
    _need(isinstance(value, bool) or value in ("lz4", "snappy"))
    return value


def _checked_verification(value: Any) -> Any:
    _need(_is_number(value, (int,)) and value in (0, 1, 3))
    return value


def _checked_speculation(value: Any) -> Any:
    _need(not isinstance(value, (bool, int, float, Mapping)))
    _need(not isinstance(value, str) or _SPECULATION.fullmatch(value))
    return value


def _checked_retries(value: Any) -> Any:
    _need(not isinstance(value, (bool, int, float, Mapping)))
    _need(not isinstance(value, str) or value in RETRY_POLICIES)
    return value


def _checked_payload(value: Any) -> Any:
    _need(
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


def _compression(text: str) -> Any:
    return _flag(text) if text.lower() in ("true", "false") else text


def _any_case(names: Sequence[str]) -> dict[str, Any]:
    """Return the schema of names in capitals or small letters; ``parse_consistency`` takes any case."""
    return {"enum": [*names, *(name.lower() for name in names)]}


#: Name → the type. A plug-in's option may have one of these, or say in words what it takes.
VALUE_TYPES: Mapping[str, ValueType] = {
    "str": ValueType(
        wanted="a non-empty str", check=_checked_text, schema={"type": "string", "minLength": 1}
    ),
    "secret": ValueType(wanted="a str", check=_checked_secret, schema={"type": "string"}),
    "bool": ValueType(wanted="True or False", check=_checked_flag, parse=_flag, schema={"type": "boolean"}),
    "int": ValueType(
        wanted="a whole number", check=_checked_integer, parse=_number, schema={"type": "integer"}
    ),
    "float": ValueType(wanted="a number", check=_checked_float, parse=_number, schema={"type": "number"}),
    "count": ValueType(
        wanted="a whole number, 1 or more",
        check=_checked_count,
        parse=_number,
        schema={"type": "integer", "minimum": 1},
    ),
    "version": ValueType(
        wanted="a whole number, such as 4 or 5",
        check=_checked_count,
        parse=_number,
        schema={"type": "integer", "minimum": 1},
    ),
    "port": ValueType(
        wanted=f"a whole number from 1 to {_MOST_PORT}",
        check=_checked_port,
        parse=_number,
        schema={"type": "integer", "minimum": 1, "maximum": _MOST_PORT},
    ),
    "seconds": ValueType(
        wanted="seconds, more than 0 and a year at most",
        check=_checked_seconds,
        parse=_number,
        schema={"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST},
    ),
    "hosts": ValueType(
        wanted="a list, such as hosts=['127.0.0.1']",
        check=_checked_hosts,
        parse=_listed,
        schema={"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
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
        schema=_any_case(tuple(CONSISTENCY_LEVELS)),
    ),
    "serial consistency": ValueType(
        wanted="SERIAL or LOCAL_SERIAL",
        check=_checked_serial_level,
        schema=_any_case(SERIAL_CONSISTENCY_LEVELS),
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
    "verification": ValueType(
        wanted="0 (verify nothing), 1 (the certificate) or 3 (the certificate and the address)",
        check=_checked_verification,
        parse=_number,
        schema={"enum": [0, 1, 3]},
    ),
    "speculation": ValueType(
        wanted="'0.1x2' (after 0.1 s without an answer ask another host, two at most), or a policy object",
        check=_checked_speculation,
        schema={"type": "string", "pattern": f"^{_SPECULATION.pattern}$"},
    ),
    "retry policy": ValueType(
        wanted=f"one of {', '.join(map(repr, RETRY_POLICIES))}, or a policy object",
        check=_checked_retries,
        schema={"enum": list(RETRY_POLICIES)},
    ),
    "payload": ValueType(wanted="{'name': b'value'}", check=_checked_payload),
    "object": ValueType(wanted="an object", check=_as_it_is),
}
