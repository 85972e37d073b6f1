"""Running the JVMs of nodes until they answer, and ending them where they don't."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from coodie_local._archive import archive_wanted
from coodie_local._cassandra_yaml import cassandra_yaml, logback_xml
from coodie_local._flock import acquire
from coodie_local._java_command import daemon_command
from coodie_local._jvm import Jvm, JvmRun
from coodie_local._places import LOCK_NAME, LOG_NAME, make_private, remove_tree
from coodie_local._protection import protect
from coodie_local._readiness import await_ready
from coodie_local._state import write_state

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from coodie_local._attempt import Attempt
    from coodie_local._installation import Installation
    from coodie_local._plan import NodePlan
    from coodie_local._running import RunningCluster

__all__ = ["launch"]


def launch(
    running: RunningCluster, indices: Iterable[int], installation: Installation, attempt: Attempt
) -> None:
    """Start nodes that don't run, all at once; return when they answer CQL and know each other.

    Args:
        running: Their cluster; it gets the JVMs and the process ids.
        indices: Which nodes.
        installation: What to run.
        attempt: Until when.

    Raises:
        NodeStartError: A JVM died, or wasn't ready in time; none of these nodes is left.
    """
    started: list[int] = []
    class_list: Path | None = None
    try:
        protect(running.directory, running.state.hosts, running.state.security)
        for index in indices:
            attempt.cancellation.check()
            plan = running.state.plan(running.directory, index)
            first = not started and not installation.archive.exists and archive_wanted()
            classes = plan.temporary / "classes.lst" if first else None
            class_list = class_list or classes
            started.append(index)
            _run(running, plan, installation, classes, attempt)
            write_state(running.directory, running.state)
        await_ready(running, attempt, started)
        running.state = replace(running.state, ready=True)
        write_state(running.directory, running.state)
        if class_list is not None:
            installation.build_archive(class_list)
    except BaseException:
        running.end(started, grace=0.0)
        for index in started:
            remove_tree(running.state.plan(running.directory, index).temporary)
        raise


def _run(
    running: RunningCluster,
    plan: NodePlan,
    installation: Installation,
    class_list: Path | None,
    attempt: Attempt,
) -> None:
    """Start the JVM of one node."""
    make_private(plan.directory)
    archive = installation.archive
    # somebody may have the lock for the moment that it takes to see whether the node lives
    with acquire(plan.directory / LOCK_NAME, attempt.cancellation) as lock:
        remove_tree(plan.temporary)
        make_private(plan.temporary)
        plan.settings_file.write_text(cassandra_yaml(plan), encoding="utf-8")
        plan.logging_file.write_text(logback_xml(), encoding="utf-8")
        log = plan.directory / LOG_NAME
        if log.exists():
            log.replace(log.with_name(f"{LOG_NAME}.1"))
        jvm = Jvm(
            JvmRun(
                command=daemon_command(
                    installation.java,
                    installation.jars,
                    plan,
                    archive=archive.file if archive.exists else None,
                    class_list=class_list,
                ),
                directory=plan.directory,
                log=log,
                lock_fd=lock.fd,
                dies_with_process=running.state.stop_with_process,
            )
        )
        running.jvms[plan.index] = jvm
        running.state = running.state.with_pid(plan.index, jvm.start())
