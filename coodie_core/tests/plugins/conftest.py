"""Places to install backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from coodie_core.tests.distributions import Site

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An empty site-packages directory."""
    return Site(tmp_path / "site")
