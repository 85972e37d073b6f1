"""The text and the parameters of the statement of ``coodie query``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from coodie.cli._values import read_value
from coodie.cql import count_positional_markers, terminated, tokens, with_positional_markers
from coodie.exceptions import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coodie.contract.driver import AbstractDriver
    from coodie.contract.markers import Marker

__all__ = ["Parameters", "bound_values", "parse_parameters", "read_statement"]


def read_statement(argument: str | None, file: str | None) -> str:
    """Return the text of exactly one statement.

    Args:
        argument: The argument; "-" for standard input.
        file: The path of a file; "-" for standard input. Without both, standard input, unless it is a
            terminal.

    Raises:
        click.UsageError: There is no statement, or more than one; the file can't be read.
    """
    if argument is not None and file is not None:
        raise click.UsageError("Give CQL or --file, not both.")
    if argument not in (None, "-"):
        return _single(str(argument), "CQL")
    is_asked = argument is not None or file is not None
    if file in (None, "-") and (sys.stdin is None or (sys.stdin.isatty() and not is_asked)):
        raise click.UsageError("There is no statement. Give CQL, --file FILE, or pipe it in.")
    source = "Standard input" if file in (None, "-") else str(file)
    return _single(_content(file), source)


def _content(file: str | None) -> str:
    """Return the text of a file; of standard input for None and "-"."""
    source = "Standard input" if file in (None, "-") else str(file)
    try:
        data = sys.stdin.buffer.read() if file in (None, "-") else Path(str(file)).read_bytes()
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"{source} isn't UTF-8 (byte {exc.start}).") from exc
    except (OSError, ValueError) as exc:
        raise click.UsageError(f"{source}: {getattr(exc, 'strerror', None) or exc}.") from exc


def _single(text: str, source: str) -> str:
    """Return the text if it has one statement; a batch has semicolons inside."""
    found = [token == ("symbol", ";") for token in tokens(text)]
    words = next(tokens(text), ("", ""))
    if not found or all(found):
        raise click.UsageError(f"{source} has no statement.")
    while found[-1]:
        found.pop()
    if any(found) and words[1].upper() != "BEGIN":
        hint = "Run the command once for each, or write BEGIN BATCH … APPLY BATCH."
        raise click.UsageError(f"{source} has several statements. {hint}")
    return terminated(text)


class Parameters(NamedTuple):
    """The values of ``--param`` and ``--null``, by name; None for a null."""

    texts: dict[str, str | None]

    def check(self, statement: str) -> None:
        """Raise click.UsageError if the statement has no bind markers, but there are values."""
        positional, names = with_positional_markers(statement)
        if self.texts and not names and not count_positional_markers(positional):
            raise click.UsageError(
                "The statement has no bind markers. Write :name in place of the value of --param."
            )


def parse_parameters(given: Sequence[str], nulls: Sequence[str]) -> Parameters:
    """Parse the arguments of ``--param`` and ``--null``.

    Raises:
        click.UsageError: An argument isn't NAME=VALUE, or a name is given twice.
    """
    texts: dict[str, str | None] = {}
    pairs: list[tuple[str, str | None]] = [(name, None) for name in nulls]
    for argument in given:
        name, equals, text = argument.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--param {argument!r} isn't NAME=VALUE, such as id=7.")
        pairs.append((name, text))
    for name, value in pairs:
        if name in texts:
            raise click.UsageError(f"The parameter {name!r} is given twice.")
        texts[name] = value
    return Parameters(texts)


def bound_values(
    driver: AbstractDriver, statement: str, parameters: Parameters, timeout: float | None
) -> list[Any]:
    """Return the value of each bind marker, in order.

    Args:
        driver: The driver, which prepares the statement if it has bind markers.
        statement: The statement.
        parameters: The values.
        timeout: The timeout of preparing.

    Raises:
        click.UsageError: A value is missing, unknown or invalid.
        UnsupportedError: The backend doesn't know the types of bind markers.
        CoodieError: The server rejected the statement.
    """
    positional, names = with_positional_markers(statement)
    if not names and not count_positional_markers(positional):
        return []
    find = getattr(getattr(driver, "driver", driver), "_bind_markers", None)
    if find is None:
        message = "This backend doesn't know the types of bind markers, so --param isn't supported."
        raise UnsupportedError(message, hint="Write the values into the statement.", feature="--param")
    markers: Sequence[Marker] = find(statement, timeout)
    named = {marker.name: marker for marker in markers}
    if not names and len(named) < len(markers):
        twice = next(marker.name for marker in markers if [m.name for m in markers].count(marker.name) > 1)
        raise click.UsageError(f"Several ? are named {twice!r}. Write :name instead.")
    texts = {_marker_name(name, named): text for name, text in parameters.texts.items()}
    missing = [marker for name, marker in named.items() if name not in texts]
    if missing:
        raise click.UsageError(f"Missing --param for {_listed(missing)}.")
    return [_bound(marker, texts[marker.name]) for marker in markers]


def _marker_name(name: str, markers: dict[str, Marker]) -> str:
    """Return the marker's name, as the server has it: in lower case, or such as ``in(id)``, ``[limit]``."""
    for candidate in (name, name.lower(), f"in({name})", f"[{name.lower()}]"):
        if candidate in markers:
            return candidate
    listed = _listed(list(markers.values()))
    raise click.UsageError(f"The statement has no bind marker {name!r}. It has {listed}.")


def _listed(markers: Sequence[Marker]) -> str:
    return ", ".join(f"{marker.name} ({marker.type.text})" for marker in markers)


def _bound(marker: Marker, text: str | None) -> Any:
    if text is None:
        return None
    try:
        return read_value(marker.type, text)
    except ValueError as exc:
        raise click.UsageError(f"--param {marker.name} ({marker.type.text}): {exc}.") from exc
