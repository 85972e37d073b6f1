"""What is found in the metadata of installed distributions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.distributions import Site, announcing
from coodie_core.tests.fakes import run_threads

from coodie.exceptions import (
    ConfigurationError,
    DriverApiVersionError,
    DriverLoadError,
    DriverNotFoundError,
    DuplicateDriverError,
    OverwrittenModuleError,
)
from coodie.plugins import DRIVER_API_VERSION
from coodie.plugins.discovery import DriverIndex

if TYPE_CHECKING:
    from pathlib import Path

#: A module that nobody has: naming it must not import it.
NOWHERE = "no_such_module_anywhere.plugin"


def test_find(site: Site) -> None:
    """A backend is found by its entry point's name, with what its distribution says, unimported."""
    site.install("acme-db", "2.3", entry_points=announcing("acme", NOWHERE, 1, 2))
    found = site.index().find("acme")
    assert (found.driver_type, found.distribution, found.version) == ("acme", "acme-db", "2.3")
    assert found.api_versions == (1, 2)
    assert (found.entry_point.name, found.entry_point.value) == ("acme", NOWHERE)


def test_announcements_are_in_order(site: Site) -> None:
    """All announcements come in order of driver_type and distribution, unusable ones included."""
    site.install("zebra", entry_points=announcing("b", NOWHERE))
    site.install("ant", entry_points=announcing("b", NOWHERE, 7))
    site.install("two", entry_points={"coodie.drivers": {"c": NOWHERE, "a": NOWHERE}})
    site.install("none", entry_points={"console_scripts": {"coodie": NOWHERE}})
    site.install("plain")
    found = [(entry.driver_type, entry.distribution) for entry in site.index().announcements()]
    assert found == [("a", "two"), ("b", "ant"), ("b", "zebra"), ("c", "two")]


def test_scanned_once_and_late(site: Site) -> None:
    """Nothing is read before the first question, and nothing twice, however many threads ask first."""
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    scans = []

    def source() -> list[Any]:
        scans.append(1)
        return site.distributions()

    index = DriverIndex(source=source)
    assert scans == []
    run_threads(16, lambda _: index.find("acme"))
    index.announcements()
    assert scans == [1]


def test_default_source_is_this_environment() -> None:
    """Without a source the index reads this environment, where coodie-core itself is no backend."""
    assert all(entry.distribution != "coodie-core" for entry in DriverIndex().announcements())


# --- not found --------------------------------------------------------------------------


@pytest.mark.parametrize("known", ["scylla", "cassandra", "local"])
def test_known_but_not_installed(site: Site, known: str) -> None:
    """For a backend of ours the error ends in the command that installs it."""
    with pytest.raises(DriverNotFoundError) as caught:
        site.index().find(known)
    assert str(caught.value).endswith(f'Run: pip install "coodie-core[{known}]"')
    assert "No backend is installed." in str(caught.value)
    assert (caught.value.driver_type, caught.value.installed) == (known, ())
    assert isinstance(caught.value, (ConfigurationError, ImportError, LookupError))


@pytest.mark.parametrize(
    ("asked", "guess"), [("acmee", "acme"), ("Acme", "acme"), ("scyla", "scylla"), ("cassandr", "cassandra")]
)
def test_did_you_mean(site: Site, asked: str, guess: str) -> None:
    """A name that is nearly one that is installed or known brings that one up, and what is installed."""
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    with pytest.raises(DriverNotFoundError, match=f"Did you mean '{guess}'") as caught:
        site.index().find(asked)
    assert "Installed: acme." in str(caught.value)
    assert caught.value.installed == ("acme",)


def test_nothing_like_it(site: Site) -> None:
    """A name like no other brings no guess, but the way to get a backend."""
    with pytest.raises(DriverNotFoundError, match="pip install") as caught:
        site.index().find("postgres")
    assert "Did you mean" not in str(caught.value)


# --- found, but not usable --------------------------------------------------------------


def test_duplicate(site: Site) -> None:
    """Two distributions that announce one name are both named, and neither is used."""
    site.install("acme-db", "1.0", entry_points=announcing("acme", NOWHERE))
    site.install("acme-fork", "2.0", entry_points=announcing("acme", NOWHERE))
    site.install("other", entry_points=announcing("other", NOWHERE))
    index = site.index()
    with pytest.raises(DuplicateDriverError, match="pip uninstall") as caught:
        index.find("acme")
    assert caught.value.distributions == ("acme-db 1.0", "acme-fork 2.0")
    assert all(owner in str(caught.value) for owner in caught.value.distributions)
    assert index.find("other").distribution == "other"


