"""The errors that tests can script: classes of ``coodie.exceptions`` with their attributes, as responses.

``scripted_error`` validates them, so that a response that no server can send is refused by the script, and
not when it is sent. The codes and their fields are those of ``coodie.protocol.error_codes``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie import exceptions
from coodie.consistency import CONSISTENCY_LEVELS, parse_consistency
from coodie.exceptions import ConfigurationError, CoodieError
from coodie.protocol.error_codes import ERRORS, ErrorCode
from coodie.protocol.server_errors import LIMITED_OPERATIONS
from coodie_testing.fake.replies import Failed, Reply, Void

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["scripted_error"]

#: The first version with the reasons of failures, and with the number of contentions.
_VERSION_5 = 5
_MAX_INT, _MAX_SHORT = 2**31 - 1, 2**16 - 1
_WRITE_TYPES = ("SIMPLE", "BATCH", "UNLOGGED_BATCH", "COUNTER", "BATCH_LOG", "CAS", "VIEW", "CDC")
_REJECTERS = ("coordinator", "replicas")

#: Errors without a response: whether the connection is closed instead.
_UNANSWERED: Mapping[type[CoodieError], bool] = {
    exceptions.RequestTimeoutError: False,
    exceptions.ConnectionFailedError: True,
    exceptions.ConnectionLostError: True,
}

#: Codes that aren't responses to statements, or that drivers handle themselves, each with the alternative.
_NOT_RESPONSES = {
    ErrorCode.BAD_CREDENTIALS: "Servers send it at logins: use FakeCluster(username=…, password=…).",
    ErrorCode.UNPREPARED: "Drivers prepare the statement again: use forget_statements().",
    ErrorCode.PROTOCOL_ERROR: "Drivers close the connection after it: script ConnectionLostError.",
}


def scripted_error(
    error: type[CoodieError] | ErrorCode, message: str, attributes: Mapping[str, Any], newest: int
) -> Reply:
    """Return the response that drivers raise as an error.

    Args:
        error: The class, or the server's error code.
        message: The server's message; empty for a default.
        attributes: The error's attributes by name; others have example values.
        newest: The newest protocol version of the cluster.

    Raises:
        ConfigurationError: No response of a server causes this error, or has these attributes.
    """
    if isinstance(error, type) and error in _UNANSWERED:
        if message or attributes:
            raise ConfigurationError(
                f"{error.__name__} can't have a message or attributes: the server sends no response.",
                hint="Give the class alone.",
            )
        closes = _UNANSWERED[error]
        return Void(silent=not closes, closes=closes)
    code = _code(error)
    _check_message(message)
    details = _details(code, attributes, newest)
    if code == ErrorCode.RATE_LIMIT_ERROR:
        return _rate_limited(message, details)
    return Failed(code, message, details)


def _code(error: object) -> ErrorCode:
    """Return the code of an error."""
    if isinstance(error, ErrorCode):
        code: ErrorCode | None = error
        name = error.name
    elif isinstance(error, type) and issubclass(error, CoodieError):
        name = error.__name__
        code = next((ErrorCode(one) for one, meant in ERRORS.items() if meant.error == name), None)
    else:
        raise ConfigurationError(
            f"error={error!r} is neither a class of coodie.exceptions nor an ErrorCode.",
            hint="Give the class, and its attributes as keyword arguments.",
        )
    if code is None:
        raise ConfigurationError(
            f"{name} isn't an error that a server sends.",
            hint="Give another class of coodie.exceptions, or an ErrorCode.",
        )
    if code in _NOT_RESPONSES:
        raise ConfigurationError(f"{name} can't be the response to a statement.", hint=_NOT_RESPONSES[code])
    return code


def _check_message(message: object) -> None:
    if not isinstance(message, str):
        raise ConfigurationError(f"message={message!r} is not a str.")
    if len(message.encode()) > _MAX_SHORT:
        raise ConfigurationError(f"The message has more than {_MAX_SHORT} bytes, the protocol's limit.")


def _rate_limited(message: str, details: Mapping[str, Any]) -> Failed:
    """Return ScyllaDB's response to clients that haven't negotiated the code of the rate limit."""
    operation = LIMITED_OPERATIONS[details.get("op_type", LIMITED_OPERATIONS.index("write"))]
    rejecter = _REJECTERS[not details.get("rejected_by_coordinator", True)]
    text = f"Per-partition rate limit reached for {operation} in table ks.t, rejected by {rejecter}"
    return Failed(ErrorCode.CONFIG_ERROR, f"{message}: {text}" if message else text)


# --- attributes -------------------------------------------------------------------------


class _Attribute(NamedTuple):
    """An attribute of errors.

    Attributes:
        field: The field's name in ``error_codes``.
        expected: The valid values, for the error message.
        parse: Converts a value into the field's; raises TypeError or ValueError for an invalid one.
    """

    field: str
    expected: str
    parse: Callable[[Any], Any]


def _integer(most: int) -> Callable[[Any], int]:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError
        if not 0 <= value <= most:
            raise ValueError
        return value

    return parse


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    if len(value.encode()) > _MAX_SHORT:
        raise ValueError
    return value


def _texts(value: object) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError
    return [_text(one) for one in value]


def _index(words: tuple[str, ...]) -> Callable[[Any], int]:
    return lambda value: words.index(_text(value))


def _write_type(value: object) -> str:
    return _WRITE_TYPES[_index(_WRITE_TYPES)(value)]


def _level(value: object) -> int:
    try:
        return CONSISTENCY_LEVELS[parse_consistency(_text(value))]
    except ConfigurationError as exc:
        raise ValueError from exc


def _reasons(value: object) -> dict[IPv4Address | IPv6Address, int]:
    if not isinstance(value, Mapping):
        raise TypeError
    reason = _integer(_MAX_SHORT)
    return {ip_address(address): reason(code) for address, code in value.items()}


def _count(most: int, field: str) -> _Attribute:
    return _Attribute(field, f"an int from 0 to {most}", _integer(most))


_ATTRIBUTES = {
    **{name: _count(_MAX_INT, name) for name in ("required", "received", "alive")},
    "failures": _count(_MAX_SHORT, "failures"),
    "contentions": _count(_MAX_SHORT, "contentions"),
    "reasons": _Attribute("failures", "a dict of reason codes from 0 to 65535 by IP address", _reasons),
    "consistency": _Attribute("consistency", f"one of {', '.join(CONSISTENCY_LEVELS)}", _level),
    "data_retrieved": _Attribute("data_present", "True or False", _boolean),
    "write_type": _Attribute("write_type", f"one of {', '.join(_WRITE_TYPES)}", _write_type),
    "keyspace": _Attribute("keyspace", "a str", _text),
    "table": _Attribute("table", "a str, or None", lambda value: "" if value is None else _text(value)),
    "function": _Attribute("function", "a str", _text),
    "argument_types": _Attribute("arg_types", "a list of str", _texts),
    "operation": _Attribute("op_type", f"one of {', '.join(LIMITED_OPERATIONS)}", _index(LIMITED_OPERATIONS)),
    "rejected_by": _Attribute(
        "rejected_by_coordinator",
        f"one of {', '.join(_REJECTERS)}",
        lambda value: not _index(_REJECTERS)(value),
    ),
}


def _details(code: ErrorCode, attributes: Mapping[str, Any], newest: int) -> dict[str, Any]:
    """Return the fields of an ERROR, from the attributes of the error."""
    meant = ERRORS[code]
    supported = {name for name, attribute in _ATTRIBUTES.items() if attribute.field in meant.fields}
    if code == ErrorCode.WRITE_TIMEOUT:
        supported.add("contentions")
    details: dict[str, Any] = {}
    for name, value in attributes.items():
        if name not in supported:
            known = f"It has {', '.join(sorted(supported))}." if supported else "It has none."
            raise ConfigurationError(f"A server's {meant.error} has no attribute {name!r}.", hint=known)
        attribute = _ATTRIBUTES[name]
        try:
            details[attribute.field if name != "failures" else name] = attribute.parse(value)
        except (TypeError, ValueError) as exc:
            message = f"{name}={value!r} is not valid for {meant.error}."
            raise ConfigurationError(message, hint=f"Give {attribute.expected}.") from exc
    if newest < _VERSION_5 and (missing := sorted({"reasons", "contentions"} & attributes.keys())):
        raise ConfigurationError(
            f"Protocol version {newest} has no {missing[0]}.", hint="Use FakeCluster(max_protocol=5)."
        )
    if "contentions" in details and details.get("write_type") != "CAS":
        raise ConfigurationError(
            "Servers only report contentions of conditional writes.", hint='Give write_type="CAS", too.'
        )
    if "failures" in attributes:
        details["failures"] = _failed_nodes(attributes)
    return details


def _failed_nodes(attributes: Mapping[str, Any]) -> Mapping[Any, int]:
    """Return the failed nodes with their reasons, whose number is ``failures``."""
    count = attributes["failures"]
    if "reasons" not in attributes:
        first = ip_address("127.0.0.1")
        return {first + number: 0 for number in range(count)}
    reasons = _reasons(attributes["reasons"])
    if len(reasons) != count:
        raise ConfigurationError(
            f"failures={count}, but reasons= has {len(reasons)} nodes.", hint="Omit failures=."
        )
    return reasons
