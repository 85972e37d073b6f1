"""Places to install backends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from coodie_core.tests.distributions import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site-packages directory without a backend."""
    return Site(tmp_path / "site")


@pytest.fixture
def on_path(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site-packages directory whose modules can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(site.path))
    before = set(sys.modules)
    yield site
    for name in set(sys.modules) - before:
        if str(site.path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
