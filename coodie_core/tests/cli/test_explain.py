"""``coodie explain``."""

from __future__ import annotations

import json

import pytest

from coodie.cli import main
from coodie.exceptions import __all__ as names


@pytest.mark.parametrize(
    "asked", ["ReadTimeoutError", "readtimeouterror", "coodie.exceptions.ReadTimeoutError:"]
)
def test_one(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A class is found as it is written in code, in a traceback and in haste; links are places to look at."""
    assert main(["explain", asked]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# ReadTimeoutError\n\n```text\nThe replicas didn't respond")
    assert "**Cause.**" in said
    assert "**Fix.**" in said


def test_links(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the site has a link, a terminal has the page's name."""
    main(["explain", "ConfigurationError"])
    assert "Options (docs/reference/options.md)" in capsys.readouterr().out


def test_all(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name all errors are listed, each with why it comes about."""
    assert main(["explain"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")}
    assert lines.keys() >= set(names) - {"CoodieError"}
    cause = "The server requires credentials, and the client sent none, or wrong ones"
    assert lines["AuthenticationError"].endswith(cause)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts get the parts of an explanation, of one error or of all."""
    assert main(["explain", "ReadTimeoutError", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert one.keys() == {"name", "group", "message", "cause", "fix"}
    assert all(one.values())
    assert main(["explain", "--json"]) == 0
    assert one in [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("asked", "hint"), [("ReadTimeout", "Did you mean ReadTimeoutError?"), ("xyz", "coodie explain")]
)
def test_no_such_error(asked: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that there isn't is answered with what may have been meant, or how to list all."""
    assert main(["explain", asked]) == 2
    assert hint in capsys.readouterr().err


def test_a_failed_command_leads_here(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line of a command that failed with an error of ours says how to read on."""
    assert main(["ping", "memory://db1"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "See: coodie explain DriverNotFoundError"
