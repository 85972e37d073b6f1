"""The environment of programs that have the recipes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

__all__ = ["PATIENCE", "RECIPES", "copy_tests"]

RECIPES = Path(__file__).resolve().parents[2] / "examples" / "recipes"

#: Seconds, until a server answers or ends.
PATIENCE = 60


def copy_tests(name: str, node: Any, backend: str, directory: Path) -> None:
    """Write a recipe's tests, for the node that runs already and the backend.

    Args:
        name: The file's.
        node: A Cassandra.
        backend: The ``driver_type``.
        directory: Where to write them.
    """
    text = (RECIPES / name).read_text(encoding="utf-8")
    (directory / name).write_text(text.replace('"scylla://', f'"{backend}://'), encoding="utf-8")
    (directory / "conftest.py").write_text(
        "import types, pytest\n@pytest.fixture(scope='session')\ndef cassandra_node():\n"
        f"    return types.SimpleNamespace(host={node.host!r}, port={node.port!r})\n",
        encoding="utf-8",
    )


@pytest.fixture
def environ(cassandra_node: Any, backend: str, tmp_path: Path) -> dict[str, str]:
    """Give the environment of a program that has the recipes, and the connection ``shop``."""
    url = f"{backend}://{cassandra_node.host}:{cassandra_node.port}"
    (tmp_path / "coodie.toml").write_text(
        f'[connections.shop]\nurl = "{url}"\n[connections.shop.options]\naware_timestamps = true\n'
    )
    return os.environ | {"PYTHONPATH": f"{RECIPES}{os.pathsep}{tmp_path}"}
