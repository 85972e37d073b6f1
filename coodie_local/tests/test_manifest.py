"""The lock files."""

from __future__ import annotations

import re

import pytest

from coodie.exceptions import UnsupportedError
from coodie_local import UnsupportedPlatformError
from coodie_local._releases import DEFAULT_VERSION, load_manifest, parse_manifest


def test_the_shipped_lock_pins_every_jar() -> None:
    """Each of the 47 jars has coordinates, a size and a SHA-256; file names are unique."""
    manifest = load_manifest(DEFAULT_VERSION, "linux-x86_64")
    assert len(manifest.jars) == 47
    assert manifest.size == 45_724_914
    assert all(jar.size > 0 and re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in manifest.jars)
    assert len({(jar.group, jar.file_name) for jar in manifest.jars}) == 47
    assert manifest.jars[0].file_name == f"cassandra-all-{DEFAULT_VERSION}.jar"


def test_a_classifier_is_part_of_the_file_name() -> None:
    """A platform's native jar has another name than the plain one."""
    manifest = load_manifest(DEFAULT_VERSION, "linux-x86_64")
    names = [jar.file_name for jar in manifest.jars if jar.classifier]
    assert names == ["netty-transport-native-epoll-4.1.130.Final-linux-x86_64.jar"]


@pytest.mark.parametrize(("version", "platform"), [("5.0.9", "linux-aarch64"), ("3.11.0", "linux-x86_64")])
def test_an_unsupported_platform_or_version_says_what_there_is(version: str, platform: str) -> None:
    """The error has the requested platform, the supported ones, and the alternative."""
    with pytest.raises(
        UnsupportedPlatformError, match=rf"{version} for {platform}.*5\.0\.9\.linux"
    ) as caught:
        load_manifest(version, platform)
    assert isinstance(caught.value, UnsupportedError)
    assert caught.value.platform == platform
    assert caught.value.hint is not None
    assert "hosts" in caught.value.hint


def test_the_digest_follows_content_and_order() -> None:
    """Other jars, or another order on the class path, result in another digest."""
    entry = '{"g": "g", "a": "%s", "v": "1", "c": "", "size": 1, "sha256": "%s"}'
    one, two = entry % ("a", "0" * 64), entry % ("b", "1" * 64)
    digests = {
        parse_manifest(f"[{first}, {second}]", cassandra="1", platform="p").digest
        for first, second in ((one, two), (two, one), (one, one))
    }
    assert len(digests) == 3
