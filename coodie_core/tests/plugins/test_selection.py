"""Which entry point is meant, and what is said where none can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.distributions import Site, announcing

from coodie.config import build_config
from coodie.exceptions import (
    ConfigurationError,
    DriverApiVersionError,
    DriverBlockedError,
    DriverLoadError,
    DriverNotFoundError,
    DuplicateDriverError,
    NotADriverError,
    OverwrittenModuleError,
)
from coodie.plugins import DRIVER_API_VERSION
from coodie.plugins.allowlist import DistributionAllowlist
from coodie.plugins.discovery import DriverIndex
from coodie.plugins.selection import rejection, select
from coodie_doctor.pip_commands import pip_command

if TYPE_CHECKING:
    from pathlib import Path

    from coodie.plugins import DriverEntryPoint

#: A module that nobody has: choosing must not import it.
NOWHERE = "no_such_module_anywhere.plugin"

#: Where an error leads that no single command fixes.
DOCTOR = "python -m coodie_doctor"


@pytest.fixture(autouse=True)
def _no_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COODIE_BLOCK", raising=False)
    monkeypatch.delenv("COODIE_ALLOW", raising=False)


def choose(
    site: Site,
    driver_type: str,
    distribution: str | None = None,
    blocking: DistributionAllowlist | None = None,
) -> DriverEntryPoint:
    """Choose among what is installed there."""
    return select(site.index(), blocking or DistributionAllowlist(), driver_type, distribution)


def last_line(error: Exception) -> str:
    """Return an error's last line."""
    return str(error).splitlines()[-1]


# --- found ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("driver_type", "distribution"),
    [("scylla", None), ("scylla", "coodie-scylla"), ("acme", "acme-db"), ("acme", "Acme_DB")],
)
def test_no_scan(site: Site, driver_type: str, distribution: str | None) -> None:
    """A known name and a pinned one are looked up directly: no other distribution is even listed."""
    site.install("coodie-scylla", entry_points=announcing("scylla", NOWHERE))
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))

    def source(**name: str) -> list[Any]:
        assert name, "all distributions were asked for"
        return site.distributions(**name)

    found = select(DriverIndex(source=source), DistributionAllowlist(), driver_type, distribution)
    assert found.driver_type == driver_type


def test_a_known_name_is_its_distributions_alone(site: Site) -> None:
    """Another distribution that announces `scylla` takes nobody's place; pinned, it can be used."""
    site.install("coodie-scylla", entry_points=announcing("scylla", NOWHERE))
    site.install("acme-scylla", entry_points=announcing("scylla", NOWHERE))
    assert choose(site, "scylla").distribution == "coodie-scylla"
    assert choose(site, "scylla", "acme-scylla").distribution == "acme-scylla"


def test_a_known_name_of_another_distribution(site: Site) -> None:
    """Where ours isn't installed, whoever announces its name is used."""
    site.install("acme-scylla", entry_points=announcing("scylla", NOWHERE))
    assert choose(site, "scylla").distribution == "acme-scylla"


# --- not found --------------------------------------------------------------------------


@pytest.mark.parametrize("known", ["scylla", "cassandra", "local"])
def test_known_but_not_installed(site: Site, known: str) -> None:
    """For a backend of ours the error ends in the command that installs it."""
    with pytest.raises(DriverNotFoundError) as caught:
        choose(site, known)
    assert last_line(caught.value) == f"pip install ./coodie_{known}" == caught.value.command
    assert "No backend is installed." in str(caught.value)
    assert (caught.value.driver_type, caught.value.installed) == (known, ())
    assert isinstance(caught.value, (ConfigurationError, ImportError, LookupError))


@pytest.mark.parametrize(
    ("asked", "guess", "command"),
    [
        ("acmee", "acme", DOCTOR),
        ("Acme", "acme", DOCTOR),
        ("scyla", "scylla", "pip install ./coodie_scylla"),
        ("cassandr", "cassandra", "pip install ./coodie_cassandra"),
    ],
)
def test_did_you_mean(site: Site, asked: str, guess: str, command: str) -> None:
    """A name that is nearly one that is installed or known brings that one up, and what is installed."""
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    with pytest.raises(DriverNotFoundError, match=f"Did you mean '{guess}'") as caught:
        choose(site, asked)
    assert "Installed: acme." in str(caught.value)
    assert (caught.value.installed, caught.value.suggestion) == (("acme",), guess)
    assert last_line(caught.value) == command


