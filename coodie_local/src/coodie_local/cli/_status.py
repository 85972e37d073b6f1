"""``coodie local status``: nodes and clusters as a table or as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from coodie_local._installation import archive_is_built
from coodie_local._inventory import entries, entry_of
from coodie_local._node_log import last_lines, quote_lines
from coodie_local._security import certificates_of
from coodie_local.cli._group import complete_node, existing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from coodie_local._inventory import ClusterEntry, NodeEntry

__all__ = ["as_json", "status"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STYLES = {"running": "green", "starting": "yellow", "stopped": "dim"}

_NOT_RUNNING = 3
_MAX_WIDTH = 250
#: The number of lines of a dead node's log to show.
_LINES = 10
# \b: click keeps the line breaks
_STATES = """\b
running         all nodes respond to CQL
partly running  some nodes have died
silent          a process exists, but doesn't respond
starting        another process is starting it, or was killed while doing so
crashed         it died without being stopped
stopped         it isn't running

With NAME, the exit code is 0 if it is running, else 3.
"""


@click.command(epilog=_STATES)
@click.argument("name", required=False, shell_complete=complete_node)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
@click.pass_context
def status(ctx: click.Context, name: str | None, json_: bool) -> None:  # noqa: FBT001 - click's way of options
    """Show all nodes, or the node NAME: state, version, address, process, memory, uptime."""
    found = entries() if name is None else [existing(name)]
    if json_:
        click.echo(as_json([entry.name for entry in found]))
    elif not found:
        click.echo("There is no local node. To start one, run: coodie local up")
    else:
        from rich.console import Console

        # wider than any table: rich would truncate addresses; a terminal wraps lines
        Console(width=_MAX_WIDTH).print(_as_table(found))
        for entry in found:
            if entry.condition in ("crashed", "partly running"):
                for node in entry.dead:
                    died = " ".join(filter(None, (f"{entry.name}: a node died.", node.cause_of_death)))
                    lines = quote_lines(last_lines(node.log, _LINES))
                    click.echo(f"\n{died} {lines}The whole log: {node.log}")
        if archive_is_built():
            click.echo("\nA class archive for faster starts is being created in the background.")
    if name is not None and found[0].condition != "running":
        ctx.exit(_NOT_RUNNING)


def as_json(names: Iterable[str] | None = None) -> str:
    """Return nodes and clusters as JSON, without passwords; None: all."""
    found = entries() if names is None else [entry_of(name) for name in names]
    report = {"nodes": [_cluster_json(entry) for entry in found], "archive_is_built": archive_is_built()}
    return json.dumps(report, indent=1)


def _cluster_json(entry: ClusterEntry) -> dict[str, Any]:
    state = entry.state
    plain: dict[str, Any] = {
        "name": entry.name,
        "state": entry.condition,
        "directory": str(entry.directory),
        "durable_data": entry.has_durable_data,
    }
    if state is not None:
        plain |= {
            "version": state.version,
            "profile": state.profile,
            "port": state.ports.native,
            "tls": state.security.tls,
            "mtls": state.security.mtls,
            "auth": state.security.auth,
            "ca": str(certificates_of(entry.directory).ca) if state.security.tls else None,
        }
    return plain | {"members": [_node_json(node) for node in entry.nodes]}


def _node_json(node: NodeEntry) -> dict[str, Any]:
    return {
        "host": node.host,
        "pid": node.pid,
        "answers": node.answers,
        "rss_bytes": node.metrics.rss,
        "uptime_seconds": None if node.metrics.uptime is None else round(node.metrics.uptime, 1),
        "log": str(node.log),
        "cause_of_death": node.cause_of_death,
    }


def _as_table(found: Iterable[ClusterEntry]) -> Table:
    """Return a table with a row for each process."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
    for title in ("name", "state", "version", "profile", "address", "access", "pid", "memory", "uptime"):
        table.add_column(
            title, justify="right" if title in ("pid", "memory", "uptime") else "left", no_wrap=True
        )
    for entry in found:
        state = entry.state
        first = [
            Text(entry.name),
            Text(entry.condition, style=_STYLES.get(entry.condition, "red")),
            Text("" if state is None else state.version),
            Text("" if state is None else state.profile),
        ]
        lives = any(node.pid for node in entry.nodes)
        for node in entry.nodes if lives else ():
            port = "" if state is None else f":{state.ports.native}"
            table.add_row(*first, f"{node.host}{port}", _access(entry), *_metrics(node))
            first = [Text("")] * len(first)
        if not lives:
            table.add_row(*first)
    return table


def _access(entry: ClusterEntry) -> str:
    if entry.state is None:
        return ""
    security = entry.state.security
    ways = ["mutual TLS" if security.mtls else "TLS"] if security.tls else []
    return " + ".join([*ways, *(["password"] if security.auth else [])]) or "open"


def _metrics(node: NodeEntry) -> tuple[str, str, str]:
    if node.pid is None:
        return "", "dead", ""
    rss, uptime = node.metrics.rss, node.metrics.uptime
    return (
        str(node.pid),
        "" if rss is None else f"{rss / 1e6:.0f} MB",
        "" if uptime is None else _duration(uptime),
    )


def _duration(seconds: float) -> str:
    for size, unit, lower_size, lower in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} {seconds % size // lower_size:.0f} {lower}"
    return f"{seconds:.0f} s"
