"""Run a command line and return its exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from coodie.cli._commands import coodie
from coodie.cli._exit_codes import ExitCode, exit_code
from coodie.cli._flags import flags_of, with_flags
from coodie.exceptions import CoodieError
from coodie_doctor.words import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["run"]


def run(arguments: Sequence[str] | None) -> int:
    """Run a command and return its exit code."""
    if sys.stdout is None:  # closed by the caller, as with >&-
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends
    stdout = sys.stdout
    try:
        with _interruptible():
            # With standalone_mode, click would exit itself, with another code after Ctrl-C.
            status = coodie.main(arguments, prog_name="coodie", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return ExitCode.INTERRUPTED
    except CoodieError as exc:
        flags = flags_of(coodie, sys.argv[1:] if arguments is None else arguments)
        _report(with_flags(plain_text(exc), flags))
        click.secho(f"See: {exc.explanation}", err=True, dim=True)
        return exit_code(exc)
    except UnicodeEncodeError as exc:
        _report(
            f"Standard output is {exc.encoding}, without some of the characters. Set PYTHONIOENCODING=utf-8."
        )
        status = ExitCode.FAILURE
    except SystemExit:
        # If the output pipe is closed, click replaces stdout and exits with 1, whatever the mode.
        if sys.stdout is not stdout:
            return ExitCode.PIPE_CLOSED
        raise
    except OSError as exc:
        # Nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _report(plain_text(exc))
        status = ExitCode.FAILURE
    return status if isinstance(status, int) else 0


def _report(text: str) -> None:
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {text}", err=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt within the block, unless the signal is ignored."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
