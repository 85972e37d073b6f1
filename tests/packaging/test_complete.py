"""Where every package that tests need has to be installed, as in CI, a test that lacks one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from steps import Failure, Steps

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

TESTS = """
import pytest

def test_lacks_a_package(): pytest.skip("no browser (Debian: apt install chromium)")

def test_is_for_another_backend(): pytest.skip("only scylla-driver knows shards")
"""


@pytest.mark.parametrize(("complete", "failed"), [("", 0), ("1", 1)])
def test_a_skip_for_lack_of_a_package(
    pytester: pytest.Pytester, root: Path, monkeypatch: pytest.MonkeyPatch, complete: str, failed: int
) -> None:
    """It fails where COODIE_TEST_COMPLETE is set, and says so; other skips stay skips."""
    monkeypatch.setenv("COODIE_TEST_COMPLETE", complete)
    pytester.makeconftest((root / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-rs")
    result.assert_outcomes(failed=failed, skipped=2 - failed)
    assert ("COODIE_TEST_COMPLETE is set" in result.stdout.str()) is bool(failed)


def test_a_step_that_lacks_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a skip in the table, or a failure."""
    monkeypatch.delenv("COODIE_TEST_COMPLETE", raising=False)
    steps = Steps()
    steps.skip("accelerator", "needs a compiler")
    assert steps.outcomes[0].counts is not None
    assert steps.outcomes[0].counts.skipped == {"needs a compiler": 1}
    monkeypatch.setenv("COODIE_TEST_COMPLETE", "1")
    with pytest.raises(Failure, match="accelerator: needs a compiler"):
        steps.skip("accelerator", "needs a compiler")
