"""The pins in requirements/."""

from __future__ import annotations

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

#: A line of `make lock`: a name, an exact version, and possibly a marker for some interpreters.
PIN = re.compile(r"([a-z0-9][a-z0-9-]*)==([0-9][A-Za-z0-9.]*)(; python_version (?:<|>=|==) \"3\.\d+\")?")

BENCHMARKS = (
    "accel",
    "acsylla",
    "cassandra-asyncio",
    "coodie19",
    "cqlsh",
    "frames",
    "rsylla",
    "scylladb-rs",
    "scyllapy",
    "uvloop",
)
OURS = (
    "build",
    "scylla",
    "cassandra",
    "rust",
    "acsylla",
    "testing",
    "arrow",
    "frames",
    "dev",
    "recipes",
    "types",
    "object-mapper",
    "fuzz",
    "docs",
    "sigv4",
    "java-11",
)
FILES = (*OURS, *(f"bench-{name}" for name in BENCHMARKS))


def pins_of(root: Path, name: str) -> dict[str, str]:
    """Parse a file of pins."""
    pins = {}
    for line in (root / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            match = PIN.fullmatch(line)
            assert match is not None, f"requirements/{name}.txt: {line!r}"
            pins[match[1]] = match[2]
    return pins


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_an_exact_pin(root: Path, name: str) -> None:
    """No range, option or URL: the same versions everywhere, from any index."""
    assert pins_of(root, name)


def test_there_are_no_other_files(root: Path) -> None:
    """These tests read all files of pins."""
    assert {path.stem for path in (root / "requirements").glob("*.txt")} == set(FILES)


#: The files of an environment, in addition to the common ones.
TOGETHER = [
    ("cassandra", "object-mapper"),
    ("rust",),
    ("acsylla",),
    ("scylla", "rust", "acsylla"),
    ("cassandra", "rust", "acsylla"),
    ("sigv4",),
    ("scylla", "recipes"),
    ("scylla", "arrow", "frames"),
    ("cassandra", "arrow", "bench-frames"),
    ("cassandra", "arrow"),
    ("scylla", "rust", "object-mapper"),
]


@pytest.mark.parametrize("names", TOGETHER)
def test_files_agree(root: Path, names: tuple[str, ...]) -> None:
    """Files that are installed together have the same versions."""
    together = [pins_of(root, name) for name in ("build", "testing", "dev", *names)]
    for name in set().union(*together):
        assert len({pins[name] for pins in together if name in pins}) == 1, name


@pytest.mark.parametrize(("backend", "rival"), [("scylla", "cassandra"), ("cassandra", "scylla")])
def test_one_driver_to_a_file(root: Path, backend: str, rival: str) -> None:
    """No environment gets both drivers."""
    for name in (backend, "build", "dev", "rust", "acsylla"):
        assert f"{rival}-driver" not in pins_of(root, name)
    assert f"{backend}-driver" in pins_of(root, backend)


def test_this_environment_holds_nothing_unpinned(root: Path) -> None:
    """All installed third-party distributions are pinned."""
    if not Path(sys.prefix).is_relative_to(root / ".venvs"):
        pytest.skip("not an environment that `make` made")
    backend = Path(sys.prefix).name
    pinned = {
        key: version
        for name in ("build", backend, "arrow", "dev", "frames")
        for key, version in pins_of(root, name).items()
    }
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        if name not in {"pip", "setuptools"} and not name.startswith("coodie-"):
            assert distribution.version == pinned.get(name), name
