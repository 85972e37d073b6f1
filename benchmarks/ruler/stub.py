"""The stub CQL server: built with the machine's C compiler, run as a child process."""

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
    """The stub can't be built here; the message says why, and what to do."""


def build() -> Path:
    """Compile the stub, unless it stands as it would be compiled.

    Returns:
        The program.

    Raises:
        NoCompilerError: There is no C compiler, or this isn't Linux.
    """
    if sys.platform != "linux":
        raise NoCompilerError(f"The stub server needs epoll, which is Linux's; this is {sys.platform}.")
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        raise NoCompilerError(
            f"The stub server is written in C, and there is no compiler named {compiler!r} here. "
            "Install one (Debian: apt install gcc libc6-dev), name one in CC, or use --server real."
        )
    sources = sorted(_SOURCES.glob("*.[ch]"))
    digest = hashlib.sha256(repr((compiler, _OPTIONS)).encode())
    for source in sources:
        digest.update(source.read_bytes())
    program, stamp = _BUILT / "coodie-stub", _BUILT / "made-from"
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != digest.hexdigest():
        _BUILT.mkdir(exist_ok=True)
        made = program.with_suffix(f".{os.getpid()}")  # several may build at once
        command = [compiler, *_OPTIONS, "-o", str(made), *(str(one) for one in sources if one.suffix == ".c")]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise NoCompilerError(f"{compiler} can't compile benchmarks/stub:\n{done.stderr}")
        made.replace(program)
        stamp.write_text(digest.hexdigest(), encoding="ascii")
    return program


@contextmanager
def running(program: Path, *, protocol: int = 5, nodes: int = 1, work: int = 0) -> Iterator[int]:
    """Run the stub while the block runs.

    Args:
        program: What :func:`build` returned.
        protocol: The newest version of the native protocol that it speaks, 4 or 5.
        nodes: For how many it speaks, at 127.0.0.1, 127.0.0.2 and so on.
        work: The time that each request takes, one after the other, in microseconds.

    Yields:
        Its port.
    """
    command = [str(program), "--protocol", str(protocol), "--nodes", str(nodes), "--work", str(work)]
    # It ends with its standard input: also where this process is killed.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("pipes were asked for")
        try:
            yield int(process.stdout.readline().split()[1])
        finally:
            process.stdin.close()
            process.wait()
