"""What is told of nodes: how to connect, how they are, how their logs end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from coodie_local._inventory import archive_is_built, entries, entry_of
from coodie_local._protection import certificates_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table

    from coodie_local._inventory import ClusterEntry, MemberEntry
    from coodie_local.cluster import LocalCluster

__all__ = ["as_json", "as_table", "connection_lines", "last_words"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STYLES = {"running": "green", "starting": "yellow", "stopped": "dim"}


def connection_lines(cluster: LocalCluster) -> list[str]:
    """Say how to connect to a cluster that runs.

    Args:
        cluster: The cluster, found or started.

    Returns:
        Lines for a terminal.
    """
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


def last_words(lines: Sequence[str]) -> str:
    """Write the end of a log as the end of a message."""
    return "\n    ".join(["The log's last lines:", *(lines or ("(nothing)",)), ""]).rstrip(" ")


def as_json(names: Iterable[str] | None = None) -> str:
    """Write how nodes are, as JSON; passwords aren't in it.

    Args:
        names: Which; all where None.
    """
    found = entries() if names is None else [entry_of(name) for name in names]
    report = {"nodes": [_plain(entry) for entry in found], "archive_is_built": archive_is_built()}
    return json.dumps(report, indent=1)


def _plain(entry: ClusterEntry) -> dict[str, Any]:
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
    return plain | {"members": [_plain_member(member) for member in entry.members]}


def _plain_member(member: MemberEntry) -> dict[str, Any]:
    return {
        "host": member.host,
        "pid": member.pid,
        "answers": member.answers,
        "rss_bytes": member.figures.rss,
        "uptime_seconds": None if member.figures.uptime is None else round(member.figures.uptime, 1),
        "log": str(member.log),
    }


def as_table(found: Iterable[ClusterEntry]) -> Table:
    """Lay nodes out as a table, a line for each process."""
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
        lives = any(member.pid for member in entry.members)
        for member in entry.members if lives else ():
            port = "" if state is None else f":{state.ports.native}"
            table.add_row(*first, f"{member.host}{port}", _access(entry), *_figures(member))
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


def _figures(member: MemberEntry) -> tuple[str, str, str]:
    if member.pid is None:
        return "", "dead", ""
    rss, uptime = member.figures.rss, member.figures.uptime
    return (
        str(member.pid),
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
