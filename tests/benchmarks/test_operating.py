"""The benchmarks of overload and of warming up run, and report what the page shows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contestants import synchronous
from contestants.coodie_clients import CoodieSync
from contestants.roles import Target
from contestants.work import Work
from ruler import stub

if TYPE_CHECKING:
    import pytest

_BENCHMARKS = Path(stub.__file__).resolve().parent.parent


def _report(program: str, *arguments: str) -> Any:
    command = [sys.executable, str(_BENCHMARKS / program), "--json", "--rounds", "1", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)


def test_a_node_at_its_limit(stub_program: Path, backend: str, request: pytest.FixtureRequest) -> None:
    """With work, requests take as long as they are said to, one after the other."""
    with stub.running(stub_program, work=20_000) as port:
        client = CoodieSync(backend)
        client.open(Target("127.0.0.1", port))
        request.addfinalizer(client.close)
        began = time.monotonic()
        work = Work.of("rows-100")
        assert synchronous.check(client, work) == work.expected()
        assert time.monotonic() - began >= 0.02


def test_overload(stub_program: Path, backend: str) -> None:
    """Both drivers have a goodput at each load, and only the one with a limit rejects requests."""
    del stub_program  # built
    report = _report("overload.py", "--driver", backend, "--seconds", "0.4", "--loads", "0.5,3")
    assert set(report) == {"0.5", "3"}
    for rows in report.values():
        assert set(rows) == {"without a limit", "max_in_flight=64"}
        assert all(row["goodput"] >= 0 for row in rows.values())
        assert rows["without a limit"]["rejected"] == 0
    assert report["3"]["max_in_flight=64"]["rejected"] > 0


def test_warming_up(stub_program: Path, backend: str) -> None:
    """The ratio of the first request to a warm one, in both worlds, with and without warm()."""
    del stub_program  # built
    report = _report("warm.py", "--driver", backend)
    worlds = ("blocking", "event loop")
    assert set(report) == {f"{world}, {way}" for world in worlds for way in ("without", "after warm()")}
    assert all(ratio > 0 for ratio in report.values())
