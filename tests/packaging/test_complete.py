"""In CI, where all packages for tests must be installed, a missing one is a failure."""

from __future__ import annotations

import shutil
import subprocess
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


@pytest.mark.extended
@pytest.mark.parametrize(("complete", "failed"), [("", 0), ("1", 1)])
def test_a_skip_for_lack_of_a_package(
    pytester: pytest.Pytester, root: Path, monkeypatch: pytest.MonkeyPatch, complete: str, failed: int
) -> None:
    """With COODIE_TEST_COMPLETE, it is a failure with the reason; other skips remain skips."""
    monkeypatch.setenv("COODIE_TEST_COMPLETE", complete)
    pytester.makeconftest((root / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-rs")
    result.assert_outcomes(failed=failed, skipped=2 - failed)
    assert ("COODIE_TEST_COMPLETE is set" in result.stdout.str()) is bool(failed)


def test_a_step_that_lacks_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step is skipped, or fails with COODIE_TEST_COMPLETE."""
    monkeypatch.delenv("COODIE_TEST_COMPLETE", raising=False)
    steps = Steps()
    steps.skip("accelerator", "needs a compiler")
    assert steps.outcomes[0].counts is not None
    assert steps.outcomes[0].counts.skipped == {"needs a compiler": 1}
    monkeypatch.setenv("COODIE_TEST_COMPLETE", "1")
    with pytest.raises(Failure, match="accelerator: needs a compiler"):
        steps.skip("accelerator", "needs a compiler")


#: Replaces commands: records its name and arguments, and succeeds.
STUB = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
"""


@pytest.mark.parametrize(
    ("lacking", "packages"),
    [
        ((), ""),
        (("cc",), "gcc libc6-dev"),
        (("cc", "Python.h"), "gcc libc6-dev python3-dev"),
        (("ensurepip", "make"), "make python3-venv"),
        (("chromium",), "chromium"),
    ],
)
def test_ci_installs_what_is_lacking(
    root: Path, tmp_path: Path, lacking: tuple[str, ...], packages: str
) -> None:
    """As root, CI installs exactly the Debian packages without which tests are skipped."""
    stubs = {name: STUB for name in ("apt-get", "cc", "chromium", "make") if name not in lacking}
    stubs["id"] = "#!/bin/sh\necho 0\n"
    stubs["python3"] = "#!/bin/sh\n" + "".join(
        f'case "$2" in *{name}*) exit 1;; esac\n' for name in lacking if name in {"ensurepip", "Python.h"}
    )
    for name, code in stubs.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    for name in ("bash", "basename", "dirname", "env", "sh"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    calls = tmp_path / "calls"
    calls.touch()
    done = subprocess.run(
        [root / ".ci" / "run"],
        env={"PATH": str(tmp_path), "CALLS": str(calls)},
        check=False,
        capture_output=True,
        text=True,
    )
    installed = [line for line in calls.read_text("utf-8").splitlines() if line.startswith("apt-get install")]
    assert installed == ([f"apt-get install -y -qq {packages}"] if packages else []), done.stderr
    assert "make" in lacking or calls.read_text("utf-8").splitlines()[-1] == "make test-all"
