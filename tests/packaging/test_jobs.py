"""Concurrent jobs: order, failures, interrupts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from jobs import Job, run_side_by_side
from steps import Failure, Steps

if TYPE_CHECKING:
    from pathlib import Path

#: A long timeout for a job that does nothing.
PATIENCE = 30.0


def test_jobs_run_at_the_same_time() -> None:
    """Two jobs that wait for each other finish."""
    meeting = threading.Barrier(2, timeout=PATIENCE)
    run_side_by_side(Steps(), [Job("a", meeting.wait), Job("b", meeting.wait)], width=2)


def test_a_job_waits_for_those_that_it_needs() -> None:
    """A job starts after its dependencies, with any number of concurrent jobs."""
    order: list[str] = []
    jobs = [
        Job("last", lambda: order.append("last"), after=("first", "second")),
        Job("first", lambda: order.append("first")),
        Job("second", lambda: order.append("second"), after=("first",)),
    ]
    run_side_by_side(Steps(), jobs, width=3)
    assert order == ["first", "second", "last"]


def test_a_failure_leaves_out_what_needs_it_and_nothing_else() -> None:
    """One run reports all failures."""
    ran: list[str] = []
    steps = Steps()

    def fail() -> None:
        steps.run("broken step", [sys.executable, "-c", "print('the reason'); raise SystemExit(1)"])

    jobs = [
        Job("broken", fail),
        Job("needs it", lambda: ran.append("needs it"), after=("broken",)),
        Job("needs that", lambda: ran.append("needs that"), after=("needs it",)),
        Job("other", lambda: ran.append("other")),
    ]
    with pytest.raises(Failure, match="3 of 4 jobs failed: broken, needs it, needs that"):
        run_side_by_side(steps, jobs, width=1)
    assert ran == ["other"]
    failed = [outcome for outcome in steps.outcomes if outcome.failure]
    assert [outcome.title for outcome in failed] == ["broken step"]
    assert "the reason" in failed[0].failure
    assert [(outcome.title, outcome.left_out) for outcome in steps.outcomes if outcome.left_out] == [
        ("needs it", "a dependency failed"),
        ("needs that", "a dependency failed"),
    ]


def test_a_job_whose_time_has_passed_is_left_out() -> None:
    """Its dependents are also skipped; the table lists them, and the run doesn't fail."""
    ran: list[str] = []
    steps = Steps()
    jobs = [
        Job("first tier", lambda: ran.append("first tier")),
        Job("in time", lambda: ran.append("in time"), begin_by=PATIENCE),
        Job("late", lambda: ran.append("late"), begin_by=0.0),
        Job("needs it", lambda: ran.append("needs it"), after=("late",)),
    ]
    run_side_by_side(steps, jobs, width=1)
    assert ran == ["first tier", "in time"]
    assert [(outcome.title, outcome.left_out) for outcome in steps.outcomes] == [
        ("late", "0:00 had passed"),
        ("needs it", "0:00 had passed"),
    ]


def test_a_failure_outside_of_a_step_is_told() -> None:
    """A failure before the first step is in the table."""
    steps = Steps()

    def lack() -> None:
        raise Failure("this Python can't make virtual environments")

    with pytest.raises(Failure, match="1 of 1 jobs failed: environment"):
        run_side_by_side(steps, [Job("environment", lack)], width=1)
    assert [(outcome.title, outcome.failure) for outcome in steps.outcomes] == [
        ("environment", "this Python can't make virtual environments")
    ]


def test_waiting_for_the_last_job_takes_no_processor() -> None:
    """Regression test: the first thread kept a core busy when it had no job left."""
    meeting = threading.Barrier(2, timeout=PATIENCE)

    def work() -> None:
        meeting.wait()
        if threading.current_thread().name != "jobs-0":
            time.sleep(1.5)

    used = time.thread_time()
    run_side_by_side(Steps(), [Job("a", work), Job("b", work)], width=2)
    assert time.thread_time() - used < 0.05


def test_a_defect_of_a_job_fails_the_run() -> None:
    """An exception other than Failure is a bug in the scripts, and is reported."""
    steps = Steps()
    with pytest.raises(Failure, match="odd"):
        run_side_by_side(steps, [Job("odd", lambda: 1 / 0)], width=2)
    assert "ZeroDivisionError" in steps.outcomes[0].failure


def test_an_interrupt_ends_all_jobs(root: Path, tmp_path: Path) -> None:
    """Ctrl-C stops the commands of all jobs, and no other job starts."""
    code = f"""
import os, signal, sys, threading, time
sys.path.insert(0, {str(root / "scripts")!r})
from jobs import Job, run_side_by_side
from steps import Steps, interrupt_on_signals
interrupt_on_signals()
steps = Steps()
sleep = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
def run(name):
    return lambda: steps.run(name, [sys.executable, "-c", sleep, os.path.join({str(tmp_path)!r}, name)])
try:
    run_side_by_side(steps, [Job(name, run(name)) for name in "abc"], 2)
except KeyboardInterrupt:
    sys.exit(130)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        wanted = [tmp_path / name for name in "ab"]
        deadline = threading.Event()
        for _ in range(600):
            if all(file.exists() and file.read_text() for file in wanted):
                break
            deadline.wait(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
    finally:
        process.kill()
        process.wait()
    assert not (tmp_path / "c").exists()
    for file in wanted:
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text()), 0)
