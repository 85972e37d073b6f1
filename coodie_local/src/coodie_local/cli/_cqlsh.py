"""``coodie local cqlsh``."""

from __future__ import annotations

import configparser
import subprocess
import sys
from typing import TYPE_CHECKING

import click

from coodie_local._places import write_private
from coodie_local.cli._cqlsh_environment import cqlsh_command
from coodie_local.cli._parameters import existing, name_argument
from coodie_local.errors import LocalNodeError

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local.cluster import LocalCluster

__all__ = ["cqlsh"]


_PASSED_ON = "coodie_local.cqlsh"


class _PassingOn(click.Command):
    """A command that keeps what follows `--` for another program, whether a NAME stands before it or not."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what stands before."""
        end = args.index("--") if "--" in args else len(args)
        ctx.meta[_PASSED_ON] = args[end + 1 :]
        return super().parse_args(ctx, args[:end])


@click.command(cls=_PassingOn, epilog="Usage of cqlsh itself: coodie local cqlsh -- --help")
@name_argument
@click.pass_context
def cqlsh(ctx: click.Context, name: str) -> None:
    """Open cqlsh on a node that is up; TLS and the password are seen to. What follows `--` goes to cqlsh.

    cqlsh is installed on first use, in an environment of its own: it needs cassandra-driver, which must
    not get among your packages.
    """
    from coodie_local.cluster import LocalCluster

    existing(name)
    cluster = LocalCluster(name)
    if not cluster.find():
        raise LocalNodeError(f"{name} isn't up.", hint="To start it, run:", command=f"coodie local up {name}")
    command = [*cqlsh_command(), f"--cqlshrc={_settings(cluster)}", *ctx.meta[_PASSED_ON]]
    process = subprocess.Popen(command)
    while True:
        try:
            ctx.exit(process.wait())
        except KeyboardInterrupt:
            # on a terminal it has had the Ctrl-C, too, and what that means is its own to say
            if not sys.stdin.isatty():
                process.terminate()
                process.wait()
                raise


def _settings(cluster: LocalCluster) -> Path:
    """Write the settings by which cqlsh gets in; only this user can read them."""
    first = next((node.host for node in cluster.nodes if node.alive), cluster.hosts[0])
    settings = configparser.RawConfigParser()
    settings["connection"] = {"hostname": first, "port": str(cluster.port), "ssl": str(cluster.security.tls)}
    directory = cluster.directory
    if (login := cluster.credentials) is not None:
        secret = configparser.RawConfigParser()
        secret["plain_text_auth"] = {"username": login.username, "password": login.password}
        _write(directory / "cqlsh.credentials", secret)
        settings["authentication"] = {"credentials": _escaped(directory / "cqlsh.credentials")}
    if (files := cluster.certificates) is not None:
        tls = {"certfile": _escaped(files.ca), "validate": "true"}
        if cluster.security.mtls:
            tls |= {"usercert": _escaped(files.client), "userkey": _escaped(files.client_key)}
        settings["ssl"] = tls
    return _write(directory / "cqlshrc", settings)


def _escaped(path: Path) -> str:
    """Write a path for a reader that expands percent signs."""
    return str(path).replace("%", "%%")


def _write(file: Path, settings: configparser.RawConfigParser) -> Path:
    from io import StringIO

    text = StringIO()
    settings.write(text)
    write_private(file, text.getvalue().encode())
    return file
