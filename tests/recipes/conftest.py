"""The environment of programs that have the recipes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

__all__ = ["PATIENCE", "RECIPES"]

RECIPES = Path(__file__).resolve().parents[2] / "examples" / "recipes"

#: Seconds, until a server answers or ends.
PATIENCE = 60


@pytest.fixture
def environ(cassandra_node: Any, backend: str, tmp_path: Path) -> dict[str, str]:
    """Give the environment of a program that has the recipes, and the connection ``shop``."""
    url = f"{backend}://{cassandra_node.host}:{cassandra_node.port}"
    (tmp_path / "coodie.toml").write_text(f'[connections.shop]\nurl = "{url}"\n')
    return os.environ | {"PYTHONPATH": f"{RECIPES}{os.pathsep}{tmp_path}"}
