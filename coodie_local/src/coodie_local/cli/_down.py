"""``coodie local down``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from coodie_local._inventory import entries
from coodie_local._stop import stop_cluster
from coodie_local.cli._parameters import existing, name_argument

if TYPE_CHECKING:
    from coodie_local._inventory import ClusterEntry

__all__ = ["down"]


@click.command()
@name_argument
@click.option("--all", "all_", is_flag=True, help="Stop all nodes there are.")
@click.pass_context
def down(ctx: click.Context, name: str, all_: bool) -> None:  # noqa: FBT001 - click's way of options
    """Stop a node or a cluster; durable data stays, ephemeral data is gone.

    One that has stopped already is fine.
    """
    if all_ and ctx.get_parameter_source("name") is not click.core.ParameterSource.DEFAULT:
        raise click.UsageError("Give NAME or --all, not both.")
    found = entries() if all_ else [existing(name)]
    stopped = [entry for entry in found if _stop(entry)]
    if not stopped:
        click.echo("Nothing is up." if all_ else f"{name} isn't up.")


def _stop(entry: ClusterEntry) -> bool:
    """Stop one; say whether there was anything to be stopped."""
    running = entry.running
    if running is None or entry.condition == "stopped":
        return False
    stop_cluster(running)
    kept = " Its durable data stays." if entry.state is not None and entry.state.profile == "durable" else ""
    click.echo(
        f"{entry.name} had crashed; tidied up.{kept}"
        if entry.condition == "crashed"
        else f"{entry.name} is down.{kept}"
    )
    return True
