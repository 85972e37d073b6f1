"""All backends in one environment: a program that never names one, and a file that does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coodie.plugins import installed_drivers

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

#: All steps of the demo's job, on its first rows. The driver's representation names the backend.
PROGRAM = """
from itertools import islice

import coodie, demo

characters = demo.source
demo.source = lambda: islice(characters(), 10_000)
coodie.load_config()
with coodie.get_driver("demo") as driver:
    demo.run(driver)
    print(driver)
"""

BACKENDS = ("scylla", "rust", "acsylla")


def test_all_are_installed() -> None:
    """The backends on native clients stand beside each other and beside one on a Python driver."""
    assert {entry.driver_type for entry in installed_drivers()} == {*BACKENDS, "local"}


@pytest.mark.timeout(300)  # on a busy machine
@pytest.mark.parametrize("name", BACKENDS)
def test_the_demo(name: str, cassandra_node: Any, tmp_path: Path) -> None:
    """The demo's whole job runs with each backend; only the name in the configuration file changes."""
    (tmp_path / "coodie.toml").write_text(
        f'[connections.demo]\ndriver = "{name}"\nhosts = ["{cassandra_node.host}"]\n'
        f"port = {cassandra_node.port}\nrequest_timeout = 30\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(EXAMPLES), "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "every one equal" in done.stdout
    assert f"for '{name}' at " in done.stdout
