"""``coodie local path``."""

from __future__ import annotations

import click

from coodie_local._places import cache_directory, node_directory
from coodie_local._protection import certificates_of
from coodie_local._state import read_state
from coodie_local.cli._parameters import choice_option, name_argument
from coodie_local.errors import LocalNodeError

__all__ = ["path"]


@click.command()
@name_argument
@choice_option("what", "log", help="The log file of its (first) node.")
@choice_option("what", "data", help="Where its data is.")
@choice_option("what", "ca", help="The certificate that its clients trust.")
@choice_option("what", "cache", help="The jars and class archives of all nodes.")
@click.pass_context
def path(ctx: click.Context, name: str, what: str | None = None) -> None:
    """Print the directory of a node or a cluster, or where something else is."""
    if what == "cache":
        if ctx.get_parameter_source("name") is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError("Give NAME or --cache, not both.")
        click.echo(cache_directory())
        return
    directory = node_directory(name)
    if what is None:
        click.echo(directory)
        return
    state = read_state(directory)
    if state is None:
        msg = f"{name} was never up, so it has no {what} yet."
        raise LocalNodeError(msg, hint="To start it, run:", command=f"coodie local up {name}")
    if what == "ca" and not state.security.tls:
        msg = f"{name} has no TLS, so it has no certificates."
        raise LocalNodeError(msg, hint="For TLS, start it with --tls.")
    places = {"log": state.log_of(directory, 0), "data": state.data, "ca": certificates_of(directory).ca}
    click.echo(places[what])
