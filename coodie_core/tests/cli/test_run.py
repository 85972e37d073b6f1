"""The command line as a whole: exit statuses, help, and commands of other distributions."""

from __future__ import annotations

import errno
import subprocess
import sys
from typing import Any

import click
import pytest

from coodie import __version__
from coodie.cli import _commands, main
from coodie.exceptions import ConfigurationError


class Point:
    """An entry point as importlib-metadata gives it."""

    class dist:  # noqa: N801 - an attribute's name
        """Its distribution."""

        name = "third-party"

    value = "third_party:command"

    def __init__(self, name: str, loaded: Any) -> None:
        self.name = name
        self._loaded = loaded

    def load(self) -> Any:
        """Give what it names, or raise that."""
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


@pytest.fixture
def announce(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Announce commands in the place of what is installed."""

    def replace(**commands: Any) -> None:
        points = [Point(name, loaded) for name, loaded in commands.items()]
        monkeypatch.setattr(_commands, "_announced", lambda: points)

    return replace


def raising(error: BaseException) -> click.Command:
    """Make a command that raises."""

    def callback() -> None:
        raise error

    return click.Command("raising", callback=callback, short_help="raises")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version names the package's."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"coodie {__version__}\n"


def test_python_m_coodie() -> None:
    """`python -m coodie` is the script."""
    done = subprocess.run(
        [sys.executable, "-m", "coodie", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"coodie {__version__}\n"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ConfigurationError("No.", hint="Say yes."), 2, "Error: No. Say yes."),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (click.UsageError("wrong"), 2, "wrong"),
        (BrokenPipeError(errno.EPIPE, "a pipe"), 141, ""),
    ],
)
def test_exit_status(
    error: BaseException,
    status: int,
    said: str,
    announce: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How a command ended is the exit status, and the reason is on standard error."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # click wraps it where a pipe is closed
    announce(x=raising(error))
    assert main(["x"]) == status
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def test_a_broken_command_breaks_no_other(announce: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """--help lists all, with the reason; calling the broken one names its distribution and the fix."""
    announce(broken=ImportError("no such thing"), number=1, good=raising(ConfigurationError("reached")))
    assert main(["--help"]) == 0
    listing = capsys.readouterr().out
    assert "can't be loaded: ImportError: no such thing" in " ".join(listing.split())
    assert "raises" in listing
    assert main(["good"]) == 2
    assert "reached" in capsys.readouterr().err
    assert main(["broken", "--any", "thing"]) == 1
    assert "pip install --force-reinstall third-party" in capsys.readouterr().err
    assert main(["number"]) == 1
    assert "not a click command" in capsys.readouterr().err


def test_did_you_mean(announce: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip in a command's name is answered with the name."""
    announce(local=raising(ConfigurationError("")))
    assert main(["locale"]) == 2
    assert "Did you mean 'local'?" in capsys.readouterr().err
    assert main(["zzz"]) == 2
    assert "coodie --help" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_its_extra(missing: str) -> None:
    """Without click or rich, the last line says what to run."""
    code = f"import sys; sys.modules[{missing!r}] = None; from coodie.cli import main; sys.exit(main([]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == 'pip install "click>=8.1" "rich>=13"'
