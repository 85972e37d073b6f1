"""Forbidden content of the project's files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

#: Hosts that packages and jars come from: which one it is, is for the user's tools to know. In halves, so
#: that this file doesn't contain them.
HOSTS = tuple(
    "".join(halves)
    for halves in (
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("repo", "1.maven"),
        ("repo.", "maven"),
        ("central.", "sonatype"),
        ("maven", "central.org"),
        ("proxy.", "golang.org"),
    )
)

#: Options with an index or a directory of wheels.
OPTIONS = re.compile(r"--(?:extra-)?index-url[ =]\S*//|--find-links[ =]|--trusted-hos[t]")

#: Absolute paths of somebody's machine, at the start of a word.
PATHS = re.compile(r"(?:^|[\s\"'`=(:,\[])/(?:(?:work|root)(?![\w-])|(?:home|Users|opt|tmp)/\w)")

LARGEST = 1_000_000


def lines_of(tracked: list[Path]) -> list[tuple[Path, int, str]]:
    """Yield all lines of all text files, with path and line number."""
    found = []
    for file in tracked:
        content = file.read_bytes()
        if b"\0" not in content:
            lines = content.decode("utf-8").splitlines()
            found += [(file, number, line) for number, line in enumerate(lines, 1)]
    return found


@pytest.mark.parametrize(
    "halves", [("see /wo", "rk/x"), ('"/ro', 'ot"'), ("=/tm", "p/x"), ("(/ho", "me/me/x")]
)
def test_paths_are_recognised(halves: tuple[str, str]) -> None:
    """The pattern matches absolute paths."""
    assert PATHS.search("".join(halves))


@pytest.mark.parametrize(
    "text", ["docs/work", "https://example.org/home/x", "/workers", "/dev/shm", "a/tmp/x"]
)
def test_other_paths_are_fine(text: str) -> None:
    """The pattern doesn't match relative paths and URLs."""
    assert PATHS.search(text) is None


def test_no_package_host(tracked: list[Path]) -> None:
    """No file contains the host of a package index or a repository of jars."""
    bad = [place for place in lines_of(tracked) if any(host in place[2] for host in HOSTS)]
    assert bad == []


def test_no_index_option(tracked: list[Path]) -> None:
    """No file sets pip's index."""
    assert [place for place in lines_of(tracked) if OPTIONS.search(place[2])] == []


def test_no_machine_path(tracked: list[Path]) -> None:
    """No file contains an absolute path of a machine."""
    assert [place for place in lines_of(tracked) if PATHS.search(place[2])] == []


def test_no_large_file(tracked: list[Path]) -> None:
    """No file is so large that it belongs in a cache."""
    assert [file for file in tracked if file.stat().st_size > LARGEST] == []


def test_no_environment_or_cache(tracked: list[Path]) -> None:
    """Files of tools are ignored by git."""
    left = {".venvs", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}
    assert [file for file in tracked if left & set(file.parts)] == []
