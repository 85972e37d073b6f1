"""``coodie local up``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from coodie_local._jvm import last_lines
from coodie_local.cli._parameters import choice_option, name_argument
from coodie_local.cli._report import as_json, connection_lines, last_words
from coodie_local.errors import NodeInUseError, NodeStartError

if TYPE_CHECKING:
    from coodie_local._plan import Profile
    from coodie_local.cluster import LocalCluster

__all__ = ["up"]

_POLL = 0.2


@click.command()
@name_argument
@click.option("--nodes", type=click.IntRange(min=1), metavar="N", help="How many nodes.  [default: 1]")
@click.option("--version", metavar="V", help="Of Cassandra.  [default: the newest release]")
@choice_option("profile", "durable", help="Keep the data in the node's directory.")
@choice_option("profile", "ephemeral", help="Keep the data in memory until it stops.  [default]")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="P",
    help="For CQL, on every node.  [default: a free one]",
)
@click.option("--tls/--no-tls", default=None, help="Speak TLS, by certificates made for it.")
@click.option("--mtls/--no-mtls", default=None, help="Ask clients for a certificate, too.")
@click.option("--auth/--no-auth", default=None, help="Ask for a password, which is made for it.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=120.0,
    show_default=True,
    help="How long it may take to answer, after the download.",
)
@click.option("--foreground", is_flag=True, help="Run until Ctrl-C; it ends with this command.")
@click.option("--json", "json_", is_flag=True, help="Print what `status --json` prints.")
def up(
    name: str,
    nodes: int | None,
    version: str | None,
    port: int | None,
    tls: bool | None,  # noqa: FBT001 - click's way of options
    mtls: bool | None,  # noqa: FBT001 - as above
    auth: bool | None,  # noqa: FBT001 - as above
    timeout: float,
    foreground: bool,  # noqa: FBT001 - as above
    json_: bool,  # noqa: FBT001 - as above
    profile: Profile | None = None,
) -> None:
    """Start a node or a cluster, and print how to connect; it goes on until `coodie local down`.

    The first start downloads Cassandra. What isn't said is taken from what runs under this NAME, or from its
    durable data. Where it is up already, that is said; other options than it runs with are refused.
    """
    from coodie_local.cluster import LocalCluster

    cluster = LocalCluster(
        name,
        nodes=nodes,
        profile=profile or _profile_of(name),
        port=port,
        version=version,
        tls=tls,
        mtls=mtls,
        auth=auth,
        stop_with_process=foreground,
        timeout=timeout,
    )
    was_up = _start(cluster, foreground=foreground)
    click.echo(as_json([name]) if json_ else "\n".join(_lines(cluster, was_up=was_up)))
    if foreground:
        _stay(cluster)


def _start(cluster: LocalCluster, *, foreground: bool) -> bool:
    """Start what doesn't run; say whether all of it ran already."""
    down = f"coodie local down {cluster.name}"
    try:
        was_up = cluster.find() and all(node.alive for node in cluster.nodes)
        if not (was_up and foreground):
            cluster.start()
            return was_up
    except NodeInUseError as exc:
        found = str(exc).removesuffix(f" {exc.hint}")
        option = "--durable and --ephemeral" if exc.option == "profile" else f"--{exc.option}"
        hint = f"Leave {option} out, give another NAME, or stop it first:"
        raise NodeInUseError(found, hint=hint, command=down, option=exc.option) from exc
    msg = f"{cluster.name} is up already, so it can't be run in the foreground."
    raise NodeInUseError(msg, hint="To stop it, run:", command=down)


def _profile_of(name: str) -> Profile | None:
    """Recall the profile of a node that has durable data, so that `up` goes on with them."""
    from coodie_local._inventory import entry_of

    entry = entry_of(name)
    return "durable" if entry.condition in ("stopped", "crashed") and entry.has_durable_data else None


def _lines(cluster: LocalCluster, *, was_up: bool) -> list[str]:
    head = (
        f"{cluster.name} is up{' already' if was_up else ''}: Cassandra {cluster.version}, {cluster.profile}"
    )
    if len(cluster.nodes) > 1:
        head += f", {len(cluster.nodes)} nodes"
    return [f"{head}.", "", *connection_lines(cluster)]


def _stay(cluster: LocalCluster) -> None:
    """Run until a signal ends the command, or until a node dies."""
    try:
        while True:
            for node in cluster.nodes:
                if not node.alive:
                    lines = last_lines(node.log)
                    msg = f"The node at {node.host} died. {last_words(lines)}"
                    raise NodeStartError(msg, hint=f"The whole log: {node.log}", log_lines=lines)
            time.sleep(_POLL)
    finally:
        cluster.stop()