def test_nothing_like_it(site: Site) -> None:
    """A name like no other brings no guess, but the names of ours, and where to look."""
    with pytest.raises(DriverNotFoundError, match="coodie-scylla, coodie-cassandra") as caught:
        choose(site, "postgres")
    assert "Did you mean" not in str(caught.value)
    assert caught.value.suggestion is None
    assert last_line(caught.value) == DOCTOR


def test_what_is_installed_broken_and_blocked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that is installed is told in its state, none of them imported."""
    for name in ("good", "shut"):
        site.install(f"{name}-db", entry_points=announcing(name, NOWHERE))
    site.install("old-db", entry_points=announcing("old", NOWHERE, 9))
    for name in ("one-db", "two-db"):
        site.install(name, entry_points=announcing("twice", NOWHERE))
    monkeypatch.setenv("COODIE_BLOCK", "shut-db")
    with pytest.raises(DriverNotFoundError) as caught:
        select(site.index(), DistributionAllowlist(), "postgres", failed={"flaky": RuntimeError})
    error = caught.value
    assert (error.installed, error.broken, error.blocked) == (("good",), ("flaky", "old", "twice"), ("shut",))
    assert "Installed: good. Broken: flaky, old, twice. Blocked: shut." in str(error)


def test_pinned_to_what_is_not_installed(site: Site) -> None:
    """A pin to a distribution that isn't there names those that are, and the command that installs it."""
    site.install("acme-db", "2.0", entry_points=announcing("acme", NOWHERE))
    with pytest.raises(DriverNotFoundError, match=r"'acme' is provided by acme-db 2\.0") as caught:
        choose(site, "acme", "acme-fork")
    assert caught.value.distribution == "acme-fork"
    assert last_line(caught.value) == "pip install acme-fork"
    with pytest.raises(DriverNotFoundError) as caught:
        choose(site, "scylla", "Coodie_Scylla")
    assert last_line(caught.value) == "pip install ./coodie_scylla"


@pytest.mark.parametrize("pin", ["--pre", "https://acme.example/x.whl", "acme db", "-r x"])
def test_pinned_to_what_no_distribution_is_called(site: Site, pin: str) -> None:
    """Only what can be a distribution's name gets into a command."""
    with pytest.raises(DriverNotFoundError, match="can't be a distribution's name") as caught:
        choose(site, "acme", pin)
    assert last_line(caught.value) == DOCTOR


def test_name_that_looks_like_a_pin(site: Site) -> None:
    """An entry point named `ac@me` is its distribution's fault: nobody is told to install `me`."""
    site.install("acme-db", entry_points=announcing("ac@me", NOWHERE))
    config = build_config(driver_type="ac@me")
    with pytest.raises(NotADriverError, match="'ac@me', which can't be a driver_type") as caught:
        choose(site, config.driver_type, config.distribution)
    assert last_line(caught.value) == "pip install --upgrade acme-db"
    (entry,) = site.index().entry_points()
    assert isinstance(rejection(entry, [entry], DistributionAllowlist()), NotADriverError)


@pytest.mark.parametrize("points", [None, announcing("other", NOWHERE)])
def test_pinned_to_what_announces_something_else(site: Site, points: Any) -> None:
    """A pin to a distribution that doesn't announce the name says what it does announce."""
    site.install("acme-db", entry_points=points)
    said = "provides 'other'" if points else "provides no backend"
    with pytest.raises(DriverNotFoundError, match=said) as caught:
        choose(site, "acme", "acme-db")
    assert last_line(caught.value) == DOCTOR


def test_without_any_metadata(tmp_path: Path) -> None:
    """A program that has no metadata at all is told how a plug-in is registered."""
    bare = Site(tmp_path / "bare", core=False)
    for name, module in (("scylla", "coodie_scylla.plugin"), ("acme", "its_package.plugin")):
        with pytest.raises(DriverNotFoundError) as caught:
            choose(bare, name)
        assert f"register_plugin({name!r}, {module})" in str(caught.value)
        assert last_line(caught.value).startswith("python -c ")


