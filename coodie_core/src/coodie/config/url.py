"""Parse a connection's URL: ``scylla://user:password@host1,host2:9042/keyspace?lazy=true``.

Errors name the invalid part, but never quote text that may contain a password or a piece of one: the URL, any
part before its options, or the value of an unknown option.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from coodie.exceptions import ConfigurationError
from coodie.options.connection import check_option
from coodie.options.declarations import OPTIONS
from coodie.options.hosts import ContactPoint
from coodie.options.valuetypes import parse_value

__all__ = ["UrlParts", "parse_url"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+._-]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FORM = "scylla://user:password@host1,host2:9042/keyspace?consistency=LOCAL_QUORUM"

#: The prefix of the options of request profiles.
_PROFILES = "profiles."


@dataclass(frozen=True, kw_only=True, slots=True)
class UrlParts:
    """The parts of a URL.

    Args:
        arguments: The arguments of ``init_coodie``; profiles as mappings.
        own: The backend's options as text, since only the backend knows their types.
    """

    arguments: dict[str, Any] = field(repr=False)
    own: dict[str, str] = field(repr=False)


def parse_url(url: object) -> UrlParts:
    """Parse a connection's URL.

    Args:
        url: The backend's name, ``://``, optionally ``user:password@``, hosts separated by commas, with one
            port after any of them or a port after each, ``/keyspace``, and options after ``?``, separated by
            ``&``. Separators within a part are percent-encoded.

    Raises:
        ConfigurationError: The URL is invalid.
    """
    if not isinstance(url, str):
        message = f"The URL: expected str, got {type(url).__name__}."
        raise ConfigurationError(message, hint=f"The form is {_FORM}.", option="url")
    scheme, separator, rest = url.strip().partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        _refuse("doesn't start with a backend's name and ://", f"The form is {_FORM}")
    if "#" in rest:
        _refuse("contains a #, which ends a URL", "Write %23 for it.")
    if _BAD_ESCAPE.search(rest):
        _refuse("contains a % without two hexadecimal digits", "Write %25 for a % itself.")
    authority, path, query = _split(rest)
    if rest.count("@") != authority.count("@") or authority.count("@") > 1:
        hint = "Within a user's name, a password or a value, write %40 for @, %2F for / and %3F for ?."
        _refuse("contains an @ elsewhere than before the hosts", hint)
    credentials, at, hosts = authority.rpartition("@")
    arguments: dict[str, Any] = {"driver_type": scheme}
    if at:
        arguments |= _credentials(credentials)
    arguments |= _hosts(hosts)
    keyspace = _decoded(path.removesuffix("/"), "keyspace")
    if "/" in path.removesuffix("/"):
        _refuse("has more than one / before its options", "Only /keyspace may follow the hosts.")
    if keyspace:
        arguments["keyspace"] = keyspace
    options, own = _options(query)
    return UrlParts(arguments=arguments | options, own=own)


def _refuse(what: str, hint: str, option: str = "url") -> NoReturn:
    raise ConfigurationError(f"The URL {what}.", hint=hint, option=option)


def _split(rest: str) -> tuple[str, str, str]:
    """Split into the part before the path, the path without its slash, and the options."""
    front, _, query = rest.partition("?")
    authority, _, path = front.partition("/")
    return authority, path, query


def _decoded(text: str, what: str) -> str:
    from urllib.parse import unquote  # programs without a URL don't need it

    # Not errors="strict": its exception contains the text.
    decoded = unquote(text, errors="replace")
    if "\ufffd" in decoded:
        _refuse(f"has a {what} that isn't UTF-8", "Escape the bytes of its UTF-8 form.")
    return decoded


def _credentials(text: str) -> dict[str, str]:
    user, colon, password = text.partition(":")
    if not user:
        _refuse("has an @, but no user before it", "Write user:password@, or leave the @ out.", "username")
    found = {"username": _decoded(user, "user")}
    if colon:  # otherwise the password is in another source, or missing, which is reported later
        found["password"] = _decoded(password, "password")
    return found


def _hosts(text: str) -> dict[str, Any]:
    """Return the hosts; a single port is that of all hosts, further ports are part of their hosts."""
    if not text:
        return {}
    parts = text.split(",")
    points = [_host(part, f"host {number} of {len(parts)}") for number, part in enumerate(parts, 1)]
    ports = {point.port for point in points if point.port is not None}
    if len(ports) > 1:
        if any(point.port is None for point in points):
            hint = "Write a port after each host, or one port for all hosts."
            _refuse("has different ports, and a host without a port", hint, "port")
        return {"hosts": [str(point) for point in points]}
    hosts = [point.host for point in points]
    return {"hosts": hosts, "port": ports.pop()} if ports else {"hosts": hosts}


def _host(part: str, where: str) -> ContactPoint:
    if part.startswith("["):
        host, bracket, rest = part[1:].partition("]")
        if not bracket or not _is_address(host) or (rest and not rest.startswith(":")):
            _refuse(f"has an invalid IPv6 address as {where}", "Write [2001:db8::1] or [2001:db8::1]:9042.")
        colon, port = rest[:1], rest[1:]
    else:
        if part.count(":") > 1:
            _refuse(f"has more than one colon in {where}", "Write an IPv6 address in brackets.", "hosts")
        host, colon, port = part.partition(":")
    host = _decoded(host, "host")
    if not host.strip():
        _refuse(f"has an empty {where}", "Leave the comma or the colon out.", "hosts")
    if not colon:
        return ContactPoint(host, None)
    # Not int() of other texts: its exception contains the text.
    if not (port.isascii() and port.isdecimal() and len(port) < 6 and 0 < int(port) < 2**16):  # noqa: PLR2004 - digits and limit of a port
        _refuse(f"needs an integer from 1 to 65535 as the port of {where}", "Write host:9042.", "port")
    return ContactPoint(host, int(port))


def _is_address(text: str) -> bool:
    from ipaddress import IPv6Address  # as above

    try:
        IPv6Address(text.replace("%25", "%"))
    except ValueError:
        return False
    return True


def _options(query: str) -> tuple[dict[str, Any], dict[str, str]]:
    arguments: dict[str, Any] = {}
    own: dict[str, str] = {}
    profiles: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    for number, part in enumerate(query.split("&") if query else (), 1):
        name, equals, text = part.partition("=")
        name = _decoded(name, "name of an option")
        if not equals or not name:
            _refuse(f"has an option without a name or a value, number {number}", "Write name=value.")
        if name in seen:
            _refuse(f"has the option {name!r} twice", "Give it once.", name)
        seen.add(name)
        value = _decoded(text, f"value of {name}")
        if name.startswith(_PROFILES):
            profile, _, key = name.removeprefix(_PROFILES).rpartition(".")
            if not profile:
                _refuse(f"has the option {name!r}", "Write profiles.NAME.OPTION=value.", name)
            profiles.setdefault(profile, {})[key] = _typed(key, value)
        elif name in OPTIONS and OPTIONS[name].for_connections:
            arguments[name] = _argument(name, value)
        else:
            own[name] = value
    if profiles:
        arguments["profiles"] = profiles
    return arguments, own


def _argument(name: str, text: str) -> Any:
    option = OPTIONS[name]
    if not option.url:
        _refuse(f"has {name} among its options", f"Use {option.instead}.", name)
    if not option.url.startswith("?"):
        _refuse(f"has {name} among its options", f"It belongs elsewhere in the URL: {option.url}", name)
    return check_option(name, _typed(name, text))


def _typed(name: str, text: str) -> Any:
    return parse_value(OPTIONS[name].type, text) if name in OPTIONS else text
