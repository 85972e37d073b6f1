"""``coodie ping``: check a connection, and show the round-trip time and the server."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from coodie.cli._completion import complete_connection
from coodie.cli._targets import connected, connection_option, option_of

if TYPE_CHECKING:
    from coodie.contract.driver import AbstractDriver

__all__ = ["ping"]

_SERVER = "SELECT release_version, cluster_name, data_center FROM system.local WHERE key = 'local'"


@click.command()
@click.argument("target", required=False, metavar="[NAME|URL]", shell_complete=complete_connection)
@connection_option
@option_of("timeout")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ping(*, target: str | None, connection: str | None, timeout: float | None, as_json: bool) -> None:
    """Connect, and print the round-trip time, the server's version and its hosts.

    NAME|URL is the same as --connection.

    Exit code: 0 if the server responds; 2 for invalid arguments or configuration; 4 if the server rejected
    the credentials; 5 if no server could be reached; 1 for other failures.
    """
    if target is not None and connection is not None:
        raise click.UsageError("Give NAME|URL or --connection, not both.")
    connection = target if connection is None else connection
    started = time.perf_counter()
    with connected(connection) as driver:
        opened = time.perf_counter()
        driver.execute(_SERVER, [], timeout=timeout)  # also prepares it
        prepared = time.perf_counter()
        (row,) = driver.execute(_SERVER, [], timeout=timeout)
        answered = time.perf_counter()
        report = {
            "connected_in_ms": round((opened - started) * 1000, 3),
            "round_trip_ms": round((answered - prepared) * 1000, 3),
            "server_version": row["release_version"],
            "cluster": row["cluster_name"],
            "data_center": row["data_center"],
            **_seen(driver),
        }
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    protocol = report["protocol_version"]
    click.echo(
        f"round trip  {report['round_trip_ms']:.1f} ms (connected in {report['connected_in_ms']:.0f} ms)"
    )
    click.echo(f"server      {report['server_version']}, cluster {report['cluster']!r}")
    click.echo(f"protocol    {'unknown to this backend' if protocol is None else protocol}")
    if report["hosts"] is None:
        click.echo("hosts       unknown to this backend")
        return
    for host in report["hosts"]:
        click.echo(f"host        {host['address']}  {host['state']}  {host['data_center']}")


def _seen(driver: AbstractDriver) -> dict[str, Any]:
    """Return the protocol version and the hosts, if the backend provides them."""
    session = getattr(getattr(driver, "driver", driver), "session", None)
    cluster: Any = getattr(session, "cluster", None)
    metadata: Any = getattr(cluster, "metadata", None)
    if not hasattr(metadata, "all_hosts"):
        return {"protocol_version": None, "hosts": None}
    from coodie.drivers.cassandra._hosts import place

    hosts = [
        {
            "address": place(host.endpoint),
            "state": {True: "up", False: "down"}.get(host.is_up, "unknown"),
            "data_center": host.datacenter,
        }
        for host in metadata.all_hosts()
    ]
    return {
        "protocol_version": cluster.protocol_version,
        "hosts": sorted(hosts, key=lambda host: str(host["address"])),
    }
