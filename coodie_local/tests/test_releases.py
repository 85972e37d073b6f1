"""The versions of Cassandra."""

from __future__ import annotations

import pytest

from coodie.exceptions import ConfigurationError
from coodie_local import LocalCluster
from coodie_local._releases import DEFAULT_VERSION, RELEASES, find_release, load_manifest


def test_every_version_has_a_lock_file_of_its_own_jars() -> None:
    """All versions have lock files; the default is the first in the table."""
    for release in RELEASES:
        jars = load_manifest(release.version, "linux-x86_64").jars
        assert [jar.version for jar in jars if jar.artifact == "cassandra-all"] == [release.version]
        assert find_release(release.version) is release
    assert RELEASES[0].version == DEFAULT_VERSION
    assert len({release.version for release in RELEASES}) == len(RELEASES)


def test_an_unknown_version_lists_those_there_are() -> None:
    """An unknown version is an error before the start."""
    with pytest.raises(ConfigurationError, match=r"version='3\.11\.0'.*Use one of: 5\.0\.9") as caught:
        LocalCluster("n", version="3.11.0")
    assert caught.value.option == "version"
    for release in RELEASES:
        assert release.version in str(caught.value)
