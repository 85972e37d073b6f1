"""What is found in the metadata of installed distributions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.distributions import Site, announcing
from coodie_core.tests.fakes import run_threads

from coodie.exceptions import DriverLoadError, DriverNotFoundError
from coodie.plugins.allowlist import DistributionAllowlist
from coodie.plugins.discovery import DriverIndex
from coodie.plugins.selection import select
from coodie_doctor.pip_commands import pip_command

if TYPE_CHECKING:
    from pathlib import Path

#: A module that nobody has: naming it must not import it.
NOWHERE = "no_such_module_anywhere.plugin"


def test_named(site: Site) -> None:
    """A backend is found by its entry point's name, with what its distribution says, unimported."""
    site.install("acme-db", "2.3", entry_points=announcing("acme", NOWHERE, 1, 2))
    (found,) = site.index().named("acme")
    assert (found.driver_type, found.distribution, found.version) == ("acme", "acme-db", "2.3")
    assert found.api_versions == (1, 2)
    assert (found.entry_point.name, found.entry_point.value) == ("acme", NOWHERE)


def test_entry_points_are_in_order(site: Site) -> None:
    """All entry points come in order of driver_type and distribution, unusable ones included."""
    site.install("zebra", entry_points=announcing("b", NOWHERE))
    site.install("ant", entry_points=announcing("b", NOWHERE, 7))
    site.install("two", entry_points={"coodie.drivers": {"c": NOWHERE, "a": NOWHERE}})
    site.install("none", entry_points={"console_scripts": {"coodie": NOWHERE}})
    site.install("plain")
    found = [(entry.driver_type, entry.distribution) for entry in site.index().entry_points()]
    assert found == [("a", "two"), ("b", "ant"), ("b", "zebra"), ("c", "two")]


def test_scanned_once_and_late(site: Site) -> None:
    """Nothing is read before the first question, and nothing twice, however many threads ask first."""
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    scans = []

    def source(**name: str) -> list[Any]:
        if not name:
            scans.append(1)
        return site.distributions(**name)

    index = DriverIndex(source=source)
    assert scans == []
    outcomes = run_threads(16, lambda _: index.named("acme"))
    assert all(len(outcome) == 1 for outcome in outcomes)
    index.entry_points()
    assert scans == [1]


def test_default_source_is_this_environment() -> None:
    """Without a source the index reads this environment, where coodie-core itself is no backend."""
    assert all(entry.distribution != "coodie-core" for entry in DriverIndex().entry_points())


# --- broken metadata --------------------------------------------------------------------


BROKEN: dict[str, dict[str, Any]] = {
    "no name": {"metadata": "Metadata-Version: 2.1\nVersion: 1.0\n"},
    "empty metadata": {"metadata": ""},
    "a name in the description alone": {"metadata": "Metadata-Version: 2.1\nVersion: 1.0\n\nName: broken\n"},
    "no version": {"metadata": "Metadata-Version: 2.1\nName: broken\n"},
    "line without =": {"entry_points": "[coodie.drivers]\nnonsense\n"},
    "no group": {"entry_points": "acme = coodie.drivers\n"},
}


