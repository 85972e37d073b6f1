"""Concurrent jobs, each after its dependencies.

A failed job doesn't stop the others, so that one run shows all failures; jobs that depend on it are skipped.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outcomes import Outcome
from progress import Progress, clock
from steps import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from steps import Steps

__all__ = ["Job", "run_side_by_side"]

#: Seconds between checks for an interrupt.
_LOOK = 0.2


@dataclass(frozen=True)
class Job:
    """A function that runs steps.

    Args:
        name: The name; unique in a run.
        work: Runs the steps.
        after: The names of the jobs that it depends on.
        begin_by: Seconds since the start of the run after which the job isn't started; None: no limit.
    """

    name: str
    work: Callable[[], object]
    after: tuple[str, ...] = ()
    begin_by: float | None = None


def run_side_by_side(steps: Steps, jobs: Sequence[Job], width: int) -> None:
    """Run jobs concurrently, in order unless they wait for others.

    Args:
        steps: Runs the steps of all jobs, and has their outcomes afterwards.
        jobs: The jobs; each comes after those that it depends on.
        width: The number of concurrent jobs.

    Raises:
        Failure: At least one job failed.
        KeyboardInterrupt: The run was interrupted; no process is left running.
    """
    with Progress(len(jobs)) as progress:
        steps.show(progress)
        queue = _Queue(jobs, steps, progress)
        threads = [threading.Thread(target=queue.work, name=f"jobs-{n}", daemon=True) for n in range(width)]
        for thread in threads:
            thread.start()
        try:
            while running := [thread for thread in threads if thread.is_alive()]:
                running[0].join(_LOOK)
        except KeyboardInterrupt:
            queue.stop()
            steps.end_all()
            for thread in threads:
                thread.join()
            raise
    steps.seconds += progress.seconds
    if queue.failed:
        raise Failure(f"{len(queue.failed)} of {len(jobs)} jobs failed: {', '.join(sorted(queue.failed))}")


class _Queue:
    """The waiting and running jobs, and the outcomes of finished ones."""

    def __init__(self, jobs: Sequence[Job], steps: Steps, progress: Progress) -> None:
        self._waiting = list(jobs)
        self._steps = steps
        self._progress = progress
        self._done: set[str] = set()
        self._late: set[str] = set()
        self.failed: set[str] = set()
        self._changed = threading.Condition()

    def stop(self) -> None:
        """Start no more jobs."""
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()

    def work(self) -> None:
        """Run jobs until none is left; several threads call this."""
        while (job := self._next()) is not None:
            try:
                job.work()
            except Failure as exc:
                self._note(job, exc)
                ended = self.failed
            except Exception as exc:  # noqa: BLE001 - a bug in these scripts also fails the run
                self._steps.outcomes.append(Outcome(job.name, failure=repr(exc)))
                ended = self.failed
            else:
                ended = self._done
            with self._changed:
                ended.add(job.name)
                self._progress.job_done()
                self._changed.notify_all()

    def _note(self, job: Job, failure: Failure) -> None:
        """Add a failure outside of a step to the table, such as a Python without `venv`."""
        noted = (outcome.failure for outcome in list(self._steps.outcomes) if outcome.failure)
        if not any(text in str(failure) for text in noted):
            self._steps.outcomes.append(Outcome(job.name, failure=str(failure)))

    def _next(self) -> Job | None:
        with self._changed:
            while self._waiting:
                for job in self._waiting:
                    if self.failed.intersection(job.after):
                        self._skip(job, self.failed, "a dependency failed")
                        break
                    if self._is_late(job):
                        self._skip(job, self._late, f"{clock(self._progress.seconds)} had passed")
                        break
                    if self._done.issuperset(job.after):
                        self._waiting.remove(job)
                        return job
                else:
                    self._changed.wait()
            return None

    def _is_late(self, job: Job) -> bool:
        late = job.begin_by is not None and self._progress.seconds > job.begin_by
        return late or bool(self._late.intersection(job.after))

    def _skip(self, job: Job, ended: set[str], why: str) -> None:
        self._waiting.remove(job)
        ended.add(job.name)
        self._steps.outcomes.append(Outcome(job.name, left_out=why))
        self._changed.notify_all()
