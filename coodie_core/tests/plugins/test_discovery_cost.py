"""What discovery costs where a lot is installed: counted in files read, since time says little."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import importlib_metadata
import pytest
from coodie_core.tests.distributions import Site, announcing

from coodie.plugins.allowlist import DistributionAllowlist
from coodie.plugins.selection import select

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "no_such_module_anywhere.plugin"

#: Seconds that even a busy machine needs less than, and anything quadratic more.
PATIENCE = 30.0


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """600 distributions, a half of which announces backends."""
    directory: Path = tmp_path_factory.mktemp("crowd")
    site = Site(directory / "site")
    for number in range(600):
        points = announcing(f"type{number}", NOWHERE) if number % 2 else None
        site.install(f"package-{number}", entry_points=points, record=False)
    site.install("coodie-scylla", entry_points=announcing("scylla", NOWHERE))
    return site


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each metadata file that is read."""
    noted: list[str] = []
    original = importlib_metadata.PathDistribution.read_text

    def read_text(self: Any, filename: Any) -> str | None:
        noted.append(str(filename))
        return original(self, filename)

    monkeypatch.setattr(importlib_metadata.PathDistribution, "read_text", read_text)
    return noted


def test_the_scan_is_linear(crowd: Site, reads: list[str]) -> None:
    """One file for each distribution, and a few more for each that announces something."""
    index = crowd.index()
    started = time.monotonic()
    assert len(index.entry_points()) == 301
    assert time.monotonic() - started < PATIENCE
    assert len(reads) <= 602 + 301 * 10


def test_resolving_reads_nothing_of_the_others(crowd: Site, reads: list[str]) -> None:
    """Once scanned, a name costs what looks at core itself, however many there are."""
    index = crowd.index()
    index.entry_points()
    reads.clear()
    assert select(index, DistributionAllowlist(), "type301").distribution == "package-301"
    assert len(reads) <= 10


@pytest.mark.parametrize(("name", "pin"), [("scylla", None), ("type301", "package-301")])
def test_known_and_pinned_read_nothing_of_the_others(
    crowd: Site, reads: list[str], name: str, pin: str | None
) -> None:
    """Without a scan, only the files of the one that is meant and of core are read."""
    assert select(crowd.index(), DistributionAllowlist(), name, pin).driver_type == name
    assert len(reads) <= 20
