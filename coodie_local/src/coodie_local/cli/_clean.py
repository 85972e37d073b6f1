"""``coodie local clean``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from coodie_local._flock import try_acquire
from coodie_local._inventory import archive_is_built, entries
from coodie_local._members import hold_all
from coodie_local._places import START_LOCK_NAME, cache_directory, remove_tree
from coodie_local._scratch import clear_scratch
from coodie_local.cli._parameters import existing, name_argument
from coodie_local.errors import LocalNodeError, NodeInUseError

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._inventory import ClusterEntry

__all__ = ["clean"]


@click.command()
@name_argument
@click.option("--all", "all_", is_flag=True, help="Remove all nodes.")
@click.option("--cache", is_flag=True, help="Remove the cache, and no node but those that are named.")
@click.option("--yes", is_flag=True, help="Remove durable data without asking.")
@click.pass_context
def clean(ctx: click.Context, name: str, all_: bool, cache: bool, yes: bool) -> None:  # noqa: FBT001 - click's way of options
    """Remove all that a stopped node or cluster has left: data, logs, certificates, its password.

    Durable data is removed when that was confirmed. The cache has what all nodes share: jars, class
    archives and the environment of cqlsh; what is needed of it is downloaded again.
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
    """Ask before durable data is removed."""
    if not durable or yes:
        return
    sizes = ", ".join(f"{entry.name} ({_size(entry.directory / 'data') / 1e6:.1f} MB)" for entry in durable)
    if not sys.stdin.isatty():
        msg = f"There is durable data: {sizes}. Nothing was removed."
        raise LocalNodeError(msg, hint="To remove it without being asked, add --yes.")
    if not click.confirm(f"Remove the durable data of {sizes}?", err=True):
        raise LocalNodeError("Nothing was removed.")


def _remove(entry: ClusterEntry) -> None:
    """Remove the directory of one, unless somebody is about to start it."""
    directory = entry.directory
    lock = try_acquire(directory / START_LOCK_NAME)
    locks = None if lock is None else hold_all(directory)
    try:
        if locks is None:
            raise NodeInUseError(f"{entry.name} is being started.", hint="Try it again when it was stopped.")
        with locks:
            clear_scratch(directory)
            remove_tree(directory)
    finally:
        if lock is not None:
            lock.close()
    click.echo(f"{entry.name} is removed.")


def _remove_cache(cache: Path) -> None:
    """Remove the cache, unless somebody is at work in it."""
    if not cache.is_dir():
        click.echo("There is no cache.")
        return
    if archive_is_built():
        msg = "A class archive is being made in the cache, in the background."
        raise NodeInUseError(msg, hint="It takes a minute at most; try it again then.")
    lock = try_acquire(cache / "download.lock")
    if lock is None:
        raise NodeInUseError("Another process downloads to the cache.", hint="Try it again when it is done.")
    with lock:
        size = _size(cache)
        remove_tree(cache)
    click.echo(f"The cache is removed ({size / 1e6:.1f} MB).")


def _size(directory: Path) -> int:
    """Add up the files below a directory, in bytes."""
    return sum(
        os.lstat(os.path.join(where, file)).st_size  # noqa: PTH118 - os.walk gives str
        for where, _, files in os.walk(directory)
        for file in files
    )
