"""``coodie local logs``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from coodie_local.cli._group import existing, name_argument
from coodie_local.errors import LocalNodeError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["logs"]

_POLL_INTERVAL = 0.2


@click.command()
@name_argument
@click.option("-f", "--follow", is_flag=True, help="Also print new lines, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    metavar="N",
    help="The number of last lines.  [default: all]",
)
@click.option(
    "--node", type=click.IntRange(min=1), metavar="N", help="The node of a cluster.  [default: all]"
)
def logs(name: str, follow: bool, lines: int | None, node: int | None) -> None:  # noqa: FBT001 - click's way of options
    """Print the log of Cassandra and its JVM since the last start."""
    entry = existing(name)
    nodes = entry.nodes
    if node is not None:
        if node > len(nodes):
            raise click.BadParameter(f"{name} has {len(nodes)} nodes.", param_hint="--node")
        nodes = nodes[node - 1 : node]
    if not nodes:
        raise LocalNodeError(
            f"{name} was never started, so it has no log.",
            hint="To start it, run:",
            command=f"coodie local up {name}",
        )
    shown = [
        _Log(each.log, f"node{number} | " if len(nodes) > 1 else "") for number, each in enumerate(nodes, 1)
    ]
    try:
        for log in shown:
            log.print_end(lines)
        while follow:
            for log in shown:
                log.print_new()
            time.sleep(_POLL_INTERVAL)
    finally:
        for log in shown:
            log.close()


class _Log:
    """A growing log file, which is replaced when its node restarts."""

    def __init__(self, file: Path, prefix: str) -> None:
        self._file = file
        self._prefix = prefix
        self._open: BinaryIO | None = None
        self._rest = b""

    def print_end(self, count: int | None) -> None:
        """Print the last lines, or all lines."""
        lines = self._read_lines()
        for line in lines if count is None else lines[len(lines) - min(count, len(lines)) :]:
            self._print(line)

    def print_new(self) -> None:
        """Print the lines since the last call."""
        for line in self._read_lines():
            self._print(line)

    def close(self) -> None:
        """Close the file."""
        if self._open is not None:
            self._open.close()

    def _read_lines(self) -> list[bytes]:
        if self._open is None:
            try:
                self._open = self._file.open("rb")
            except FileNotFoundError:
                return []
        *lines, self._rest = (self._rest + self._open.read()).split(b"\n")
        if self._was_replaced():
            lines += [self._rest] if self._rest else []
            self._open.close()
            self._open, self._rest = None, b""
            lines += self._read_lines()
        return lines

    def _was_replaced(self) -> bool:
        import os

        assert self._open is not None  # noqa: S101 - the caller has opened it
        try:
            return not os.path.samestat(os.fstat(self._open.fileno()), self._file.stat())
        except FileNotFoundError:
            return False

    def _print(self, line: bytes) -> None:
        click.echo(f"{self._prefix}{line.decode('utf-8', 'replace')}")
