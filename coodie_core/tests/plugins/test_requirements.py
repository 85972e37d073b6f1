"""The distributions that a backend needs."""

from __future__ import annotations

import pytest
from coodie_core.tests.distributions import Site, config_for
from coodie_core.tests.fakes import Backend

from coodie.exceptions import (
    DriverDependencyError,
    NotADriverError,
)
from coodie.plugins import DriverDescription, hookimpl
from coodie.plugins.host import PluginHost


class Needy(Backend):
    """Needs distributions."""

    def __init__(self, *needs: str) -> None:
        super().__init__()
        self._needs = needs
        self.described = 0

    @hookimpl
    def coodie_describe_driver(self) -> DriverDescription:
        """Describe it."""
        self.described += 1
        return DriverDescription(summary="needy", needs=self._needs)


def needy_host(site: Site, *needs: str, requires: str = "") -> PluginHost:
    """Return a host of a backend that needs these."""
    site.install("acme-client", "2.1")
    metadata = f"Metadata-Version: 2.1\nName: acme-db\nVersion: 1.0\n{requires}"
    site.install("acme-db", metadata=metadata)
    host = PluginHost(site.index())
    host.register("acme", Needy(*needs), distribution="acme-db", version="1.0")
    return host


@pytest.mark.parametrize(
    ("need", "requires"),
    [
        ("acme-client", ""),
        ("Acme.Client>=2,<3", ""),
        ("acme-client", "Requires-Dist: acme-client~=2.0\n"),
        ("acme-client>=2", "Requires-Dist: acme-client>=9\n"),
    ],
)
def test_need_that_is_met(on_path: Site, need: str, requires: str) -> None:
    """A distribution that is there, in a version that will do, is no matter."""
    needy_host(on_path, need, requires=requires).check(config_for())


@pytest.mark.parametrize(
    ("need", "requires", "said", "command"),
    [
        ("no-such-db>=1", "", "no-such-db>=1, which isn't installed", "pip install 'no-such-db>=1'"),
        ("acme-client>=3", "", "acme-client>=3, and 2.1 is installed", "pip install 'acme-client>=3'"),
        (
            "acme-client",
            "Requires-Dist: acme-client<2\n",
            "acme-client<2, and 2.1",
            "pip install 'acme-client<2'",
        ),
    ],
)
def test_need_that_is_not_met(on_path: Site, need: str, requires: str, said: str, command: str) -> None:
    """A distribution that isn't there, or in another version, is told before it's imported or opened."""
    host = needy_host(on_path, need, requires=requires)
    with pytest.raises(DriverDependencyError) as caught:
        host.open(config_for())
    assert f"acme-db 1.0 needs {said}" in str(caught.value)
    assert str(caught.value).splitlines()[-1] == command == caught.value.command
    assert caught.value.requirement is not None
    assert caught.value.found == ("2.1" if "acme-client" in need else None)


def test_need_that_is_none(on_path: Site) -> None:
    """A need that isn't a requirement is the backend's fault."""
    with pytest.raises(NotADriverError, match="which is invalid"):
        needy_host(on_path, "acme client!").check(config_for())


@pytest.mark.parametrize(
    ("requires", "command"),
    [
        ("no-such-db[fast]>=1", "pip install 'no-such-db[fast]>=1'"),
        ("no-such-db @ https://acme.example/no-such-db.whl",) * 2,
    ],
)
def test_command_is_the_whole_requirement(on_path: Site, requires: str, command: str) -> None:
    """What is installed is what was declared: a name alone may be a stranger's on the index."""
    host = needy_host(on_path, requires)
    with pytest.raises(DriverDependencyError) as caught:
        host.open(config_for())
    assert command in str(caught.value.command)


def test_need_of_another_platform(on_path: Site) -> None:
    """A need whose marker doesn't hold here is none."""
    needy_host(on_path, "no-such-db; python_version < '3'").check(config_for())


def test_other_requirements_that_are_none(on_path: Site) -> None:
    """A Requires-Dist that is no requirement hides no other."""
    requires = "Requires-Dist: acme client!\nRequires-Dist: acme-client<2\n"
    with pytest.raises(DriverDependencyError, match=r"acme-client<2, and 2\.1"):
        needy_host(on_path, "acme-client", requires=requires).check(config_for())


def test_needed_distribution_without_a_version(on_path: Site) -> None:
    """A distribution whose METADATA has no version meets no requirement of one."""
    host = needy_host(on_path, "no-version>=1")
    on_path.install("no-version", metadata="Metadata-Version: 2.1\nName: no-version\n")
    with pytest.raises(DriverDependencyError, match="no-version>=1, and unknown is installed"):
        host.check(config_for())


def test_asked_until_it_is_met(on_path: Site) -> None:
    """A need is compared with what is installed until it is met, and a backend describes itself as often."""
    backend = Needy("late-client>=2")
    host = PluginHost(on_path.index())
    host.register("acme", backend, distribution="acme-db", version="1.0")
    with pytest.raises(DriverDependencyError):
        host.check(config_for())
    on_path.install("late-client", "2.1")
    for call in (host.check, host.described, host.open):
        call(config_for())
    assert backend.described == 2
