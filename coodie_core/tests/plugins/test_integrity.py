"""Whose files an import name has."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from coodie.exceptions import DriverDependencyError, OverwrittenModuleError
from coodie.plugins import check_module_owner

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_core.tests.distributions import Site

#: Names that nobody has, so that this environment's own packages don't matter.
OURS, RIVAL, MODULE = "quokka-driver", "wombat-driver", "quokka_wombat"
INIT = f"{MODULE}/__init__.py"


@pytest.fixture
def installed(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site-packages directory on sys.path, with our distribution in it."""
    monkeypatch.syspath_prepend(str(site.path))
    site.install(OURS, "3.1", files={INIT: "ours\n", f"{MODULE}/sub,name.py": ""})
    return site


def check() -> None:
    """Ask whether the module is ours."""
    check_module_owner(MODULE, OURS, (RIVAL, "echidna-driver"), driver_type="quokka")


def test_intact(installed: Site) -> None:
    """The distribution alone, its files as RECORD has them, is as it should be."""
    check()


def test_any_spelling(installed: Site) -> None:
    """A distribution is known by its name in any spelling that pip accepts."""
    check_module_owner(MODULE, "Quokka_Driver", (), driver_type="quokka")


def test_not_installed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the distribution the error has the command that installs it."""
    monkeypatch.syspath_prepend(str(site.path))
    with pytest.raises(
        DriverDependencyError, match=f"(?m)Run:\npip install --force-reinstall --no-deps {OURS}$"
    ) as caught:
        check()
    assert (caught.value.missing, caught.value.driver_type) == (OURS, "quokka")


def test_rival_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rival in its place is named, and the command replaces it."""
    monkeypatch.syspath_prepend(str(site.path))
    site.install(RIVAL, files={INIT: "theirs\n"})
    with pytest.raises(DriverDependencyError, match=f"but {RIVAL} is") as caught:
        check()
    assert str(caught.value).endswith(
        f"pip uninstall --yes {RIVAL} && pip install --force-reinstall --no-deps {OURS}"
    )


@pytest.mark.parametrize("ours_last", [False, True])
def test_both_installed(installed: Site, ours_last: bool) -> None:
    """Both installed is refused, whichever came last: files of both are mixed."""
    installed.install(RIVAL, files={INIT: "theirs\n"})
    if ours_last:
        installed.install(OURS, "3.1", files={INIT: "ours\n"})
    with pytest.raises(OverwrittenModuleError, match=f"{OURS} and {RIVAL} are both installed") as caught:
        check()
    assert (caught.value.module, caught.value.distributions) == (MODULE, (OURS, RIVAL))
    assert f"pip uninstall --yes {RIVAL} && pip install --force-reinstall" in str(caught.value)


def test_version_that_its_backend_asks_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a backend of ours the command installs a version that it can work with."""
    monkeypatch.syspath_prepend(str(site.path))
    metadata = "Metadata-Version: 2.1\nName: coodie-local\nVersion: 1.0\nRequires-Dist: quokka-driver<4,>=3\n"
    site.install("coodie-local", metadata=metadata)
    with pytest.raises(DriverDependencyError) as caught:
        check_module_owner(MODULE, OURS, (), driver_type="local")
    assert str(caught.value).endswith("\npip install --force-reinstall --no-deps 'quokka-driver<4,>=3'")


def test_without_any_metadata(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program without metadata, as a frozen one may be, can't be told, and is let through."""
    site.uninstall(next(site.path.glob("coodie_core*.dist-info")))
    monkeypatch.setattr(sys, "path", [str(site.path)])
    check()


def test_file_of_another(installed: Site) -> None:
    """A file with another's content is noticed by its hash, with the distribution that wrote it gone."""
    (installed.path / INIT).write_text("theirs\n", encoding="utf-8")
    with pytest.raises(OverwrittenModuleError, match=r"3\.1 installed") as caught:
        check()
    assert str(caught.value).endswith(f"Run:\npip install --force-reinstall --no-deps {OURS}==3.1")


def test_file_taken_away(installed: Site) -> None:
    """Files that went with an uninstalled rival are noticed, before an import fails on them."""
    installed.uninstall(installed.install(RIVAL, files={INIT: "theirs\n"}))
    assert not (installed.path / INIT).exists()
    with pytest.raises(OverwrittenModuleError, match="pip install --force-reinstall"):
        check()


@pytest.mark.parametrize(
    "record", [None, "", f"{INIT},,\n", f"{INIT},md5=abc,3\n", "other.py,sha256=x,1\n", f"{INIT}\n"]
)
def test_record_that_tells_nothing(installed: Site, record: str | None) -> None:
    """Where RECORD has no hash of the file, as in an editable install, nothing is claimed."""
    path = next(installed.path.glob("quokka*.dist-info")) / "RECORD"
    if record is None:
        path.unlink()
    else:
        path.write_text(record, encoding="utf-8")
    check()


def test_record_line_in_quotes(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """RECORD is CSV: a quoted line is read as one."""
    monkeypatch.syspath_prepend(str(site.path))
    info = site.install(OURS, files={INIT: "ours\n"})
    text = (info / "RECORD").read_text(encoding="utf-8").replace(INIT, f'"{INIT}"')
    (info / "RECORD").write_text(text, encoding="utf-8")
    check()
    (site.path / INIT).write_text("theirs\n", encoding="utf-8")
    with pytest.raises(OverwrittenModuleError):
        check()
