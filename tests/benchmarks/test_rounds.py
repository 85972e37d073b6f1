"""Contestants' processes, and the turns that they take."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contestants.listing import contestant
from contestants.work import Work
from ruler.processes import LeftOut, Place, Running
from ruler.rounds import compete

if TYPE_CHECKING:
    from contestants.roles import Target

PYTHON = Path(sys.executable)

#: One version of the protocol is enough for what processes do.
ONE_VERSION = pytest.mark.parametrize("protocol", [5], indirect=True, scope="session")


@pytest.fixture
def place(target: Target, tmp_path: Path) -> Place:
    """The stub, with rounds that are as short as can be."""
    return Place(target.host, target.port, 0.01, tmp_path / "errors.txt")


@pytest.fixture
def told() -> list[str]:
    """What is told while contestants compete."""
    return []


@ONE_VERSION
def test_contestants_take_turns(place: Place, backend: str, told: list[str]) -> None:
    """Each does all rounds, each round begins with another one, and their values have one checksum."""
    names = (f"coodie-{backend}", f"{backend}-driver")
    entered = {contestant(name): PYTHON for name in names}
    outcome = compete(Work.of("read-8"), entered, place, 2, told.append)
    assert outcome.left_out == {}
    assert [len(outcome.contestants[name]["rounds"]) for name in names] == [2, 2]
    assert len({known["checked"] for known in outcome.contestants.values()}) == 1
    for known in outcome.contestants.values():
        for one in known["rounds"]:
            assert one["cpu"] > 0
            assert one["rows"] == one["count"] >= 8
    turns = [line for line in told if line.startswith("round")]
    assert [line.rpartition(" ")[2] for line in turns] == [*names, *reversed(names)]


@ONE_VERSION
def test_data_frames(place: Place, backend: str, told: list[str]) -> None:
    """All make the same data frame of several pages, and tell how far memory grew."""
    pytest.importorskip("pandas", reason="pandas isn't installed here")
    names = (f"coodie-{backend}", f"coodie-{backend}+objects", f"{backend}-driver", f"{backend}-driver+numpy")
    outcome = compete(
        Work.of("frame-12000"), dict.fromkeys(map(contestant, names), PYTHON), place, 1, told.append
    )
    assert outcome.left_out.keys() <= {names[-1]}
    assert len({known["checked"] for known in outcome.contestants.values()}) == 1
    for known in outcome.contestants.values():
        assert known["rounds"][0]["rows"] == 12_000
        assert known["rounds"][0]["held"] > 0


@ONE_VERSION
def test_rounds_of_their_own_processes(place: Place, backend: str, told: list[str]) -> None:
    """Connecting, memory and imports are measured afresh each time."""
    entered = {contestant(f"coodie-{backend}"): PYTHON}
    for name, measured in (
        ("connect", "cpu"),
        ("cold", "cpu"),
        ("memory-10000", "grown"),
        ("burst-64", "request"),
        ("sessions-2", "session"),
        ("import", "cpu"),
    ):
        outcome = compete(Work.of(name), entered, place, 2, told.append)
        (known,) = outcome.contestants.values()
        assert len(known["rounds"]) == 2
        assert all(measured in one for one in known["rounds"])


@ONE_VERSION
def test_rounds_at_a_rate(place: Place, backend: str, told: list[str]) -> None:
    """Latencies and CPU, on an event loop and with callbacks; not the clock, which the rate determines."""
    entered = {contestant(name): PYTHON for name in (f"coodie-{backend}", f"{backend}-driver")}
    outcome = compete(Work.of("rate-500"), entered, place, 1, told.append)
    assert outcome.left_out == {}
    for known in outcome.contestants.values():
        (one,) = known["rounds"]
        assert one["count"] == 20
        assert 0 < one["p50"] <= one["p99"]
        assert "cpu" in one
        assert "wall" not in one


@ONE_VERSION
def test_connections_of_a_client_are_counted(place: Place, backend: str, told: list[str]) -> None:
    """Each client has at least two: one for the driver's events, and one for requests."""
    entered = {contestant(f"{backend}-driver"): PYTHON}
    outcome = compete(Work.of("sessions-3"), entered, place, 1, told.append)
    (known,) = outcome.contestants.values()
    assert known["rounds"][0]["connections"] >= 2 * known["rounds"][0]["count"] == 6


@ONE_VERSION
def test_who_cannot_is_left_out_with_a_reason(place: Place, told: list[str]) -> None:
    """A client that isn't installed here is named, and so is why."""
    outcome = compete(Work.of("read-1"), {contestant("acsylla"): PYTHON}, place, 1, told.append)
    assert outcome.contestants == {}
    assert outcome.left_out == {"acsylla": "No module named 'acsylla'"}


@ONE_VERSION
def test_who_fails_is_left_out(place: Place, backend: str) -> None:
    """A contestant whose server is gone says its last error; nothing of it stays."""
    nowhere = Place(place.host, 1, 0.01, place.log)
    process = Running(contestant(f"{backend}-driver"), PYTHON, "read-1", nowhere)
    try:
        with pytest.raises(LeftOut, match="NoHostAvailable"):
            process.answer()
    finally:
        process.kill()


@ONE_VERSION
def test_no_contestant_imports_the_callers_modules(
    place: Place, backend: str, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What PYTHONPATH names is the caller's: a contestant measures what its environment has."""
    (tmp_path / "coodie.py").write_text("raise ImportError('not this one')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name in ("read-1", "import"):
        outcome = compete(Work.of(name), {contestant(f"coodie-{backend}"): PYTHON}, place, 1, told.append)
        assert outcome.left_out == {}


def test_a_name_that_is_wrong_lists_the_right_ones() -> None:
    """Contestants, variants and workloads."""
    with pytest.raises(ValueError, match="there are coodie-scylla, coodie-cassandra, "):
        contestant("acsyla")
    for name in ("acsylla+uvlop", "acsylla+nofast"):
        with pytest.raises(ValueError, match=r"the variants of acsylla are \+uvloop$"):
            contestant(name)
    for name in ("reed-1", "read-x", "read-0"):
        with pytest.raises(ValueError, match="write one of read, insert"):
            Work.of(name)
