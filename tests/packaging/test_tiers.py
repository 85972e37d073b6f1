"""The two tiers: each directory of tests is in one of them, and no test runs twice."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tiers
from checks import NATIVE, with_default_paths
from steps import Failure, Steps
from tiers import EXTENDED, TEST, Part, arguments_for, jobs_of_test, jobs_of_test_all

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Directories whose tests another target runs, with that target.
ELSEWHERE = {
    "tests/recipes": "recipes",
    "tests/compatibility": "compatibility",
    "coodie_accel/tests": "accel",
    "coodie_rust/tests": "test-rust",
    "coodie_acsylla/tests": "test-acsylla",
    "tests/together": "test-together",
    "tests/differential": "differential",
}


def directories(root: Path) -> set[str]:
    """Return the directories with tests."""
    files = [*root.glob("tests/**/test_*.py"), *root.glob("coodie_*/tests/**/test_*.py")]
    return {str(file.parent.relative_to(root)) for file in files}


def runs(part: Part, directory: str) -> bool:
    """Return whether a part has a directory."""
    return any(Path(directory).is_relative_to(path) for path in part.paths)


def test_every_directory_is_in_a_tier(root: Path) -> None:
    """Each directory of tests is in a tier, and each directory of a tier exists."""
    for directory in directories(root):
        if not any(map(Path(directory).is_relative_to, ELSEWHERE)):
            assert any(runs(part, directory) and not part.marks for part in (*TEST, *EXTENDED)), directory
    for part in (*TEST, *EXTENDED):
        for path in part.paths:
            assert (root / path).is_dir(), path


def test_both_backends_run_what_needs_a_server(root: Path) -> None:
    """Integration tests and the kit run with both backends."""
    for backend in ("scylla", "cassandra"):
        parts = [part for part in TEST if part.backend == backend]
        assert all(any(runs(part, path) for part in parts) for path in ("tests/integration", "tests/kit"))


@pytest.mark.parametrize("backend", ["scylla", "cassandra"])
def test_both_tiers_together_run_all_combinations(backend: str) -> None:
    """The second tier runs the combinations that the first tier doesn't."""
    one, others = ("--combinations=0",), ("--combinations=1,2,3",)
    first = [part for part in TEST if part.backend == backend and part.options == one]
    second = [part for part in EXTENDED if part.backend == backend and part.options == others]
    assert {path for part in first for path in part.paths} == {path for part in second for path in part.paths}
    assert not any(part.marks for part in (*first, *second))
    assert first


def test_the_second_tier_has_every_test_that_is_marked_for_it(root: Path) -> None:
    """Each test with a mark of the second tier is in a part."""
    files = [*root.glob("tests/**/test_*.py"), *root.glob("coodie_*/tests/**/test_*.py")]
    marked = [file for file in files if "mark.extended" in file.read_text(encoding="utf-8")]
    assert marked
    for file in set(marked) - {Path(__file__), root / "tests/packaging/test_long_marks.py"}:
        directory = str(file.parent.relative_to(root))
        parts = [part for part in EXTENDED if runs(part, directory)]
        assert any("extended" in part.marks for part in parts), file


@pytest.mark.parametrize("tier", [TEST, EXTENDED], ids=["make test", "what make test-all adds"])
def test_nothing_runs_twice(root: Path, tier: Sequence[Part]) -> None:
    """No two parts of a tier have the same directory, backend and options."""
    for one, other in combinations(tier, 2):
        if (one.backend, one.options, one.marks) == (other.backend, other.options, other.marks):
            both = [path for path in directories(root) if runs(one, path) and runs(other, path)]
            assert both == [], f"{one.title}, {other.title}"


@pytest.mark.parametrize("backend", ["scylla", "cassandra"])
def test_each_backend_runs_all_unit_tests(root: Path, backend: str) -> None:
    """Each test that a part ignores is in another part of the same backend; `make test-BACKEND` runs all."""
    assert "coodie_core/tests" in arguments_for(backend)
    for part in EXTENDED:
        for option in part.options:
            if part.backend == backend and (left_out := option.partition("--ignore=")[2]):
                assert (root / left_out).is_dir()
                assert any(left_out in other.paths for other in TEST if other.backend == backend), left_out


def test_the_second_tier_has_what_other_targets_run() -> None:
    """The second tier has the tests of other targets, such as `make accel` and `make test-rust`."""
    names = {job.name for job in jobs_of_test_all(Steps(), None)}
    for backend in ("scylla", "cassandra"):
        assert {f"{backend}: accelerator", f"{backend}: compatibility", "example"} <= names
    for backend in NATIVE:
        assert {f"{backend}: types", f"{backend}: tests"} <= names
        assert arguments_for(backend) == [f"{NATIVE[backend]}/tests"]
    assert "together: all backends in one environment" in names


def test_only_the_second_tier_has_a_time_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """COODIE_TEST_MINUTES never skips a job of `make test`; invalid values are an error."""
    first = {job.name for job in jobs_of_test(Steps(), None)}
    times = {job.name: job.begin_by for job in jobs_of_test_all(Steps(), None, begin_by=60.0)}
    assert {name for name, begin_by in times.items() if begin_by is None} == first
    monkeypatch.setenv("COODIE_TEST_MINUTES", "an hour")
    with pytest.raises(Failure, match="COODIE_TEST_MINUTES must be a whole number of minutes, not 'an hour'"):
        tiers.test_all(Steps())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("-k", "x"), False),
        ((), False),
        (("-x", "tests/docs"), True),
        (("tests/packaging/test_tiers.py::test_x[a]",), True),
    ],
)
def test_what_is_named_runs_alone(options: tuple[str, ...], *, named: bool) -> None:
    """The command for a failed test doesn't run its directory."""
    assert with_default_paths(options, "tests") == [*options, *([] if named else ["tests"])]