def test_unreadable_metadata_of_the_one_that_is_meant(site: Site) -> None:
    """Metadata of the very distribution that can't be read is said, with its cause."""
    info = site.install("coodie-scylla", entry_points=announcing("scylla", NOWHERE))
    (info / "entry_points.txt").write_bytes(b"[coodie.drivers]\n\xff = x\n")
    with pytest.raises(DriverLoadError, match="can't be read") as caught:
        choose(site, "scylla")
    assert isinstance(caught.value.__cause__, UnicodeDecodeError)
    assert last_line(caught.value) == "pip install --force-reinstall --no-deps ./coodie_scylla"


# --- found, but not usable --------------------------------------------------------------


def test_duplicate(site: Site) -> None:
    """Two distributions that announce one name are both named, with how to pin one; neither is used."""
    site.install("acme-db", "1.0", entry_points=announcing("acme", NOWHERE))
    site.install("acme-fork", "2.0", entry_points=announcing("acme", NOWHERE))
    site.install("other", entry_points=announcing("other", NOWHERE))
    with pytest.raises(DuplicateDriverError) as caught:
        choose(site, "acme")
    assert caught.value.distributions == ("acme-db 1.0", "acme-fork 2.0")
    assert all(owner in str(caught.value) for owner in caught.value.distributions)
    assert "driver_type='acme@acme-db'" in str(caught.value)
    assert last_line(caught.value) == "pip uninstall --yes acme-fork"
    assert choose(site, "other").distribution == "other"
    for pinned in ("acme-db", "acme-fork"):
        assert choose(site, "acme", pinned).distribution == pinned


def twice(name: str, *values: str) -> str:
    """Return an entry_points.txt that has a backend's line once for each of these values."""
    lines = "".join(f"{name} = {value}\n" for value in values)
    return f"[coodie.drivers]\n{lines}\n[coodie.driver_api.1]\n{lines}"


@pytest.mark.parametrize("pin", [None, "acme-db"])
def test_line_that_is_there_twice(site: Site, pin: str | None) -> None:
    """It's one backend."""
    site.install("acme-db", entry_points=twice("acme", NOWHERE, NOWHERE))
    assert choose(site, "acme", pin).api_versions == (1,)
    assert len(site.index().entry_points()) == 1


@pytest.mark.parametrize(("name", "distribution"), [("acme", "acme-db"), ("scylla", "coodie-scylla")])
def test_lines_of_one_distribution_that_differ(site: Site, name: str, distribution: str) -> None:
    """It's that distribution's fault: no pin is suggested, and not to uninstall it."""
    site.install(distribution, entry_points=twice(name, NOWHERE, "elsewhere"))
    for pin in (None, distribution):
        with pytest.raises(DuplicateDriverError, match=f"more than once, as '{NOWHERE}' and ") as caught:
            choose(site, name, pin)
        assert "Pin" not in str(caught.value)
        assert last_line(caught.value) == pip_command("install --upgrade", distribution)
        assert caught.value.distributions == (f"{distribution} 1.0",)


@pytest.mark.parametrize("versions", [(2,), (0, 7), ()])
def test_wrong_api_version(site: Site, versions: tuple[int, ...]) -> None:
    """A backend made for other versions of the driver API, or for none, is refused before it is imported."""
    entry_points = announcing("acme", NOWHERE, *versions)
    if not versions:
        entry_points = {"coodie.drivers": {"acme": NOWHERE}}
    site.install("acme-db", entry_points=entry_points)
    with pytest.raises(DriverApiVersionError) as caught:
        choose(site, "acme")
    error = caught.value
    assert (error.declared, error.supported) == (versions, DRIVER_API_VERSION)
    assert (error.driver_type, error.distribution) == ("acme", "acme-db")
    assert f"version {', '.join(map(str, versions)) or 'none'} " in str(error)
    assert last_line(error) == "pip install --upgrade ./coodie_core acme-db"


def test_api_version_is_each_names_own(site: Site) -> None:
    """A distribution with two backends declares a version for each."""
    site.install(
        "two",
        entry_points={
            "coodie.drivers": {"old": NOWHERE, "new": NOWHERE},
            "coodie.driver_api.1": {"new": NOWHERE},
        },
    )
    assert choose(site, "new").api_versions == (1,)
    with pytest.raises(DriverApiVersionError):
        choose(site, "old")


def test_nonsense_among_the_versions(site: Site) -> None:
    """A version that isn't a number declares nothing."""
    site.install(
        "acme-db", entry_points=announcing("acme", NOWHERE) | {"coodie.driver_api.x": {"acme": NOWHERE}}
    )
    assert choose(site, "acme").api_versions == (1,)


