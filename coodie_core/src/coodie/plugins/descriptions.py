"""Validate the description of a backend."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from coodie.capabilities import Capability
from coodie.hooks import OptionDescription
from coodie.options.connection import ConnectionConfig
from coodie.options.declarations import OPTIONS

if TYPE_CHECKING:
    from coodie.hooks import DriverDescription

__all__ = ["problem_of"]

#: Fields of a DriverDescription → the types of their elements, and descriptions for messages.
_COLLECTIONS: Mapping[str, tuple[type, str]] = {
    "options": (OptionDescription, "a tuple of OptionDescription"),
    "connection_fields": (str, "a frozenset of str"),
    "capabilities": (Capability, "a frozenset of Capability"),
    "needs": (str, "a tuple of str"),
}

#: The fields of an OptionDescription, except its default, which may be anything.
_OPTION_FIELDS: Mapping[str, type] = {"name": str, "type": str, "help": str, "secret": bool}

#: The arguments of ``init_coodie`` that coodie-core uses itself, so a backend's option can't have these
#: names.
_CORES = {name for name, option in OPTIONS.items() if option.for_connections} | {
    *(entry.name for entry in fields(ConnectionConfig))
}


def problem_of(description: DriverDescription) -> str | None:
    """Return the first problem of a description; None if it is valid."""
    if not isinstance(description.summary, str):
        return _wrong("summary", description.summary, "str")
    for name, (kind, wanted) in _COLLECTIONS.items():
        value = getattr(description, name)
        # A str is also a collection of str, its characters.
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Collection):
            hint = "; a tuple of one has a comma" if isinstance(value, str) else ""
            return _wrong(name, value, wanted + hint)
        for item in value:
            if not isinstance(item, kind):
                return f"{name} holds a {type(item).__name__}, expected {wanted}"
    return _problem_of_options(description.options)


def _problem_of_options(options: Collection[OptionDescription]) -> str | None:
    seen: set[str] = set()
    for option in options:
        for field, kind in _OPTION_FIELDS.items():
            value = getattr(option, field)
            if not isinstance(value, kind):
                return _wrong(f"options: {field} of the option {_shown(option.name)}", value, kind.__name__)
        if not option.name.isidentifier():
            return f"options: {option.name!r} isn't a valid argument name"
        if option.name in _CORES:
            return f"options: {option.name!r} is an option of coodie-core"
        if option.name in seen:
            return f"options: {option.name!r} occurs twice"
        seen.add(option.name)
    return None


def _shown(name: object) -> str:
    return repr(name) if isinstance(name, str) else f"without a name ({type(name).__name__})"


def _wrong(field: str, value: Any, wanted: str) -> str:
    return f"{field} is a {type(value).__name__}, expected {wanted}"
