"""The distributions' metadata, and its consistency."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import tomli

import coodie
from coodie.capabilities import KNOWN
from coodie.plugins import DRIVER_API_VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.conftest import Project

BACKENDS = ("coodie_scylla", "coodie_cassandra", "coodie_local", "coodie_rust", "coodie_acsylla")


def name_of(requirement: str) -> str:
    """Return the name in a requirement."""
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]


def test_versions_are_equal(projects: dict[str, Project]) -> None:
    """All distributions and the package have the same version."""
    versions = {project.metadata["version"] for project in projects.values()}
    assert versions == {coodie.__version__}


def test_siblings_are_asked_for_at_the_same_version(project: Project, projects: dict[str, Project]) -> None:
    """Distributions require each other at the same version."""
    ours = {other.metadata["name"] for other in projects.values()}
    requirements = [
        *project.metadata["dependencies"],
        *(entry for extra in project.metadata.get("optional-dependencies", {}).values() for entry in extra),
    ]
    siblings = [requirement for requirement in requirements if name_of(requirement) in ours]
    assert siblings
    assert {requirement.partition("==")[2] for requirement in siblings} == {project.metadata["version"]}


def test_each_has_what_users_see(project: Project, root: Path) -> None:
    """Name, README, licence, Python version and type marker exist and agree."""
    metadata = project.metadata
    assert metadata["name"] == project.directory.name.replace("_", "-")
    assert metadata["requires-python"] == ">=3.10"
    assert metadata["license"] == "MIT"
    assert metadata["license-files"] == ["LICENSE"]
    assert (project.directory / "LICENSE").read_bytes() == (root / "LICENSE").read_bytes()
    readme = (project.directory / metadata["readme"]).read_text(encoding="utf-8")
    assert readme.startswith(f"# {metadata['name']}\n\n")
    assert (project.source / "py.typed").is_file()


def test_core_needs_no_database_driver(projects: dict[str, Project]) -> None:
    """coodie-core only depends on packages for metadata, TOML and hooks."""
    dependencies = projects["coodie_core"].metadata["dependencies"]
    assert sorted(map(name_of, dependencies)) == ["importlib-metadata", "packaging", "pluggy", "tomli"]


def test_no_extra_installs_two_backends(projects: dict[str, Project]) -> None:
    """There is no [all], and no extra has both drivers, which overwrite each other's files."""
    extras = projects["coodie_core"].metadata["optional-dependencies"]
    assert set(extras) == {*KNOWN, "accel", "arrow", "cli", "otel", "testing", "uvloop"}
    for requirements in extras.values():
        assert not {"coodie-scylla", "coodie-cassandra"} <= set(map(name_of, requirements))


def test_local_extra_has_the_command_line(projects: dict[str, Project]) -> None:
    """coodie-core[local] includes what [cli] does."""
    extras = projects["coodie_core"].metadata["optional-dependencies"]
    assert set(extras["cli"]) <= set(extras["local"])


def test_the_accelerator_is_an_extra(projects: dict[str, Project], root: Path) -> None:
    """Core and both backends have an extra for it, with the same version."""
    text = (root / "coodie_accel" / "pyproject.toml").read_text(encoding="utf-8")
    accelerator = tomli.loads(text)["project"]
    wanted = f"{accelerator['name']}=={accelerator['version']}"
    assert accelerator["version"] == coodie.__version__
    for directory in ("coodie_core", "coodie_scylla", "coodie_cassandra"):
        metadata = projects[directory].metadata
        assert metadata["optional-dependencies"]["accel"] == [wanted]
        assert not any(name_of(entry) == accelerator["name"] for entry in metadata["dependencies"])


def test_backends_announce_themselves(projects: dict[str, Project]) -> None:
    """Each backend's entry point has a separate module and its contract version."""
    for directory in BACKENDS:
        project = projects[directory]
        groups = project.metadata["entry-points"]
        driver_type = directory.removeprefix("coodie_")
        assert groups["coodie.drivers"] == {driver_type: f"{directory}.plugin"}
        assert groups[f"coodie.driver_api.{DRIVER_API_VERSION}"] == groups["coodie.drivers"]
        assert (project.source / "plugin.py").is_file()


def test_core_announces_no_driver(projects: dict[str, Project]) -> None:
    """coodie-core has no entry point for a driver."""
    assert "coodie.drivers" not in projects["coodie_core"].metadata.get("entry-points", {})


def test_the_kit_is_a_pytest_plugin(projects: dict[str, Project]) -> None:
    """coodie-testing and core's extra install the plug-in; core alone doesn't."""
    kit, core = projects["coodie_testing"].metadata, projects["coodie_core"].metadata
    assert kit["entry-points"]["pytest11"] == {"coodie_testing": "coodie_testing.pytest_plugin"}
    assert core["optional-dependencies"]["testing"] == [f"{kit['name']}=={kit['version']}"]
    assert "entry-points" not in core


def test_local_is_a_pytest_plugin(projects: dict[str, Project]) -> None:
    """coodie-local has an entry point for pytest."""
    local = projects["coodie_local"]
    assert local.metadata["entry-points"]["pytest11"] == {"coodie_local": "coodie_local.pytest_plugin"}
    assert (local.source / "pytest_plugin.py").is_file()
