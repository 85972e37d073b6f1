"""Counting in the process: complete under threads, bounded, and read as percentiles."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import statistics
import threading
from typing import Any

import pytest
from coodie_core.tests.fakes import Api, MemoryDriver

import coodie
from coodie.exceptions import ConfigurationError, InvalidQueryError
from coodie.observers import observing
from coodie.observers.metrics import (
    BOUNDS,
    Counts,
    CountsOf,
    Latency,
    LatencyRecorder,
    RequestCounters,
    Series,
)

pytestmark = pytest.mark.usefixtures("registry")

STMT = "SELECT n FROM t WHERE k = ?"


async def test_by_driver_operation_and_error(api: Api) -> None:
    """Each series has its own counts, and they add up."""
    coodie.register_driver("main", api.driver)
    api.driver.fault = lambda params: InvalidQueryError("no") if params == [3] else None
    with observing(counters := RequestCounters()):
        for number in range(5):
            try:
                await api.execute(STMT, [number])
            except InvalidQueryError:
                assert number == 3
        await api.execute_batch(["INSERT INTO t (k) VALUES (1)", "INSERT INTO t (k) VALUES (2)"])
        await api.execute_batch(["INSERT INTO t (k) VALUES (1)", "DELETE FROM t WHERE k = 1"])
    counts = counters.snapshot()
    assert {series: (one.requests, one.rows, one.pages) for series, one in counts.by_series.items()} == {
        Series("main", None, "SELECT", None): (4, 12, 4),
        Series("main", None, "SELECT", "InvalidQueryError"): (1, 0, 0),
        Series("main", None, "BATCH INSERT", None): (1, 3, 1),
        Series("main", None, "BATCH", None): (1, 3, 1),
    }
    assert counts.total().requests == counts.total().latency.count == 7
    assert counts.total(lambda series: series.error is not None).requests == 1
    assert counts.total(lambda series: series.operation == "nothing") == CountsOf()
    assert counts.in_flight == 0


async def test_in_flight_and_reset() -> None:
    """What has started and not ended is in flight, and stays so over a reset."""
    driver = MemoryDriver(1)
    driver.delay = 0.05
    with observing(counters := RequestCounters()):
        tasks = [asyncio.ensure_future(driver.execute_async(STMT, [n])) for n in range(3)]
        await asyncio.sleep(0.01)
        assert counters.snapshot().in_flight == 3
        before = counters.reset()
        assert (before.in_flight, before.by_series) == (3, {})
        await asyncio.gather(*tasks)
        counts = counters.reset()
        assert (counts.in_flight, counts.total().requests) == (0, 3)
        empty = counters.snapshot()
    assert (empty.by_series, empty.in_flight) == ({}, 0)
    assert 0 <= empty.seconds <= counts.seconds < 60


def test_from_many_threads() -> None:
    """Nothing is lost when many threads count at once and others read and reset."""
    driver, seen = MemoryDriver(1), []
    with observing(counters := RequestCounters()):

        def work() -> None:
            for number in range(500):
                driver.execute(STMT, [number])

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            counters.snapshot()
            seen.append(counters.reset())
        seen.append(counters.reset())
    assert sum(counts.total().requests for counts in seen) == 8 * 500
    assert sum(counts.total().rows for counts in seen) == 8 * 500
    assert seen[-1].in_flight == 0


def test_memory_is_bounded() -> None:
    """However many operations there are, later ones share a series."""
    driver = MemoryDriver()
    driver.fault = lambda params: InvalidQueryError("no") if params else None
    with observing(counters := RequestCounters(most_series=3)):
        for number in range(50):
            driver.execute(f"VERB{number} t", [])
            with pytest.raises(InvalidQueryError):
                driver.execute(f"VERB{number} t", [1])
    counts = counters.snapshot()
    assert counts.total().requests == 100
    assert len(counts.by_series) == 5
    assert counts.by_series[Series(None, None, "OTHER", None)].requests == 48
    assert counts.by_series[Series(None, None, "OTHER", "OTHER")].requests == 49


def test_snapshots_dont_change() -> None:
    """What was read once stays what it was."""
    driver = MemoryDriver()
    with observing(counters := RequestCounters()):
        driver.execute(STMT, [])
        counts: Counts = counters.snapshot()
        driver.execute(STMT, [])
    assert counts.total().requests == 1


@pytest.mark.parametrize("most", [0, -1, True, 1.5, "3"])
def test_arguments_are_checked(most: Any) -> None:
    """A bound that is none is refused."""
    with pytest.raises(ConfigurationError):
        RequestCounters(most_series=most)


# --- latency ----------------------------------------------------------------------------


def recorded(*durations: float) -> Latency:
    """Return a histogram of these."""
    recorder = LatencyRecorder()
    for seconds in durations:
        recorder.record(seconds)
    return recorder.read()


def test_buckets_are_log_scaled() -> None:
    """Each bound is 19 % above the one before, from 10 µs to 11 minutes."""
    ratios = [upper / lower for lower, upper in itertools.pairwise(BOUNDS)]
    assert ratios == pytest.approx([2**0.25] * len(ratios))
    assert BOUNDS[0] == 1e-5
    assert 600 < BOUNDS[-1] < 700


def test_percentiles_are_near() -> None:
    """A percentile is at most one bucket's width away from the exact one."""
    random.seed(7)
    durations = [random.lognormvariate(-6, 1.5) for _ in range(5000)]
    latency = recorded(*durations)
    exact = statistics.quantiles(durations, n=100, method="inclusive")
    for percent in (1, 10, 50, 90, 95, 99):
        found = latency.percentile(percent)
        assert found is not None
        assert 0.8 < found / exact[percent - 1] < 1.25
    assert latency.mean == pytest.approx(statistics.mean(durations))
    assert (latency.percentile(0), latency.percentile(100)) == (min(durations), max(durations))


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e-5, 0.5, 700.0, 1e6])
def test_a_single_duration_is_every_percentile(seconds: float) -> None:
    """Also one that is below or beyond all buckets."""
    latency = recorded(seconds)
    assert [latency.percentile(percent) for percent in (0, 50, 99.9, 100)] == [seconds] * 4


def test_nothing_has_no_percentile() -> None:
    """Without a duration there is no mean and no percentile."""
    assert (Latency().count, Latency().mean, Latency().percentile(50)) == (0, None, None)
    assert Latency().least == math.inf


def test_together() -> None:
    """Two histograms together are that of all durations."""
    assert recorded(0.1, 5) + recorded(0.01, 2000) == recorded(0.1, 5, 0.01, 2000)


@pytest.mark.parametrize("percent", [-1, 101, math.nan, "50"])
def test_percent_is_checked(percent: Any) -> None:
    """What isn't per cent is refused."""
    with pytest.raises(ConfigurationError):
        recorded(1).percentile(percent)
