"""``coodie local path``."""

from __future__ import annotations

import click

from coodie_local._places import cache_directory, node_directory
from coodie_local._protection import certificates_of
from coodie_local._state import read_state
from coodie_local.cli._parameters import name_argument
from coodie_local.errors import LocalNodeError

__all__ = ["path"]


@click.command()
@name_argument
@click.option("--log", "what", flag_value="log", help="The log file of its (first) node.")
@click.option("--data", "what", flag_value="data", help="Where its data is.")
@click.option("--ca", "what", flag_value="ca", help="The certificate that its clients trust.")
@click.option("--cache", "what", flag_value="cache", help="The jars and class archives of all nodes.")
def path(name: str, what: str | None) -> None:
    """Print the directory of a node or a cluster, or where something else is."""
    if what == "cache":
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
