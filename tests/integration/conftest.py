"""A node behind a proxy, the command line, and names of tables."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import PATIENT
from tests.integration.schema_rows import new_name

from coodie.cli import main
from coodie.registry import DriverRegistry, using_registry
from coodie_testing.faults import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Connector


@pytest.fixture
def proxy(cassandra_node: Any, connect: Connector) -> Iterator[FaultProxy]:
    """Put a proxy in front of the node; what is connected through it ends before it does."""
    with FaultProxy(cassandra_node.host, cassandra_node.port) as running:
        yield running
        connect.close()


@pytest.fixture
def configured(cassandra_node: Any, backend: str, keyspace: str, tmp_path: Path) -> Path:
    """Return a directory with a configuration."""
    options = "&".join(f"{option}={value}" for option, value in (PATIENT | {"request_timeout": 60}).items())
    (tmp_path / "coodie.toml").write_text(
        "[connections.main]\n"
        f'url = "{backend}://{cassandra_node.host}:{cassandra_node.port}/{keyspace}?{options}"\n'
        f'[connections.nobody]\ndriver = "{backend}"\nhosts = ["127.0.0.1"]\nport = 1\n'
    )
    return tmp_path


@pytest.fixture
def run(configured: Path) -> Callable[..., Any]:
    """Run the command line in a process of its own, in a directory with a configuration."""

    def run(*arguments: str, **more: Any) -> Any:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COODIE_")}
        environ |= more.pop("environ", {})
        command = [sys.executable, "-m", "coodie", *arguments]
        settings: dict[str, Any] = {
            "cwd": configured,
            "text": True,
            "env": environ,
            "stderr": subprocess.PIPE,
        }
        if more.pop("start", False):
            return subprocess.Popen(command, stdout=subprocess.PIPE, **settings)
        settings |= {"stdout": subprocess.PIPE, **more}
        return subprocess.run(command, check=False, timeout=90, **settings)

    return run


@pytest.fixture
def call(
    configured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """Run the command line in this process, which is quicker."""
    monkeypatch.chdir(configured)

    def call(*arguments: str, input: str = "") -> Any:  # noqa: A002 - as of subprocess.run
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input.encode())))
        with using_registry(DriverRegistry()):
            code = main(arguments)
        captured = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=captured.out, stderr=captured.err)

    return call


@pytest.fixture
def name() -> str:
    """Name a table that isn't there."""
    return new_name()
