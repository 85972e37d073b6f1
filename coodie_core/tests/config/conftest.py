"""A directory with a configuration file of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a directory of the test's own, below which nothing is configured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COODIE_CONFIG", raising=False)
