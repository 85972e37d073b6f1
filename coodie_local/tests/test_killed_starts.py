"""The state after a start was killed at any step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.extended,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]

SCRIPT = Path(__file__).with_name("killed_starts.py")


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("before", ["new", "crashed"])
@pytest.mark.parametrize("who", ["up", "launcher"])
def test_a_start_killed_at_any_step_leaves_nothing_or_what_is_told_and_ended(
    tmp_path: Path, jvms: Callable[[Path], list[int]], who: str, before: str, nodes: int
) -> None:
    """After `kill -9` before any step of `up` or the launcher, `status` lists what is left, `down` stops it.

    A process that becomes the JVM after the kill counts.
    """
    command = [sys.executable, str(SCRIPT), str(tmp_path), who, before, str(nodes)]
    environment = os.environ | {"COODIE_LOCAL_HOME": str(tmp_path), "COODIE_LOCAL_ARCHIVE": "0"}
    try:
        run = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        left = jvms(tmp_path)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert run.returncode == 0, run.stderr
    nothing, process = map(int, run.stdout.split())
    assert (nothing > 50 and process > 20) if who == "up" else (nothing == 0 and process > 4)
    assert left == []
