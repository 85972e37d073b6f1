"""Shell completion: names of connections, errors and backends, by click's own protocol."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from coodie.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIGURATION = """
default = "shop"
[connections.shop]
driver = "scylla"
hosts = ["a"]
[connections.shop.profiles.reports]
timeout = 60
[connections.archive]
driver = "scylla"
hosts = ["b"]
"""


@pytest.fixture
def complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[str]]:
    """Return what is offered for the last word."""
    (tmp_path / "coodie.toml").write_text(CONFIGURATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COODIE_CONFIG", raising=False)

    def complete(*words: str) -> list[str]:
        monkeypatch.setenv("_COODIE_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(("coodie", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        with pytest.raises(SystemExit) as ended:
            main([])
        assert ended.value.code in (0, None)
        captured = capsys.readouterr()
        assert captured.err == ""
        return [line.partition(",")[2] for line in captured.out.split()]

    return complete


def test_names_are_offered(complete: Callable[..., list[str]]) -> None:
    """The configuration's connections and the names of errors, in any case."""
    assert complete("ping", "") == ["shop", "archive"]
    assert complete("ping", "-c", "a") == ["archive"]
    assert complete("schema", "diff", "--connection", "s") == ["shop"]
    assert complete("explain", "requestt") == ["RequestTimeoutError"]
    assert "local" in complete("doctor", "--driver", "")


def test_a_broken_configuration_offers_nothing(complete: Callable[..., list[str]], tmp_path: Path) -> None:
    """No error is printed into the command line that is being typed."""
    (tmp_path / "coodie.toml").write_text("x = [")
    assert complete("ping", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shells_scripts(shell: str, tmp_path: Path) -> None:
    """Each documented shell gets a script."""
    environ: dict[str, Any] = {"_COODIE_COMPLETE": f"{shell}_source", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-m", "coodie"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "_coodie_completion" in done.stdout
