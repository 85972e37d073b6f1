"""The state of a run of one statement with many parameters, and the functions that run it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from coodie_core.tests.fakes import MemoryDriver

from coodie.contract.many import ManyRun, run_with_tasks, run_with_threads, work_with_tasks
from coodie.exceptions import ConfigurationError, ExecuteManyError

pytestmark = pytest.mark.usefixtures("no_thread_left")

STMT = "INSERT INTO t (a) VALUES (?)"


def _run(**changes: Any) -> ManyRun:
    arguments: dict[str, Any] = {
        "concurrency": 2,
        "raise_on_error": True,
        "on_result": None,
        "on_progress": None,
        "rows_of_params": [[1], [2], [3]],
    }
    return ManyRun(STMT, **(arguments | changes))


async def test_a_stopped_run_starts_nothing() -> None:
    """After stop() there is nothing more to take, for threads and tasks alike."""
    run = _run()
    run.stop()
    assert run.take() is None
    assert run_with_threads(run, lambda _: []).total == 0
    assert (await run_with_tasks(run, lambda _: asyncio.sleep(0, []))).total == 0


async def test_a_better_way_for_the_rest() -> None:
    """Tasks leave the rest of a run once there is a better way for it, and nothing is lost or done twice."""
    driver, source = MemoryDriver(), iter([[n] for n in range(100)])
    run = ManyRun(
        STMT, source, concurrency=4, raise_on_error=True, on_result=None, on_progress=None, asynchronous=True
    )
    asked = 0

    def has_better_way() -> bool:
        nonlocal asked
        asked += 1
        return asked > 8

    def execute(params: Any) -> Any:
        return driver.execute_async(STMT, params)

    await work_with_tasks(run, execute, has_better_way)
    assert not run.is_stopped
    assert 8 < run.result.succeeded == run.next_index < 100
    assert run.iterator is source
    assert next(source) == [run.next_index]
    assert driver.in_flight == 0


def test_first_failure_is_the_first_that_ended() -> None:
    """The error that is raised is the one that came first, whatever its index."""
    run = _run()
    for index, error in ((2, KeyError("late")), (0, ValueError("early"))):
        run.record(index, error)
    with pytest.raises(ExecuteManyError, match="2 of 2 executions failed; the first, at index 2: KeyError"):
        run.finish()


@pytest.mark.parametrize("stmt", [None, 5, b"SELECT"])
def test_a_statement_that_is_no_text(stmt: Any) -> None:
    """Its refusal is told as that of any execution, and nothing has been applied."""
    refused = ConfigurationError("The statement is no text.")
    run = _run()
    run.stmt = stmt
    run.record(0, refused)
    with pytest.raises(ExecuteManyError) as caught:
        run.finish()
    assert caught.value.__cause__ is refused
    assert not caught.value.may_have_been_applied


async def test_failures_without_a_wait_leave_the_loop_free() -> None:
    """A million executions that fail at once, as on a closed driver, don't keep other tasks from running."""

    async def refuse(params: Any) -> list[dict[str, Any]]:
        raise KeyError(params)

    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    run = _run(raise_on_error=False, rows_of_params=[[n] for n in range(200)])
    assert len((await run_with_tasks(run, refuse)).errors) == 200
    counting.cancel()
    assert turns > 50
