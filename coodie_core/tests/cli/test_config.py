"""``coodie config``: show, check, init and schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from coodie.cli import main
from coodie.config.reference import example_file, json_schema
from coodie.options import Scope, options_for

if TYPE_CHECKING:
    from pathlib import Path

    from coodie.registry import DriverRegistry


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: DriverRegistry) -> Path:
    """Work in a directory of the test's own, with the backend ``memory``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COODIE_CONFIG", raising=False)
    return tmp_path


FILE = """
observers = []

[connections.main]
driver = "memory"
username = "ada"
password = "hunter2"
ssl_private_key = "{file:key}"

[connections.main.options]
colour = "blue"

[connections.main.profiles.reports]
timeout = 60

[connections.other]
url = "memory://bob:hunter2@db1"
"""


def test_show(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each value is printed with its place; a secret is hidden, but not where it is kept."""
    (here / "coodie.toml").write_text(FILE)
    monkeypatch.setenv("COODIE__MAIN__PORT", "9142")
    assert main(["config", "show", "--json"]) == 0
    rows = {row["key"]: (row["value"], row["where"]) for row in json.loads(capsys.readouterr().out)}
    assert rows == {
        "default": ('"main"', "the connection of get_driver()"),
        "observers": ("[]", "coodie.toml:2"),
        "connections.main.driver": ('"memory"', "coodie.toml:5"),
        "connections.main.username": ('"ada"', "coodie.toml:6"),
        "connections.main.password": ("***", "coodie.toml:7"),
        "connections.main.ssl_private_key": ('"{file:key}"', "coodie.toml:8"),
        "connections.main.options.colour": ('"blue"', "coodie.toml:11"),
        "connections.main.profiles.reports.timeout": ("60", "coodie.toml:14"),
        "connections.main.port": ('"9142"', "COODIE__MAIN__PORT"),
        "connections.other.driver": ('"memory"', "url, coodie.toml:17"),
        "connections.other.username": ('"bob"', "url, coodie.toml:17"),
        "connections.other.password": ("***", "url, coodie.toml:17"),
        "connections.other.hosts": ('["db1"]', "url, coodie.toml:17"),
    }
    assert main(["config", "show"]) == 0
    text = capsys.readouterr().out
    assert 'connections.main.port = "9142"' in text
    assert "hunter2" not in text
    assert main(["config", "show", "--all"]) == 0
    assert "connections.main.consistency = (the backend's default, LOCAL_ONE)" in capsys.readouterr().out


def test_show_default(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default's place is told, too: the file, or the variable that wins over it."""
    (here / "coodie.toml").write_text('default = "main"\n[connections.main]\n[connections.prod]\n')
    assert main(["config", "show"]) == 0
    assert 'default = "main"  # coodie.toml:1' in capsys.readouterr().out
    monkeypatch.setenv("COODIE__DEFAULT", "prod")
    monkeypatch.setenv("COODIE__OBSERVERS", "counters, requestlog")
    assert main(["config", "show", "--json"]) == 0
    rows = {row["key"]: (row["value"], row["where"]) for row in json.loads(capsys.readouterr().out)}
    assert rows["default"] == ('"prod"', "COODIE__DEFAULT")
    assert rows["observers"] == ('["counters", "requestlog"]', "COODIE__OBSERVERS")


def test_show_hides_what_a_missing_backend_cant_speak_of(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the backend can't say which of its options are secrets, all of them are hidden."""
    (here / "coodie.toml").write_text('[connections.a]\ndriver = "none"\noptions.token = "hunter2"\n')
    assert main(["config", "show"]) == 0
    assert "connections.a.options.token = ***" in capsys.readouterr().out


def test_check(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without mistakes the status is 0; with some it is 1, and each of them is a line."""
    path = here / "coodie.toml"
    path.write_text('[connections.main]\ndriver = "memory"\n')
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out == f"{path}: 1 connection, no problems.\n"
    path.write_text('[connections.main]\ndriver = "memory"\nport = 0\nprot = 1\n')
    assert main(["config", "check"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.partition(": ")[0] for line in captured.err.splitlines()] == [
        "coodie.toml:3",
        "coodie.toml:4",
    ]
    path.write_text('[connections.main]\ndriver = "memory"\noptions.color = "blue"\n')
    assert main(["config", "check", "--file", "coodie.toml", "--json"]) == 1
    (mistake,) = json.loads(capsys.readouterr().out)["mistakes"]
    assert "Did you mean 'colour'?" in mistake


def test_without_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is none, the last line says how to begin."""
    assert main(["config", "show"]) == 2
    assert capsys.readouterr().err.splitlines()[-2] == "coodie config init"


def test_init(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example is a configuration, and a file that is there is never overwritten."""
    assert main(["config", "init"]) == 0
    assert "coodie config check" in capsys.readouterr().out
    written = (here / "coodie.toml").read_text()
    assert main(["config", "show"]) == 0
    (here / "coodie.toml").write_text("# mine\n")
    assert main(["config", "init"]) == 2
    assert (here / "coodie.toml").read_text() == "# mine\n"
    assert written == example_file()
    assert main(["config", "init", "missing/coodie.toml"]) == 2
    assert "can't be written" in capsys.readouterr().err


def test_the_example_has_each_key(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the comment signs, every key is set to a value that can be read."""
    monkeypatch.setenv("DB_PASSWORD", "x")
    lines = example_file().splitlines()
    code = [line.removeprefix("# ") if line[2:3].islower() or line[2:3] == "[" else line for line in lines]
    (here / "coodie.toml").write_text("\n".join(code))
    assert main(["config", "show", "--json"]) == 0
    shown = {row["key"] for row in json.loads(capsys.readouterr().out)}
    for option in options_for(Scope.CONNECTION):
        assert option.key in ("", "url") or f"connections.main.{option.key}" in shown
    for option in options_for(Scope.REQUEST):
        assert not option.key or f"connections.main.profiles.reports.{option.key}" in shown


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema that is printed is the one in the package."""
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()
