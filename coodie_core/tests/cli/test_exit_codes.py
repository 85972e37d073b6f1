"""Exit codes and flags in errors, for commands that fail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coodie import exceptions
from coodie.cli import main
from coodie.cli._commands import coodie
from coodie.cli._exit_codes import ExitCode, exit_code
from coodie.cli._flags import flags_of, with_flags

if TYPE_CHECKING:
    from coodie.exceptions import CoodieError

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "command-line.md"


def test_the_table_of_the_docs() -> None:
    """The page has each exit code, in order, and no other."""
    section = PAGE.read_text(encoding="utf-8").partition("### Exit codes")[2].partition("###")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == list(ExitCode)


def caused(error: CoodieError, cause: Exception) -> CoodieError:
    """Return the error with its cause."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (exceptions.InvalidQueryError("x"), 4),
        (exceptions.QuerySyntaxError("x"), 4),
        (exceptions.UnauthorizedError("x"), 4),
        (exceptions.AuthenticationError("x"), 4),
        (exceptions.SchemaError("x"), 4),
        (exceptions.SchemaPermissionError("x"), 4),
        (caused(exceptions.SchemaError("x"), exceptions.InvalidQueryError("x")), 4),
        (caused(exceptions.SchemaError("x"), exceptions.ServerError("x")), 1),
        (exceptions.SchemaConnectionError("x"), 1),
        (exceptions.SchemaTimeoutError("x"), 1),
        (exceptions.ConnectionFailedError("x"), 5),
        (exceptions.ConnectionLostError("x"), 1),
        (exceptions.RequestTimeoutError("x"), 1),
        (exceptions.UnavailableError("x"), 1),
        (exceptions.OverloadedError("x"), 1),
        (exceptions.ParameterError("x"), 2),
        (exceptions.ConfigurationError("x"), 2),
        (exceptions.ConfigFileError("x"), 2),
        (exceptions.DriverNotFoundError("x"), 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exit_code(error: CoodieError, code: int) -> None:
    """5 is only for what was never sent, 4 for what would be refused again."""
    assert exit_code(error) == code


@pytest.mark.parametrize("flags", [[], ["--python"]])
def test_a_dot_without_a_table(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A name such as "shop." isn't that of a keyspace; nothing is connected for it."""
    assert main(["schema", "show", "shop.", "-c", "scylla://127.0.0.1:1", *flags]) == ExitCode.USAGE
    assert "'shop.' has no table" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["ping"], ["query", "SELECT 1"], ["schema", "show", "ks"]],
    ids=" ".join,
)
@pytest.mark.parametrize("target", ["nope", "nope://db1", "scylla://db1?prot=1"])
def test_unknown_connection(
    command: list[str],
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A connection that the configuration doesn't have, and an invalid URL, are invalid arguments."""
    (tmp_path / "coodie.toml").write_text('[connections.shop]\ndriver = "scylla"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main([*command, "-c", target]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Increase timeout=, or wait.", "Increase --timeout, or wait."),
        ("a smaller fetch_size= may help", "a smaller --page-size may help"),
        ("drop_removed_indexes=True drops it", "--drop-removed-indexes drops it"),
        ("profile='x' was given", "--profile 'x' was given"),
        ("Check hosts=, port= and the TLS options.", "Check hosts, port and the TLS options."),
        ("increase both connect_timeout= and x.", "increase both connect_timeout and x."),
        ("Set init_coodie(keyspace=…), or", "Set the connection's keyspace, or"),
        ("driver_type='x' has no option 'y'.", "driver 'x' has no option 'y'."),
        ("WHERE timeout = 1 AND a=b", "WHERE timeout = 1 AND a=b"),
        ("RequestProfile(timeout=60)", "RequestProfile(timeout=60)"),
        ("first; or use options=SyncOptions(create_keyspace=f(1)).", "first."),
    ],
)
def test_flags_in_errors(text: str, expected: str) -> None:
    """What a command shows names its flags, and the options of the configuration."""
    flags = flags_of(coodie, ["query"]) | flags_of(coodie, ["schema", "sync", "module:TABLES"])
    assert with_flags(text, flags) == expected
