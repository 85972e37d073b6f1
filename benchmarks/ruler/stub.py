"""The stub CQL server, compiled on this machine and run as a child process."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NoCompilerError", "build", "running"]

_SOURCES = Path(__file__).resolve().parent.parent / "stub"
_BUILT = _SOURCES / "build"
_OPTIONS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")


class NoCompilerError(Exception):
    """The stub can't be compiled; the message has the reason and the fix."""


def build() -> Path:
    """Compile the stub, unless it is up to date.

    Returns:
        The program.

    Raises:
        NoCompilerError: There is no C compiler, or this isn't Linux.
    """
    if sys.platform != "linux":
        raise NoCompilerError(f"The stub server requires Linux (epoll); this is {sys.platform}.")
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        raise NoCompilerError(
            f"The stub server requires a C compiler; {compiler!r} was not found. "
            "Install one (Debian: apt install gcc libc6-dev), set CC, or use --server real."
        )
    sources = sorted(_SOURCES.glob("*.[ch]"))
    digest = hashlib.sha256(repr((compiler, _OPTIONS)).encode())
    for source in sources:
        digest.update(source.read_bytes())
    program, stamp = _BUILT / "coodie-stub", _BUILT / "made-from"
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != digest.hexdigest():
        _BUILT.mkdir(exist_ok=True)
        made = program.with_suffix(f".{os.getpid()}")  # several processes may compile it concurrently
        command = [compiler, *_OPTIONS, "-o", str(made), *(str(one) for one in sources if one.suffix == ".c")]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise NoCompilerError(f"{compiler} can't compile benchmarks/stub:\n{done.stderr}")
        made.replace(program)
        stamp.write_text(digest.hexdigest(), encoding="ascii")
    return program


@contextmanager
def running(program: Path, *, protocol: int = 5, nodes: int = 1, work: int = 0) -> Iterator[int]:
    """Run the stub in a context manager.

    Args:
        program: The result of :func:`build`.
        protocol: The highest supported version of the native protocol, 4 or 5.
        nodes: The number of nodes, at 127.0.0.1, 127.0.0.2 and so on.
        work: The time for each request in microseconds; requests are served sequentially.

    Yields:
        The port.
    """
    command = [str(program), "--protocol", str(protocol), "--nodes", str(nodes), "--work", str(work)]
    # The stub exits when its standard input is closed, even if this process is killed.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("the process has no pipes")
        try:
            yield int(process.stdout.readline().split()[1])
        finally:
            process.stdin.close()
            process.wait()
