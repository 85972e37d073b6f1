"""The versions of Cassandra."""

from __future__ import annotations

import pytest

from coodie.exceptions import ConfigurationError
from coodie_local import LocalCluster
from coodie_local._releases import DEFAULT_VERSION, RELEASES, find_release, load_manifest


def test_every_version_has_a_lock_file_of_its_own_jars() -> None:
    """What can be asked for can be downloaded; the default is the first of the table."""
    for release in RELEASES:
        jars = load_manifest(release.version, "linux-x86_64").jars
        assert [jar.version for jar in jars if jar.artifact == "cassandra-all"] == [release.version]
        assert find_release(release.version) is release
    assert RELEASES[0].version == DEFAULT_VERSION
    assert len({release.version for release in RELEASES}) == len(RELEASES)


def test_an_unknown_version_lists_those_there_are() -> None:
    """It's refused when it's given, before anything happens."""
    with pytest.raises(ConfigurationError, match=r"version='3\.11\.0'.*Give one of: 5\.0\.9") as caught:
        LocalCluster("n", version="3.11.0")
    assert caught.value.option == "version"
    for release in RELEASES:
        assert release.version in str(caught.value)
