"""Three nodes under load while they are killed, paused, overloaded, cut off and restarted."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
from tests.reliability.ledger import Claim
from tests.reliability.namespace import deafen, is_inside, run_inside
from tests.reliability.stage import SCENES, TIMEOUT, Stage

from coodie.exceptions import (
    ConnectionFailedError,
    OverloadedError,
    RequestTimeoutError,
    ServerError,
    UnavailableError,
)
from coodie_local import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.reliability, pytest.mark.server, pytest.mark.timeout(3600)]

#: Seconds under load: 60 is the short form, 600 the long one; each scene is played at least once.
DURATION = float(os.environ.get("COODIE_RELIABILITY_SECONDS", "60"))
#: Seconds by which a request may exceed its timeout on a machine that is busy with three JVMs.
SLACK = 7.0

#: What a request may end with while a node or two are gone.
RIGHT = (RequestTimeoutError, UnavailableError, ConnectionFailedError, OverloadedError, ServerError)


@pytest.fixture
def stage(backend: str, tmp_path: Path) -> Iterator[Stage]:
    """Start the cluster."""
    with (
        LocalCluster("load", nodes=3, profile="durable", directory=tmp_path / "load", timeout=300) as cluster,
        ExitStack() as stack,
    ):
        yield Stage(cluster, backend, stack)


def play(
    stage: Stage, scenes: Sequence[Callable[[Stage], None]], record_property: Callable[[str, object], None]
) -> None:
    """Play each scene at least once, under load; look at what is there afterwards."""
    end = time.monotonic() + DURATION
    back: dict[str, list[float]] = {}
    with stage.load():
        time.sleep(6)
        normal = stage.rates(3)
        assert all(normal.values()), normal
        for number, scene in enumerate(cycle(scenes)):
            if number >= len(scenes) and time.monotonic() > end:
                break
            scene(stage)
            back.setdefault(scene.__name__, []).append(stage.wait_for_recovery(normal))
    records = stage.records.values()
    longest = max(record.longest for record in records)
    assert {kind for record in records for kind in record.errors if not issubclass(kind, RIGHT)} == set()
    assert stage.ledger.lies(stage.driver) == []
    assert stage.registers.contradictions() == []
    assert longest < TIMEOUT + SLACK
    figures: dict[str, Any] = {f"writes, {claim.value}": stage.ledger.count(claim) for claim in Claim}
    figures |= {
        "told wrong": 0,
        "conditional writes and serial reads, outcome known": stage.registers.count(unknown=False),
        "outcome unknown": stage.registers.count(unknown=True),
        "rows whose history isn't linearizable": 0,
        "longest request (s)": round(longest, 1),
    }
    for name, seconds in back.items():
        times = f" (the longest of {len(seconds)})" if len(seconds) > 1 else ""
        figures[f"until throughput is back after {name} (s){times}"] = round(max(seconds), 1)
    for name, value in figures.items():
        record_property(name, value)


def test_what_a_write_says_of_itself_is_so(
    stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    """Under all faults of nodes, writes did what they reported, and conditional ones are linearizable."""
    play(stage, SCENES, record_property)


def test_nodes_that_do_not_hear_each_other(
    request: pytest.FixtureRequest, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """So they are while clients reach all nodes, and one, two or three of them don't hear the others."""
    if not is_inside():
        run_inside(request, tmp_path, record_property)
        return
    stage: Stage = request.getfixturevalue("stage")
    select = "SELECT value FROM system_views.settings WHERE name = 'storage_port'"
    port = int(stage.driver.execute_one(select, []))

    def deaf(*indexes: int) -> Callable[[Stage], None]:
        hosts = [stage.nodes[index].host for index in indexes]

        def scene(_: Stage) -> None:
            deafen(hosts, port, deaf=True)
            time.sleep(8)
            deafen(hosts, port, deaf=False)

        scene.__name__ = f"{len(indexes)} deaf"
        return scene

    play(stage, [deaf(1), deaf(0, 2), deaf(0, 1, 2)], record_property)