@pytest.mark.parametrize("how", BROKEN)
def test_one_broken_distribution(site: Site, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Metadata that can't be read hides no other distribution's backend."""
    usual: dict[str, Any] = {"entry_points": announcing("broken", NOWHERE)}
    site.install("broken", **(usual | BROKEN[how]))
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    with caplog.at_level(logging.WARNING):
        index = site.index()
        assert [entry.distribution for entry in index.entry_points()] == ["acme-db"]


def test_undecodable_metadata(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """METADATA that isn't text is told of in one line of the log, and listed by its directory's name."""
    info = site.install("broken", entry_points=announcing("broken", NOWHERE))
    (info / "METADATA").write_bytes(b"Name: \xff\xfe\n")
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    with caplog.at_level(logging.WARNING, "coodie.plugins.discovery"):
        index = site.index()
        assert [entry.driver_type for entry in index.entry_points()] == ["acme"]
    assert "Skipping broken: its metadata can't be read (UnicodeDecodeError)." in caplog.messages
    assert all(record.exc_info is None for record in caplog.records)
    assert index.unreadable() == ("broken",)


@pytest.mark.parametrize("file", ["METADATA", "entry_points.txt"])
@pytest.mark.parametrize("content", [None, b"\xff\xfe\n", b""])
@pytest.mark.parametrize("name", ["coodie-scylla", "acme-db"])
def test_metadata_that_cannot_be_read_is_listed(
    site: Site, file: str, content: bytes | None, name: str
) -> None:
    """Missing, emptied or no text: it's listed, and who names the backend is told of it."""
    driver_type = "scylla" if name == "coodie-scylla" else "acme"
    info = site.install(name, entry_points=announcing(driver_type, NOWHERE))
    if content is None:
        (info / file).unlink()
    else:
        (info / file).write_bytes(content)
    index = site.index()
    assert index.entry_points() == []
    # without entry points, only a distribution that is known to have some is known to lack them
    lost = not content and file == "entry_points.txt" and name == "acme-db"
    assert index.unreadable() == (() if lost else (name,))
    if lost:
        return
    for pin in (None, name):
        if driver_type == "scylla" or pin:
            with pytest.raises(DriverLoadError, match=f"distribution '{name}' can't be read") as caught:
                select(index, DistributionAllowlist(), driver_type, pin)
            assert caught.value.command == pip_command("install --force-reinstall --no-deps", name)
    with pytest.raises(DriverNotFoundError) as missing:
        select(index, DistributionAllowlist(), "other")
    assert missing.value.broken == (name,)


@pytest.mark.parametrize("metadata", ["Name: acme-db\n", "Name: --pre\nVersion: 1\n", "Version: 1\n"])
def test_metadata_without_a_name_or_a_version(site: Site, metadata: str) -> None:
    """What lacks either, or has a name that none can have, is listed by its directory's name."""
    site.install("acme-db", entry_points=announcing("acme", NOWHERE), metadata=metadata)
    index = site.index()
    assert index.entry_points() == []
    assert index.unreadable() == ("acme-db",)


def test_half_uninstalled(site: Site) -> None:
    """A dist-info directory without METADATA, as a broken uninstall leaves it, hides no other backend."""
    info = site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    (info / "METADATA").unlink()
    site.install("other", entry_points=announcing("other", NOWHERE))
    assert [entry.driver_type for entry in site.index().entry_points()] == ["other"]
    site.install("acme-db", "2.0", entry_points=announcing("acme", NOWHERE))
    index = site.index()
    assert [entry.driver_type for entry in index.entry_points()] == ["acme", "other"]
    assert index.unreadable() == ()


@pytest.mark.parametrize("again", ["acme-db", "Acme_DB", "acme.db"])
def test_first_on_the_path_wins(tmp_path: Path, again: str) -> None:
    """A distribution that is there twice, in any spelling, is read once: as an import finds it."""
    first, second = Site(tmp_path / "first"), Site(tmp_path / "second")
    first.install("acme-db", "2.0", entry_points=announcing("acme", NOWHERE))
    second.install(again, "1.0", entry_points=announcing("acme", NOWHERE))
    index = DriverIndex(source=lambda **name: first.distributions(**name) + second.distributions(**name))
    assert [entry.version for entry in index.named("acme")] == ["2.0"]
    assert [entry.version for entry in index.entry_points_of("acme-db")] == ["2.0"]


def test_the_first_on_the_path_hides_what_the_second_announces(tmp_path: Path) -> None:
    """What a version that an import doesn't find announces isn't there."""
    first, second = Site(tmp_path / "first"), Site(tmp_path / "second")
    first.install("acme-db", "2.0")
    second.install("acme-db", "1.0", entry_points=announcing("acme", NOWHERE))
    index = DriverIndex(source=lambda **name: first.distributions(**name) + second.distributions(**name))
    assert index.entry_points() == []


def test_a_malformed_value_hides_no_other_backend(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Some versions of importlib-metadata refuse such an entry point, others hand it on; the rest stays."""
    site.install("acme-db", entry_points=announcing("acme", "not a module!"))
    site.install("good-db", entry_points=announcing("good", NOWHERE))
    index = site.index()
    assert [entry.distribution for entry in index.named("good")] == ["good-db"]
    names = [entry.driver_type for entry in index.entry_points()]
    assert "acme" in names or "acme" in caplog.text


def test_undecodable_metadata_of_a_named_one(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """METADATA that is no text makes a distribution as good as not there, asked for by name, too."""
    info = site.install("coodie", "1.9.0")
    (info / "METADATA").write_bytes(b"Name: \xff\xfe\n")
    assert site.index().distribution("coodie") is None
    assert "Skipping coodie" in caplog.text
