"""``coodie local up`` and ``coodie local down``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from coodie_local._inventory import entries, entry_of
from coodie_local._request import MIN_HEAP
from coodie_local.cli._group import choice_option, existing, name_argument
from coodie_local.cli._status import as_json
from coodie_local.errors import NodeInUseError
from coodie_local.node import error_of_death

if TYPE_CHECKING:
    from coodie_local._inventory import ClusterEntry
    from coodie_local._state import Profile
    from coodie_local.cluster import LocalCluster

__all__ = ["down", "up"]

_POLL_INTERVAL = 0.2


@click.command()
@name_argument
@click.option("--nodes", type=click.IntRange(min=1), metavar="N", help="The number of nodes.  [default: 1]")
@click.option("--version", metavar="V", help="The version of Cassandra.  [default: the newest release]")
@choice_option("profile", "durable", help="Keep the data in the node's directory.")
@choice_option("profile", "ephemeral", help="Keep the data in memory, until the node stops.  [default]")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="P",
    help="The CQL port of each node.  [default: a free one]",
)
@click.option("--tls/--no-tls", default=None, help="Encrypt CQL, with certificates created for the cluster.")
@click.option("--mtls/--no-mtls", default=None, help="Also require a client certificate.")
@click.option("--auth/--no-auth", default=None, help="Enable authentication, with a generated password.")
@click.option(
    "--heap",
    type=click.IntRange(min=MIN_HEAP),
    metavar="MIB",
    help="The maximum heap size of each node.  [default: depends on the machine's memory]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    default=120.0,
    show_default=True,
    help="The timeout of the start, without the download.",
)
@click.option("--foreground", is_flag=True, help="Run until Ctrl-C; the nodes stop with this command.")
@click.option("--json", "json_", is_flag=True, help="Print the same JSON as `status --json`.")
def up(
    name: str,
    nodes: int | None,
    version: str | None,
    port: int | None,
    tls: bool | None,  # noqa: FBT001 - click's way of options
    mtls: bool | None,  # noqa: FBT001 - as above
    auth: bool | None,  # noqa: FBT001 - as above
    heap: int | None,
    timeout: float,
    foreground: bool,  # noqa: FBT001 - as above
    json_: bool,  # noqa: FBT001 - as above
    profile: Profile | None = None,
) -> None:
    """Start a node or a cluster, and print how to connect; it runs until `coodie local down`.

    The first start downloads Cassandra. Omitted options are those of the running node or of the durable data
    of NAME. If the node is already running with other options, the command fails.
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
        heap=heap,
        stop_with_process=foreground,
        timeout=timeout,
    )
    was_up = _start(cluster, foreground=foreground)
    click.echo(as_json([name]) if json_ else "\n".join(_lines(cluster, was_up=was_up)))
    if foreground:
        _run_in_foreground(cluster)


def _start(cluster: LocalCluster, *, foreground: bool) -> bool:
    """Start dead nodes; return whether all nodes were already running."""
    down = f"coodie local down {cluster.name}"
    try:
        was_up = cluster.find() and all(node.alive for node in cluster.nodes)
        if not (was_up and foreground):
            cluster.start()
            return was_up
    except NodeInUseError as exc:
        found = str(exc).removesuffix(f" {exc.hint}")
        option = "--durable and --ephemeral" if exc.option == "profile" else f"--{exc.option}"
        hint = f"Omit {option}, use another NAME, or stop it first:"
        raise NodeInUseError(found, hint=hint, command=down, option=exc.option) from exc
    msg = f"{cluster.name} is already running, so it can't run in the foreground."
    raise NodeInUseError(msg, hint="To stop it, run:", command=down)


def _profile_of(name: str) -> Profile | None:
    """Return "durable" for a stopped node with durable data, so that `up` uses that data."""
    entry = entry_of(name)
    return "durable" if entry.condition in ("stopped", "crashed") and entry.has_durable_data else None


def _lines(cluster: LocalCluster, *, was_up: bool) -> list[str]:
    head = (
        f"{cluster.name} is up{' already' if was_up else ''}: Cassandra {cluster.version}, {cluster.profile}"
    )
    if len(cluster.nodes) > 1:
        head += f", {len(cluster.nodes)} nodes"
    return [f"{head}.", "", *_connection_lines(cluster)]


def _connection_lines(cluster: LocalCluster) -> list[str]:
    """Return lines that show how to connect to a running cluster."""
    options = cluster.connection_options()
    names = {
        "username": "user",
        "password": "password",
        "ssl_trusted_cert": "CA",
        "ssl_cert": "certificate",
        "ssl_private_key": "its key",
    }
    rows = [
        ("hosts" if len(cluster.hosts) > 1 else "host", ", ".join(cluster.hosts)),
        ("port", str(cluster.port)),
    ]
    rows += [(shown, options[name]) for name, shown in names.items() if name in options]
    rows += [
        ("Python", f'init_coodie(driver_type="local", node="{cluster.name}", keyspace="app")'),
        ("shell", f"coodie local cqlsh {cluster.name}"),
        ("stop", f"coodie local down {cluster.name}"),
    ]
    width = max(len(shown) for shown, _ in rows)
    return [f"  {shown:<{width}}  {value}" for shown, value in rows]


def _run_in_foreground(cluster: LocalCluster) -> None:
    """Run until a signal arrives or a node dies."""
    try:
        while True:
            for node in cluster.nodes:
                if not node.alive:
                    raise error_of_death(node)
            time.sleep(_POLL_INTERVAL)
    finally:
        cluster.stop()


@click.command()
@name_argument
@click.option("--all", "all_", is_flag=True, help="Stop all nodes and clusters.")
@click.pass_context
def down(ctx: click.Context, name: str, all_: bool) -> None:  # noqa: FBT001 - click's way of options
    """Stop a node or a cluster; durable data is kept, ephemeral data is deleted.

    Does nothing if it isn't running.
    """
    if all_ and ctx.get_parameter_source("name") is not click.core.ParameterSource.DEFAULT:
        raise click.UsageError("Give NAME or --all, not both.")
    found = entries() if all_ else [existing(name)]
    stopped = [entry for entry in found if _stop(entry)]
    if not stopped:
        click.echo("Nothing is up." if all_ else f"{name} isn't up.")


def _stop(entry: ClusterEntry) -> bool:
    """Stop a cluster; return whether it was running or had crashed."""
    running = entry.running
    if running is None or entry.condition == "stopped":
        return False
    running.stop()
    kept = (
        " Its durable data is kept." if entry.state is not None and entry.state.profile == "durable" else ""
    )
    click.echo(
        f"{entry.name} had crashed; its files were cleaned up.{kept}"
        if entry.condition == "crashed"
        else f"{entry.name} is down.{kept}"
    )
    return True
