"""Ratios, tables, charts and the page that is made of them."""

from __future__ import annotations

import pytest

from ruler.charts import chart
from ruler.page import load_results, render
from ruler.ratios import Spread, costs, ratio
from ruler.tables import amount, header, lines, multiple
from ruler.targets import evaluate_targets


def rounds(*seconds: float, count: int = 1000) -> list[dict[str, float]]:
    """Return rounds that cost so much CPU, and twice as much of the clock."""
    return [{"cpu": one, "wall": 2 * one, "count": count} for one in seconds]


def test_a_cost_is_that_of_one_time() -> None:
    """Seconds of a round, by how often it did the work, in microseconds; memory as it is, in megabytes."""
    assert costs(rounds(0.5, 1.0), "cpu") == pytest.approx([500, 1000])
    assert costs(rounds(0.5), "wall") == pytest.approx([1000])
    assert costs([{"grown": 3_000_000, "count": 7}], "grown") == pytest.approx([3])


def test_ratios_are_paired_by_round() -> None:
    """A round that was slow for both counts as any other: medians of ratios, not ratios of medians."""
    slow_in_the_middle = rounds(1.0, 10.0, 1.0), rounds(2.0, 20.0, 4.0)
    found = ratio(*slow_in_the_middle)
    assert found == Spread(median=0.5, least=0.25, most=0.5)


def test_ratios_heed_how_often_work_was_done() -> None:
    """Contestants do the work as often as they can in a round: each is divided by its own count."""
    found = ratio(rounds(1.0, count=10_000), rounds(1.0, count=1000))
    assert found is not None
    assert found.median == pytest.approx(0.1)


def test_there_is_no_ratio_to_nothing() -> None:
    """Memory that didn't grow, or no rounds, can't be divided by."""
    assert ratio(rounds(1.0), rounds(0.0)) is None
    assert ratio([], []) is None
    assert multiple(None) == "–"


def test_tables_begin_with_the_cheapest() -> None:
    """Costs with units, and a column for each contestant that others are compared with and that took part."""
    contestants = {"slow": {"rounds": rounds(0.4, 0.4)}, "fast": {"rounds": rounds(0.1, 0.2)}}
    assert header(contestants, ["slow", "absent"]) == ["client", "CPU", "clock", "CPU ÷ slow"]
    assert lines(contestants, ["slow", "absent"]) == [
        ["fast", "150 µs", "300 µs", "0.375 = 1/2.7 (0.250–0.500)"],
        ["slow", "400 µs", "800 µs", "1.000 (1.000–1.000)"],
    ]


@pytest.mark.parametrize(
    ("value", "measure", "written"),
    [
        (12.34, "cpu", "12.3 µs"),
        (25_000, "cpu", "25.0 ms"),
        (2_500_000, "wall", "2.50 s"),
        (5.2, "grown", "5.2 MB"),
        (1.234, "held", "1.23 ×"),
    ],
)
def test_amounts_have_the_unit_that_reads_well(value: float, measure: str, written: str) -> None:
    """Micro-, milliseconds or seconds, and megabytes."""
    assert amount(value, measure) == written


def test_charts_are_the_same_for_the_same_figures() -> None:
    """No date, no random name: a chart in the repository changes only with its figures."""
    contestants = {"coodie-scylla": {"rounds": rounds(0.1)}, "a<b": {"rounds": rounds(0.3, 0.4)}}
    drawn = chart("read-64", contestants)
    assert drawn == chart("read-64", dict(reversed(contestants.items())))
    assert drawn.index("coodie-scylla") < drawn.index("a&lt;b")


def test_the_page_is_what_its_figures_make() -> None:
    """Nobody edited a table, and the charts are those of the figures that are kept."""
    for path, text in render(load_results()).items():
        assert path.read_text(encoding="utf-8") == text, path


