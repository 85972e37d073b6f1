"""The kit is tested itself: each planted defect is caught by the checks that are said to catch it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.kit import defective
from tests.kit.conftest import SPARED
from tests.kit.defects.planting import DEFECTS

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[2]


def run_kit(node: Any, folder: Path, tests: Iterable[str], *options: str) -> dict[str, dict[str, Any]]:
    """Run suites in a process of their own, on the session's server.

    Returns:
        Suite → check → way → outcome.
    """
    report = folder / "report.json"
    pytest_command = str(Path(sys.executable).with_name("pytest"))
    command = [
        pytest_command,
        "-q",
        "-p",
        "no:cacheprovider",
        f"--coodie-report=json:{report}",
        *options,
        *tests,
    ]
    environment = os.environ | {"COODIE_HOSTS": node.host, "COODIE_PORT": str(node.port)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)  # shown if a test fails
    assert report.is_file(), done.stderr
    suites = json.loads(report.read_text(encoding="utf-8"))["suites"]
    return {each["suite"].rpartition("::Test")[2]: each["outcomes"] for each in suites}


def _assert_caught(outcomes: dict[str, Any], checks: Iterable[str]) -> None:
    """See that checks failed in every way that they ran, and that the defect spares the rest."""
    for check in checks:
        assert set(outcomes[check].values()) == {"failed"}, f"{check}: {outcomes[check]}"
    assert set(outcomes[SPARED].values()) == {"passed"}


FILE = str(Path(defective.__file__).relative_to(ROOT))


#: Defects to a process, which takes seconds to begin and to create the tables of the kit.
BATCHES = [list(DEFECTS)[start : start + 20] for start in range(0, len(DEFECTS), 20)]


@pytest.mark.extended
@pytest.mark.skipif(defective.BACKEND != "scylla", reason="the kit's own test runs with one backend")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("names", BATCHES, ids=lambda names: names[0])
def test_a_defect_fails_each_of_its_checks(cassandra_node: Any, tmp_path: Path, names: list[str]) -> None:
    """All checks that are said to catch it do, sync and async."""
    tests = [f"{FILE}::Test{name}" for name in names]
    outcomes = run_kit(cassandra_node, tmp_path, tests, "--timeout=60")
    for name in names:
        _assert_caught(outcomes[name], DEFECTS[name].caught_by)


@pytest.mark.extended
@pytest.mark.timeout(3000)
def test_without_a_defect_all_is_well(cassandra_node: Any, tmp_path: Path) -> None:
    """What defects are planted in passes the kit, so that the defects alone are what is caught."""
    outcomes = run_kit(cassandra_node, tmp_path, [f"{FILE}::TestNothing"])["Nothing"]
    failed = [check for check, ways in outcomes.items() if "failed" in ways.values()]
    assert failed == []
    assert len(outcomes) > 250


def test_there_are_many() -> None:
    """Forty defects at least, each with its own name and its own words."""
    assert len(DEFECTS) >= 40
    assert len({defect.__doc__ for defect in DEFECTS.values()}) == len(DEFECTS)
