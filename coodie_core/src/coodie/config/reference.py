"""The table of options as a page: what the documentation shows, and what the command line prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.options.declarations import Option, Scope, options_for

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["options_reference"]

_TITLES = {
    Scope.CONNECTION: "Of a connection",
    Scope.REQUEST: "Of a request, or a request profile",
    Scope.FILE: "Of a configuration file",
}


def options_reference() -> str:
    """Return all options as Markdown: one section for each thing that they are given to."""
    return "\n".join(line for scope in _TITLES for line in _section(scope))


def _section(scope: Scope) -> Iterator[str]:
    yield f"## {_TITLES[scope]}"
    yield ""
    if scope is Scope.FILE:
        yield "| option | value | without it | what it is | in Python |"
        yield "|---|---|---|---|---|"
    else:
        yield "| option | value | without it | what it is | in a file | in a URL | backends |"
        yield "|---|---|---|---|---|---|---|"
    for option in options_for(scope):
        yield f"| {' | '.join(_cells(option, scope))} |"
    yield ""


def _cells(option: Option, scope: Scope) -> list[str]:
    about = [f"`{option.name}`", _value(option), option.default, option.help]
    if scope is Scope.FILE:
        return [*about, option.instead]
    url = option.url
    if scope is Scope.REQUEST and option.for_connections:
        # The declared form is the connection's; in a profile it stands behind the profile's name.
        url = f"?profiles.reports.{option.url.removeprefix('?')}"
    return [
        *about,
        f"`{option.key}`" if option.key else option.instead,
        f"`{url}`" if url else option.instead,
        f"those with {option.capability}" if option.capability else "all",
    ]


def _value(option: Option) -> str:
    unit = f", {option.unit}" if option.unit not in ("", option.type) else ""
    secret = ", a secret" if option.secret and option.type != "secret" else ""
    return f"{option.type}{unit}{secret}"
