"""``coodie local cqlsh``, and cqlsh's virtual environment in the cache."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from io import StringIO
from typing import TYPE_CHECKING

import click

from coodie_local._cancellation import Cancellation
from coodie_local._flock import acquire
from coodie_local._paths import cache_directory, make_private, remove_tree, write_private
from coodie_local._progress import default_progress
from coodie_local.cli._group import existing, name_argument
from coodie_local.errors import DownloadError, LocalNodeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from coodie_local.cluster import LocalCluster

__all__ = ["cqlsh"]

#: The distribution; it depends on cassandra-driver.
_REQUIREMENT = "cqlsh>=6.2.2,<7"

#: Environment variables that would affect cqlsh's Python.
_PYTHON_VARIABLES = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_USER",
)
_LINES = 15
_PASSTHROUGH = "coodie_local.cqlsh"


class _PassthroughCommand(click.Command):
    """A command that passes the arguments after `--` to another program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments before `--`."""
        end = args.index("--") if "--" in args else len(args)
        ctx.meta[_PASSTHROUGH] = args[end + 1 :]
        return super().parse_args(ctx, args[:end])


@click.command(cls=_PassthroughCommand, epilog="Help of cqlsh: coodie local cqlsh -- --help")
@name_argument
@click.pass_context
def cqlsh(ctx: click.Context, name: str) -> None:
    """Open cqlsh on a running node, with TLS and the password. Arguments after `--` are passed to cqlsh.

    cqlsh is installed on first use, in a separate virtual environment: it depends on cassandra-driver,
    which may conflict with your packages.
    """
    from coodie_local.cluster import LocalCluster

    existing(name)
    cluster = LocalCluster(name)
    if not cluster.find():
        raise LocalNodeError(f"{name} isn't up.", hint="To start it, run:", command=f"coodie local up {name}")
    command = [*_cqlsh_command(), f"--cqlshrc={_settings(cluster)}", *ctx.meta[_PASSTHROUGH]]
    process = subprocess.Popen(command)
    while True:
        try:
            ctx.exit(process.wait())
        except KeyboardInterrupt:
            # on a terminal, cqlsh receives Ctrl-C, too, and handles it
            if not sys.stdin.isatty():
                process.terminate()
                process.wait()
                raise


def _settings(cluster: LocalCluster) -> Path:
    """Write cqlsh's settings for a cluster; only this user can read the file."""
    first = next((node.host for node in cluster.nodes if node.alive), cluster.hosts[0])
    settings = configparser.RawConfigParser()
    settings["connection"] = {"hostname": first, "port": str(cluster.port), "ssl": str(cluster.security.tls)}
    directory = cluster.directory
    if (login := cluster.credentials) is not None:
        secret = configparser.RawConfigParser()
        secret["plain_text_auth"] = {"username": login.username, "password": login.password}
        _write(directory / "cqlsh.credentials", secret)
        settings["authentication"] = {"credentials": _escape(directory / "cqlsh.credentials")}
    if (files := cluster.certificates) is not None:
        tls = {"certfile": _escape(files.ca), "validate": "true"}
        if cluster.security.mtls:
            tls |= {"usercert": _escape(files.client), "userkey": _escape(files.client_key)}
        settings["ssl"] = tls
    return _write(directory / "cqlshrc", settings)


def _escape(path: Path) -> str:
    """Escape the percent signs of a path."""
    return str(path).replace("%", "%%")


def _write(file: Path, settings: configparser.RawConfigParser) -> Path:
    text = StringIO()
    settings.write(text)
    write_private(file, text.getvalue().encode())
    return file


def _cqlsh_command() -> list[str]:
    """Return the command that runs cqlsh, after installing it if necessary.

    Raises:
        DownloadError: pip can't install it.
        LocalNodeError: This Python can't create virtual environments.
    """
    version = ".".join(map(str, sys.version_info[:2]))
    cache = make_private(cache_directory())
    environment = cache / f"cqlsh-python{version}"
    python = environment / "bin" / "python"
    done = environment / "complete"
    with acquire(cache / "cqlsh.lock", Cancellation()):
        # its interpreter may have been removed
        if not (done.is_file() and python.exists()):
            _create_environment(environment, python)
            done.touch()
    return [str(python), "-I", "-m", "cqlshlib"]


def _create_environment(environment: Path, python: Path) -> None:
    progress = default_progress()
    progress.begin("Installing cqlsh in a separate environment", None)
    try:
        remove_tree(environment)
        _install(environment, python)
    except BaseException:
        remove_tree(environment)
        raise
    finally:
        progress.end()


def _install(environment: Path, python: Path) -> None:
    created = _run([sys.executable, "-m", "venv", str(environment)])
    if created.returncode:
        msg = f"This Python can't create a virtual environment for cqlsh:\n{_last_lines(created)}\n"
        raise LocalNodeError(msg, hint="On Debian and Ubuntu, install the package python3-venv.")
    pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--only-binary=:all:"]
    installed = _run([str(python), *pip, _REQUIREMENT])
    if installed.returncode:
        hint = "Check the network and try again. For a mirror, configure pip (PIP_INDEX_URL, pip.conf)."
        raise DownloadError(f"pip couldn't install cqlsh:\n{_last_lines(installed)}\n", hint=hint)


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in _PYTHON_VARIABLES}
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def _last_lines(done: subprocess.CompletedProcess[str]) -> str:
    return "\n".join(f"    {line}" for line in done.stdout.splitlines()[-_LINES:])
