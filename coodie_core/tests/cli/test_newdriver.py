"""`coodie new-driver`: what it says, and with which status it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from coodie.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_says_what_to_do_next(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The package is in the working directory; what is printed leads on from there."""
    assert main(["new-driver", "my-db"]) == 0
    said = capsys.readouterr().out
    assert (here / "coodie-my-db" / "pyproject.toml").is_file()
    for line in ("cd coodie-my-db", 'pip install -e ".[test]"', "pytest", "src/coodie_my_db/client.py"):
        assert line in said


def test_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, programs learn the same; the files are there."""
    assert main(["new-driver", "my-db", "--json", "--directory", "a dir"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["distribution"] == "coodie-my-db"
    assert said["next"][0] == "cd 'a dir'"
    assert {here / path for path in said["files"]} == {
        path for path in (here / "a dir").rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["MyDb"], 2, "coodie new-driver my-db"),
        (["scylla"], 2, "belongs to coodie-scylla"),
        (["local-pytest"], 0, ""),
        (["shop", "--directory", "no/parent"], 2, "whose parent exists"),
        ([], 2, "NAME"),
    ],
)
def test_status(
    arguments: list[str], status: int, said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can't be done is an error with a hint, and leaves nothing."""
    assert main(["new-driver", *arguments]) == status
    assert said in " ".join(capsys.readouterr().err.split())
    assert bool(list(here.iterdir())) == (status == 0)


def test_a_module_of_that_name(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A package that would hide another is refused."""
    (here / "modules").mkdir()
    (here / "modules" / "coodie_hidden.py").touch()
    monkeypatch.syspath_prepend(here / "modules")
    assert main(["new-driver", "hidden"]) == 2
    assert "a module coodie_hidden" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """It is among the commands, and explains itself."""
    assert main(["--help"]) == 0
    assert "new-driver" in capsys.readouterr().out
    assert main(["new-driver", "--help"]) == 0
    assert "--directory" in capsys.readouterr().out
