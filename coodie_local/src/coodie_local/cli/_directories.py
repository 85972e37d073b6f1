"""``coodie local path`` and ``coodie local clean``: node directories and the cache."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from coodie_local._ephemeral_storage import remove_storage
from coodie_local._flock import try_acquire
from coodie_local._installation import archive_is_built
from coodie_local._inventory import entries
from coodie_local._node_locks import lock_all_nodes, lock_start
from coodie_local._paths import cache_directory, cluster_directory, remove_tree
from coodie_local._security import certificates_of
from coodie_local._state import read_state
from coodie_local.cli._group import choice_option, existing, name_argument
from coodie_local.errors import LocalNodeError, NodeInUseError

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._inventory import ClusterEntry

__all__ = ["clean", "path"]


@click.command()
@name_argument
@choice_option("what", "log", help="The log file of the first node.")
@choice_option("what", "data", help="The data directory.")
@choice_option("what", "ca", help="The certificate of the cluster's authority.")
@choice_option("what", "cache", help="The shared cache of jars and class archives.")
@click.pass_context
def path(ctx: click.Context, name: str, what: str | None = None) -> None:
    """Print the path of a node's or cluster's directory, or of one of its files."""
    if what == "cache":
        if ctx.get_parameter_source("name") is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError("Give NAME or --cache, not both.")
        click.echo(cache_directory())
        return
    directory = cluster_directory(name)
    if what is None:
        click.echo(directory)
        return
    state = read_state(directory)
    if state is None:
        msg = f"{name} was never started, so it has no {what} yet."
        raise LocalNodeError(msg, hint="To start it, run:", command=f"coodie local up {name}")
    if what == "ca" and not state.security.tls:
        msg = f"{name} has no TLS, so it has no certificates."
        raise LocalNodeError(msg, hint="To use TLS, start it with --tls.")
    paths = {"log": state.log_of(directory, 0), "data": state.data, "ca": certificates_of(directory).ca}
    click.echo(paths[what])


@click.command()
@name_argument
@click.option("--all", "all_", is_flag=True, help="Remove all nodes.")
@click.option("--cache", is_flag=True, help="Remove the cache.")
@click.option("--yes", is_flag=True, help="Remove durable data without confirmation.")
@click.pass_context
def clean(ctx: click.Context, name: str, all_: bool, cache: bool, yes: bool) -> None:  # noqa: FBT001 - click's way of options
    """Remove all files of a stopped node or cluster: data, logs, certificates, the password.

    Durable data is removed after a confirmation. The cache contains shared files: jars, class archives and
    the environment of cqlsh. They are downloaded again when needed.
    """
    named = ctx.get_parameter_source("name") is not click.core.ParameterSource.DEFAULT
    if all_ and named:
        raise click.UsageError("Give NAME or --all, not both.")
    found = entries() if all_ else ([existing(name)] if named or not cache else [])
    for entry in found:
        if entry.condition not in ("stopped", "crashed"):
            msg = f"{entry.name} is {entry.condition}."
            raise NodeInUseError(msg, hint="Stop it first:", command=f"coodie local down {entry.name}")
    _confirm([entry for entry in found if entry.has_durable_data], yes=yes)
    for entry in found:
        _remove(entry)
    if cache:
        _remove_cache(cache_directory())
    if not found and not cache:
        click.echo("There is nothing to remove.")


def _confirm(durable: list[ClusterEntry], *, yes: bool) -> None:
    """Ask for confirmation before durable data is removed."""
    if not durable or yes:
        return
    sizes = ", ".join(f"{entry.name} ({_size(entry.directory / 'data') / 1e6:.1f} MB)" for entry in durable)
    if not sys.stdin.isatty():
        msg = f"There is durable data: {sizes}. Nothing was removed."
        raise LocalNodeError(msg, hint="To remove it without confirmation, add --yes.")
    if not click.confirm(f"Remove the durable data of {sizes}?", err=True):
        raise LocalNodeError("Nothing was removed.")


def _remove(entry: ClusterEntry) -> None:
    """Remove the directory of a cluster, unless another process is starting it."""
    directory = entry.directory
    lock = lock_start(directory)
    locks = None if lock is None else lock_all_nodes(directory)
    try:
        if locks is None:
            raise NodeInUseError(f"{entry.name} is starting.", hint="Stop it first, and try again.")
        with locks:
            remove_storage(directory)
            remove_tree(directory)
    finally:
        if lock is not None:
            lock.close()
    click.echo(f"{entry.name} is removed.")


def _remove_cache(cache: Path) -> None:
    """Remove the cache, unless another process is using it."""
    if not cache.is_dir():
        click.echo("There is no cache.")
        return
    if archive_is_built():
        msg = "A class archive is being created in the cache, in the background."
        raise NodeInUseError(msg, hint="Try again in a minute.")
    lock = try_acquire(cache / "download.lock")
    if lock is None:
        raise NodeInUseError(
            "Another process is downloading to the cache.", hint="Try again when it has finished."
        )
    with lock:
        size = _size(cache)
        remove_tree(cache)
    click.echo(f"The cache is removed ({size / 1e6:.1f} MB).")


def _size(directory: Path) -> int:
    """Return the total size of the files in a directory, in bytes."""
    return sum(
        os.lstat(os.path.join(where, file)).st_size  # noqa: PTH118 - os.walk gives str
        for where, _, files in os.walk(directory)
        for file in files
    )