def test_targets_are_judged_by_the_median() -> None:
    """Against the cheapest of several, and only where who is compared took part."""
    seconds = {
        "coodie-scylla": (0.1, 0.1, 9.0),
        "coodie-scylla+uvloop": (0.1,),
        "coodie-1.9": (2.0, 2.0, 2.0),
        "acsylla+uvloop": (0.17,),
        "scylladb-rs-driver+uvloop": (0.5,),
    }
    contestants = {name: {"rounds": rounds(*each), "facts": {}} for name, each in seconds.items()}
    results = {"stub/read-64": {"contestants": contestants}}
    assert [(line[2], line[4]) for line in evaluate_targets(results)] == [
        ("≤ 0.650", "reached"),
        ("≤ 1.000", "reached"),
        ("≤ 0.056", "reached"),
    ]
    contestants["acsylla+uvloop"] = {"rounds": rounds(0.15), "facts": {}}
    assert next(evaluate_targets(results))[4] == "missed"
    del contestants["coodie-1.9"]
    assert [line[2] for line in evaluate_targets(results)] == ["≤ 0.650", "≤ 1.000"]


def test_a_target_may_compare_two_workloads() -> None:
    """Three nodes are compared with one."""
    results = {
        f"stub/{name}": {"contestants": {"coodie-scylla+accel+uvloop": {"rounds": rounds(seconds)}}}
        for name, seconds in (("three-64", 0.12), ("read-64", 0.1))
    }
    (line,) = evaluate_targets(results)
    assert line[1:3] == [
        "coodie-scylla+accel+uvloop, cpu ÷ stub/read-64, coodie-scylla+accel+uvloop",
        "≤ 1.150",
    ]
    assert line[4] == "missed"


@pytest.mark.parametrize(
    ("workload", "contestant", "measured", "line"),
    [
        (
            "stub/memory-200000",
            "coodie-scylla",
            {"grown": 1_300_000},
            ["coodie-scylla, memory growth", "≤ 5.0 MB", "1.3 MB", "reached"],
        ),
        (
            "stub/frame-1000000",
            "coodie-cassandra+accel",
            {"held": 1.6},
            [
                "coodie-cassandra+accel, memory growth ÷ size of the Arrow data",
                "≤ 1.50 ×",
                "1.60 ×",
                "missed",
            ],
        ),
    ],
)
def test_memory_has_targets(
    workload: str, contestant: str, measured: dict[str, float], line: list[str]
) -> None:
    """In the unit of what is measured, and not divided by how often the work was done."""
    contestants = {contestant: {"rounds": [{**measured, "count": 2}]}}
    assert list(evaluate_targets({workload: {"contestants": contestants}})) == [[workload, *line]]


def test_the_accelerator_slows_nothing_down() -> None:
    """For each workload and measure, of the contestants with and without it, the pair that gains least."""
    seconds = {"coodie-scylla": 0.2, "coodie-scylla+accel": 0.1, "coodie-scylla+uvloop": 0.1}
    seconds["coodie-scylla+accel+uvloop"] = 0.104
    contestants = {name: {"rounds": rounds(each)} for name, each in seconds.items()}
    lines_of = [
        line for line in evaluate_targets({"real/list-10": {"contestants": contestants}}) if "≤ 1.030" in line
    ]
    assert [(line[1], line[4]) for line in lines_of] == [
        ("coodie-scylla+accel+uvloop, cpu ÷ coodie-scylla+uvloop", "missed"),
        ("coodie-scylla+accel+uvloop, wall ÷ coodie-scylla+uvloop", "missed"),
    ]


def test_measures_are_divided_where_they_add_up() -> None:
    """Memory of requests and of clients by their number; latencies are those of one request."""
    one = {"request": 4096, "session": 90_000, "connections": 6, "p99": 0.01, "count": 3}
    assert costs([one], "session") == pytest.approx([30])
    assert costs([one], "connections") == pytest.approx([2])
    assert costs([one], "p99") == pytest.approx([10_000])
    contestants = {"a": {"rounds": [one]}}
    assert header(contestants, []) == ["client", "memory", "memory", "connections"]  # no more fit
    assert lines(contestants, []) == [["a", "1365 B", "30.0 kB", "2.0"]]
    contestants = {"a": {"rounds": [{"p50": 0.002, "p99": 0.01, "count": 3}]}}
    assert lines(contestants, []) == [["a", "2000 µs", "10.0 ms"]]