@pytest.mark.parametrize("versions", [(2,), (0, 7), ()])
def test_wrong_api_version(site: Site, versions: tuple[int, ...]) -> None:
    """A backend made for other versions of the driver API, or for none, is refused before it is imported."""
    entry_points = announcing("acme", NOWHERE, *versions)
    if not versions:
        entry_points = {"coodie.drivers": {"acme": NOWHERE}}
    site.install("acme-db", entry_points=entry_points)
    with pytest.raises(DriverApiVersionError, match="pip install --upgrade coodie-core acme-db") as caught:
        site.index().find("acme")
    error = caught.value
    assert (error.declared, error.supported) == (versions, DRIVER_API_VERSION)
    assert (error.driver_type, error.distribution) == ("acme", "acme-db")
    assert f"version {', '.join(map(str, versions)) or 'none'} " in str(error)


def test_api_version_is_each_names_own(site: Site) -> None:
    """A distribution with two backends declares a version for each."""
    site.install(
        "two",
        entry_points={
            "coodie.drivers": {"old": NOWHERE, "new": NOWHERE},
            "coodie.driver_api.1": {"new": NOWHERE},
        },
    )
    assert site.index().find("new").api_versions == (1,)
    with pytest.raises(DriverApiVersionError):
        site.index().find("old")


def test_nonsense_among_the_versions(site: Site) -> None:
    """A version that isn't a number declares nothing."""
    site.install(
        "acme-db", entry_points=announcing("acme", NOWHERE) | {"coodie.driver_api.x": {"acme": NOWHERE}}
    )
    assert site.index().find("acme").api_versions == (1,)


def test_namesake(site: Site) -> None:
    """PyPI's ``coodie`` in the same environment is named, with the command that repairs it."""
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    site.install("Coodie", "1.9.0", files={"coodie/__init__.py": ""})
    with pytest.raises(
        OverwrittenModuleError, match=r"coodie 1\.9\.0 .*pip uninstall --yes coodie && "
    ) as caught:
        site.index().find("acme")
    assert (caught.value.module, caught.value.distributions) == ("coodie", ("coodie", "coodie-core"))


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
    site.install("broken", **({"entry_points": announcing("broken", NOWHERE)} | BROKEN[how]))
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    with caplog.at_level(logging.WARNING):
        index = site.index()
        assert index.find("acme").distribution == "acme-db"
        with pytest.raises(DriverNotFoundError):
            index.find("broken")


def test_undecodable_metadata(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """METADATA that isn't text is told of in the log, and skipped."""
    info = site.install("broken", entry_points=announcing("broken", NOWHERE))
    (info / "METADATA").write_bytes(b"Name: \xff\xfe\n")
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    with caplog.at_level(logging.WARNING, "coodie.plugins.discovery"):
        assert [entry.driver_type for entry in site.index().announcements()] == ["acme"]
    assert "metadata can't be read" in caplog.text


def test_half_uninstalled(site: Site) -> None:
    """A dist-info directory without METADATA, as a broken uninstall leaves it, is no distribution."""
    info = site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    (info / "METADATA").unlink()
    site.install("other", entry_points=announcing("other", NOWHERE))
    assert [entry.driver_type for entry in site.index().announcements()] == ["other"]


@pytest.mark.parametrize("again", ["acme-db", "Acme_DB", "acme.db"])
def test_first_on_the_path_wins(tmp_path: Path, again: str) -> None:
    """A distribution that is there twice, in any spelling, is read once: as an import finds it."""
    first, second = Site(tmp_path / "first"), Site(tmp_path / "second")
    first.install("acme-db", "2.0", entry_points=announcing("acme", NOWHERE))
    second.install(again, "1.0", entry_points=announcing("acme", NOWHERE))
    index = DriverIndex(source=lambda: first.distributions() + second.distributions())
    assert index.find("acme").version == "2.0"


def test_a_malformed_value_hides_no_other_backend(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Some versions of importlib-metadata refuse such an entry point, others hand it on; the rest stays."""
    site.install("acme-db", entry_points=announcing("acme", "not a module!"))
    site.install("good-db", entry_points=announcing("good", NOWHERE))
    index = site.index()
    assert index.find("good").distribution == "good-db"
    names = [entry.driver_type for entry in index.announcements()]
    assert "acme" in names or "acme" in caplog.text


def test_every_error_is_a_load_error(site: Site) -> None:
    """Whatever keeps a backend from being found can be caught as one, and as ImportError."""
    site.install("a", entry_points=announcing("x", NOWHERE))
    site.install("b", entry_points=announcing("x", NOWHERE))
    site.install("c", entry_points=announcing("old", NOWHERE, 9))
    for driver_type in ("x", "old", "none"):
        with pytest.raises(DriverLoadError) as caught:
            site.index().find(driver_type)
        assert isinstance(caught.value, ImportError)
        assert caught.value.hint
