"""Commands that messages suggest: from a clone until the first release, then from an index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coodie.capabilities import KNOWN
from coodie_doctor import pip_commands
from coodie_doctor.pip_commands import DOCTOR, pip_command, reinstall, to_run

ROOT = Path(__file__).resolve().parents[3]
IN_A_CLONE = "run in the root of a clone of coodie:"


@pytest.mark.parametrize(
    ("command", "expected", "introduced"),
    [
        (pip_command("install", "coodie-scylla"), "pip install ./coodie_scylla", IN_A_CLONE),
        (
            pip_command("install -U", "Coodie.Core", "acme-db"),
            "pip install -U ./coodie_core acme-db",
            IN_A_CLONE,
        ),
        (pip_command("uninstall", "coodie-scylla"), "pip uninstall coodie-scylla", "run:"),
        (pip_command("install", "acme-db"), "pip install acme-db", "run:"),
        (pip_command("install", "acme-db", "; rm -r /"), DOCTOR, "run:"),
        (
            reinstall("coodie-core", "0.1.0"),
            "pip install --force-reinstall --no-deps ./coodie_core",
            IN_A_CLONE,
        ),
        (
            reinstall("scylla-driver", "3.29.3"),
            "pip install --force-reinstall --no-deps scylla-driver==3.29.3",
            "run:",
        ),
    ],
)
def test_commands(command: str, expected: str, introduced: str) -> None:
    """This project's distributions are installed from a clone, others from an index; names aren't code."""
    assert (command, to_run(command)) == (expected, introduced)


def test_after_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then an index has this project's distributions, too."""
    monkeypatch.setattr(pip_commands, "PUBLISHED", True)
    assert (command := pip_command("install", "coodie-scylla")) == "pip install coodie-scylla"
    assert to_run(command) == "run:"
    assert reinstall("coodie-core", "0.1.0").endswith("--no-deps coodie-core==0.1.0")


def test_the_clone_has_the_directories() -> None:
    """Each suggested directory has the distribution of that name, and no distribution is forgotten."""
    projects = {}
    for path in ROOT.glob("coodie_*/pyproject.toml"):
        found = re.search(r'^name = "(.+)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
        assert found
        projects[found[1]] = path.parent.name
    for name, directory in projects.items():
        assert pip_command("install", name) == f"pip install ./{directory}"
    for backend in KNOWN.values():
        assert backend.install == f"pip install ./{projects[backend.distribution]}"


def test_it_agrees_with_the_changelog() -> None:
    """Commands name an index as soon as a version has a date."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[.*\] - (.*)$", changelog, re.MULTILINE)
    assert any(date != "unreleased" for date in versions) == pip_commands.PUBLISHED
