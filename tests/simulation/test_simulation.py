"""The simulation holds what it promises: seeds pass, replay to the letter, and find planted bugs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulation.plants import PLANTS

ROOT = Path(__file__).resolve().parents[2]
#: Seconds that some seeds take on a busy machine.
_TIMEOUT = 600

pytestmark = pytest.mark.timeout(_TIMEOUT)


def simulate(*arguments: str) -> tuple[int, str]:
    """Run seeds in a process of their own; return its status, and what it prints."""
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    return ended.returncode, ended.stdout + ended.stderr


def test_seeds_hold(backend: str) -> None:
    """Whatever goes wrong, requests end once and in time, with their own rows or a true error."""
    status, said = simulate("0+3", "--backend", backend)
    assert status == 0, said


@pytest.mark.extended
def test_a_seed_replays_to_the_letter(backend: str) -> None:
    """Two processes take the same steps at the same times."""
    digests = set()
    for jobs in ("1", "2"):
        status, said = simulate("5+3", "--backend", backend, "--jobs", jobs)
        assert status == 0, said
        digests |= set(re.findall(r"digest (\w+)", said))
    assert len(digests) == 1


@pytest.mark.extended
def test_a_failing_seed_is_shrunk_and_says_how_to_replay_it(backend: str) -> None:
    """Its faults are as few as fail, and the command names them."""
    status, said = simulate("0+1", "--backend", backend, "--plant", "wrong-answer")
    assert status == 1, said
    (command,) = set(re.findall(r'make simulate SEEDS=0 ARGS="--faults=([\d,]*)"', said))
    status, said = simulate(
        "0", "--backend", backend, "--plant", "wrong-answer", f"--faults={command}", "--no-shrink"
    )
    assert status == 1, said


@pytest.mark.extended
@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_planted_bugs_are_found(backend: str, plant: str) -> None:
    """Each within 200 seeds."""
    status, said = simulate("0+200", "--backend", backend, "--plant", plant, "--no-shrink")
    assert status == 1, said
    assert re.search(r"^seed \d+:", said, re.MULTILINE)
