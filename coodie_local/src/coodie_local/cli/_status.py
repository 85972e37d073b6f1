"""``coodie local status``."""

from __future__ import annotations

import click

from coodie_local._inventory import archive_is_built, entries
from coodie_local.cli._parameters import existing
from coodie_local.cli._report import as_json, as_table, last_words

__all__ = ["status"]

_NOT_RUNNING = 3
_WIDEST = 250
# \b: the lines stay as they are
_STATES = """\b
running         all its nodes answer CQL
partly running  some of its nodes have died
silent          its process lives and doesn't answer
starting        it is being started, or half started
crashed         it ran, nobody stopped it, and it doesn't live
stopped         it isn't running

With a NAME the exit status is 0 where it is running, else 3.
"""


@click.command(epilog=_STATES)
@click.argument("name", required=False)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
@click.pass_context
def status(ctx: click.Context, name: str | None, json_: bool) -> None:  # noqa: FBT001 - click's way of options
    """Show all nodes, or the one of that NAME: state, version, address, process, memory, uptime."""
    found = entries() if name is None else [existing(name)]
    if json_:
        click.echo(as_json([entry.name for entry in found]))
    elif not found:
        click.echo("There is no local node. To start one, run: coodie local up")
    else:
        from rich.console import Console

        # wider than any table: rich would cut an address to fit, a terminal goes on in the next line
        Console(width=_WIDEST).print(as_table(found))
        for entry in found:
            if entry.condition in ("crashed", "partly running"):
                for log, lines in entry.last_words().items():
                    click.echo(f"\n{entry.name}: a node died. {last_words(lines)}The whole log: {log}")
        if archive_is_built():
            click.echo("\nA class archive for faster starts is being made in the background.")
    if name is not None and found[0].condition != "running":
        ctx.exit(_NOT_RUNNING)
