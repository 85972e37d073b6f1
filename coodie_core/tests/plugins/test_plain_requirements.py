"""Requirements that are met, recognised without packaging."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from coodie_core.tests.distributions import Site
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from coodie.plugins.discovery import explicit_entry_point
from coodie.plugins.plain_requirements import is_plainly_met

if TYPE_CHECKING:
    from pathlib import Path

    from coodie.plugins.discovery import DriverEntryPoint

_RELEASES = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
_OTHERS = st.sampled_from(
    ["1.0rc1", "2.dev0", "1.post1", "1!2", "1.0+local", "2.*", "1..2", ".1", "1.", "x", ""]
)
_VERSIONS = st.one_of(_RELEASES, _OTHERS)
_SIGNS = st.sampled_from(["<", "<=", "==", "!=", ">=", ">", "~=", "===", "=", "=>", ""])
_COMPARISONS = st.tuples(st.sampled_from(["<", "<=", "==", "!=", ">=", ">"]), _RELEASES).map("".join)
_SPACES = st.sampled_from(["", "", " "])
_CLAUSES = st.tuples(_SPACES, _SIGNS, _SPACES, _VERSIONS, _SPACES).map("".join)
_ENDS = st.sampled_from(
    ["", "", "", ",", "; python_version > '3'", "; python_version < '3'", "[extra]", " @ file:///x"]
)
_WANTED = st.tuples(st.lists(_CLAUSES, max_size=3).map(",".join), _ENDS).map("".join)


def entry_of(distribution: str = "") -> DriverEntryPoint:
    """Return the entry point of a backend that the application has registered."""
    return explicit_entry_point("acme", object(), distribution, "1.0")


def is_met(need: str, version: str) -> bool:
    """Say what packaging does of a requirement for the distribution that is installed."""
    try:
        wanted = Requirement(need)
        return wanted.specifier.contains(version, prereleases=True)
    except ValueError:
        return False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a directory that isn't on the path yet."""
    directory: Path = tmp_path_factory.mktemp("plain")
    return Site(directory / "site")


@given(wanted=_WANTED, version=_VERSIONS.filter(bool), own=st.booleans())
def test_never_more_than_packaging(site: Site, wanted: str, version: str, own: bool) -> None:
    """What is plainly met is so for packaging, in the backend's declaration and in its metadata."""
    metadata = f"Metadata-Version: 2.1\nName: acme-db\nVersion: 1\nRequires-Dist: Acme.Client{wanted}\n"
    site.install("acme-db", metadata=metadata)
    info = site.install(
        "acme-client", "1", metadata=f"Metadata-Version: 2.1\nName: acme-client\nVersion: {version}\n"
    )
    assert info.name == "acme_client-1.dist-info"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coodie.plugins.discovery.find_installed.__defaults__", (site.distributions,))
        if is_plainly_met(
            "acme_client" if own else f"acme_client{wanted}", entry_of("acme-db" if own else "")
        ):
            assert is_met(f"acme_client{wanted}", version)


@given(wanted=st.lists(_COMPARISONS, max_size=3).map(",".join), version=_RELEASES)
def test_as_much_as_packaging_of_release_numbers(site: Site, wanted: str, version: str) -> None:
    """Comparisons of release numbers need no packaging if they are met."""
    site.install(
        "acme-client", "1", metadata=f"Metadata-Version: 2.1\nName: acme-client\nVersion: {version}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coodie.plugins.discovery.find_installed.__defaults__", (site.distributions,))
        assert is_plainly_met(f"acme-client{wanted}", entry_of()) == is_met(f"acme-client{wanted}", version)
