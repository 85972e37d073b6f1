"""``coodie explain``: the cause of an error and its fix."""

from __future__ import annotations

import json
import re
import sys
from difflib import get_close_matches
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import click

from coodie.cli._completion import complete_error
from coodie.explanations import explanations

if TYPE_CHECKING:
    from coodie.explanations import Explanation

__all__ = ["explain"]

#: A link to another page of the documentation, which is replaced by the page's name.
_LINK = re.compile(r"\[([^\]]+)\]\((?:\.\./)*([^)]+)\)")


@click.command()
@click.argument("name", required=False, shell_complete=complete_error)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object, or one per line without NAME.")
def explain(*, name: str | None, as_json: bool) -> None:
    """Explain an error: its cause and its fix; without NAME, list all errors.

    NAME is the error's class, such as RequestTimeoutError, with or without its module.

    Exit code: 0; 2 if there is no such error.
    """
    known = explanations()
    if name is None:
        if as_json:
            for each in known.values():
                click.echo(_json(each))
        else:
            _list(known)
        return
    asked = name.strip().rstrip(":").rpartition(".")[2]
    by_lower = {each.lower(): each for each in known}
    found = known.get(by_lower.get(asked.lower(), ""))
    if found is None:
        close = get_close_matches(asked.lower(), by_lower, n=1)
        hint = f"Did you mean {by_lower[close[0]]}?" if close else "To list all, run: coodie explain"
        raise click.BadParameter(f"there is no error {asked!r}. {hint}", param_hint="NAME")
    if as_json:
        click.echo(_json(found))
        return
    _print(f"# {found.name}\n\n{_LINK.sub(_linked, found.text)}")


def _json(found: Explanation) -> str:
    parts = ("name", "group", "message", "cause", "fix")
    return json.dumps({part: getattr(found, part) for part in parts}, ensure_ascii=False)


def _linked(match: re.Match[str]) -> str:
    said, target = match.groups()
    return f"{said} ({target if '://' in target or target.startswith('#') else f'docs/{target}'})"


def _list(known: dict[str, Explanation]) -> None:
    group = None
    width = max(map(len, known), default=0)
    for each in known.values():
        if each.group != group:
            click.secho(f"{'' if group is None else chr(10)}{each.group}", bold=True)
            group = each.group
        _print_line(f"  {each.name:<{width}}  {_first_sentence(each.cause)}")


def _first_sentence(markdown: str) -> str:
    plain = _LINK.sub(r"\1", " ".join(markdown.split())).replace("`", "")
    return plain.partition(". ")[0].partition("; ")[0].partition(": ")[0].rstrip(".")


def _print_line(text: str) -> None:
    """Print a line, truncated to the terminal's width."""
    room = get_terminal_size().columns if sys.stdout.isatty() else len(text)
    click.echo(text if len(text) <= room else f"{text[: room - 1]}…")


def _print(text: str) -> None:
    """Print Markdown, rendered on a terminal, unchanged otherwise."""
    if not sys.stdout.isatty():
        click.echo(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.print(Markdown(text), width=min(console.width, 100))