@pytest.mark.parametrize("driver_type", ["acme", "scylla"])
def test_namesake(site: Site, driver_type: str) -> None:
    """PyPI's ``coodie`` in the same environment is named, with the command that repairs it."""
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    site.install("coodie-scylla", entry_points=announcing("scylla", NOWHERE))
    site.install("Coodie", "1.9.0", files={"coodie/__init__.py": ""})
    with pytest.raises(OverwrittenModuleError, match=r"coodie 1\.9\.0 ") as caught:
        choose(site, driver_type)
    assert (caught.value.module, caught.value.distributions) == ("coodie", ("coodie", "coodie-core"))
    assert last_line(caught.value) == (
        "pip uninstall --yes coodie && pip install --force-reinstall --no-deps ./coodie_core"
    )


def test_core_overwritten(site: Site) -> None:
    """A package whose file isn't the one that coodie-core installed is refused, whoever wrote it."""
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    site.install("coodie-core", "0.1.0", files={"coodie/__init__.py": "ours"})
    assert choose(site, "acme").distribution == "acme-db"
    (site.path / "coodie" / "__init__.py").write_text("theirs", encoding="utf-8")
    with pytest.raises(OverwrittenModuleError, match=r"coodie/__init__\.py isn't the file") as caught:
        choose(site, "acme")
    assert last_line(caught.value) == "pip install --force-reinstall --no-deps ./coodie_core"


# --- blocked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "command"),
    [
        ("COODIE_BLOCK", "acme-db", "unset COODIE_BLOCK"),
        ("COODIE_BLOCK", "other , Acme_DB,", "export COODIE_BLOCK=other"),
        ("COODIE_ALLOW", "coodie-scylla", "export COODIE_ALLOW=coodie-scylla,acme-db"),
    ],
)
def test_blocked_by_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, command: str
) -> None:
    """A distribution on the deny-list, or not on the allow-list, is refused by name, pinned or not."""
    site.install("acme-db", "2.0", entry_points=announcing("acme", NOWHERE))
    site.install("coodie-scylla", entry_points=announcing("scylla", NOWHERE))
    monkeypatch.setenv(variable, value)
    for pin in (None, "acme-db"):
        with pytest.raises(DriverBlockedError, match=rf"acme-db 2\.0, .*{variable}={value}") as caught:
            choose(site, "acme", pin)
        assert (caught.value.blocked_by, caught.value.distribution) == (variable, "acme-db")
        assert last_line(caught.value) == command
    assert choose(site, "scylla").distribution == "coodie-scylla"


@pytest.mark.parametrize("variable", ["COODIE_BLOCK", "COODIE_ALLOW"])
@pytest.mark.parametrize("value", ["", " , "])
def test_an_empty_list_blocks_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """A variable that is set to nothing is as good as unset."""
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    monkeypatch.setenv(variable, value)
    assert choose(site, "acme").distribution == "acme-db"


def test_blocked_by_the_application(site: Site) -> None:
    """The application's lists hold beside the environment's."""
    site.install("acme-db", entry_points=announcing("acme", NOWHERE))
    denied, allowed = DistributionAllowlist(), DistributionAllowlist()
    denied.block("ACME.db")
    allowed.allow_only("other")
    for blocking, by in ((denied, "block"), (allowed, "allow_only")):
        with pytest.raises(DriverBlockedError, match=rf"called coodie\.plugins\.{by}\(\)") as caught:
            choose(site, "acme", blocking=blocking)
        assert caught.value.blocked_by == by
        assert last_line(caught.value) == DOCTOR
    allowed.allow_only("acme_db")
    assert choose(site, "acme", blocking=allowed).distribution == "acme-db"


@pytest.mark.parametrize(("driver_type", "kept"), [("acme", "acme-db"), ("scylla", "acme-db")])
def test_blocking_one_of_two_duplicates(
    site: Site, monkeypatch: pytest.MonkeyPatch, driver_type: str, kept: str
) -> None:
    """Who blocks one of two has chosen the other, a known one included."""
    for name in (kept, "coodie-scylla"):
        site.install(name, entry_points=announcing(driver_type, NOWHERE))
    monkeypatch.setenv("COODIE_BLOCK", "coodie-scylla")
    assert choose(site, driver_type).distribution == kept
