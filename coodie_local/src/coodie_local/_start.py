"""Starting a cluster of one or more nodes, or finding a running one."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError
from coodie_local._ephemeral_storage import create_storage, remove_storage, sweep
from coodie_local._flock import acquire
from coodie_local._installation import find_recipe
from coodie_local._jvm import Jvm, JvmRun
from coodie_local._node_locks import living_in, process_of
from coodie_local._paths import LOCK_NAME, LOG_NAME, check_free_space, make_private, remove_tree
from coodie_local._ports import choose_hosts, choose_ports, consecutive_hosts
from coodie_local._queries import await_ready
from coodie_local._releases import DEFAULT_VERSION
from coodie_local._request import check_matches
from coodie_local._running import RunningCluster
from coodie_local._security import Security, create_secrets
from coodie_local._settings import cassandra_yaml, daemon_command, heap_limit, logback_xml
from coodie_local._state import ClusterState, read_state, write_state
from coodie_local.errors import PortInUseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from coodie_local._installation import Installation
    from coodie_local._request import StartRequest
    from coodie_local._start_attempt import StartAttempt
    from coodie_local._state import NodePlan

__all__ = ["find_cluster", "restart_nodes", "start_cluster"]

_PORT_ATTEMPTS = 3
_DATA = "data"


def start_cluster(attempt: StartAttempt, known: RunningCluster | None = None) -> RunningCluster:
    """Start a cluster, or its dead nodes; return when all nodes accept CQL requests.

    Args:
        attempt: The request and its deadline.
        known: The cluster, if this process started it and a node is alive.

    Returns:
        The cluster; ``known`` if it was given.

    Raises:
        LocalNodeError: Any subclass; see coodie_local.errors.
        OSError: The directory isn't usable.
    """
    recipe = find_recipe(_version(attempt.request))
    make_private(attempt.directory)
    installation: Installation | None = None
    while True:
        with attempt.exclusive():
            running = _find_running(attempt, known)
            missing = [] if running is None else [n for n in range(running.count) if not running.alive(n)]
            if running is not None and not missing:
                await_ready(running, attempt)
                return running
            if installation is not None:
                if known is None:
                    _warn_of_deaths(attempt.directory)
                if running is None:
                    return _start_all(installation, attempt)
                attempt.progress.begin(f"Starting {len(missing)} of {running.count} nodes", None)
                _launch(running, missing, installation, attempt)
                return running
        # without the lock: a download can take minutes
        installation = recipe.install(attempt.progress, attempt.cancellation)
        attempt = attempt.renewed()


def restart_nodes(running: RunningCluster, indices: Sequence[int], attempt: StartAttempt) -> None:
    """Restart nodes with the same addresses and data; return when they accept CQL requests.

    Living nodes are killed first. Raises the errors of start_cluster().
    """
    installation = find_recipe(running.state.version).install(attempt.progress, attempt.cancellation)
    which = ", ".join(str(index + 1) for index in indices)
    attempt.progress.begin(f"Starting node {which} of {running.count}", None)
    attempt = attempt.renewed()
    with attempt.exclusive():
        running.end(indices, grace=0.0)
        _launch(running, indices, installation, attempt)


def find_cluster(request: StartRequest) -> RunningCluster | None:
    """Find a running cluster, even if some nodes are dead.

    Returns:
        The cluster; None if it isn't running, or not ready yet.

    Raises:
        NodeInUseError: It is running with other options.
    """
    state = read_state(request.directory)
    living = living_in(request.directory)
    if state is None or not state.ready or not living:
        return None
    known = {state.directory_of(request.directory, index) for index in range(len(state.hosts))}
    if not (living <= known and all(map(process_of, living))):
        return None
    check_matches(request, state)
    return RunningCluster(request.directory, state, started_here=False)


def _find_running(attempt: StartAttempt, known: RunningCluster | None) -> RunningCluster | None:
    """Find a running cluster; kill nodes of an interrupted start."""
    while living := living_in(attempt.directory):
        if (found := find_cluster(attempt.request)) is not None:
            return found if known is None else known
        state = read_state(attempt.directory)
        if state is not None and not state.ready:
            half_started = RunningCluster(attempt.directory, state, started_here=False)
            half_started.end(range(half_started.count), grace=0.0)
        attempt.pause(f"An unknown process still locks {', '.join(map(str, living))}")
    return None


def _warn_of_deaths(directory: Path) -> None:
    """Log why another process's nodes died."""
    state = read_state(directory)
    if state is not None and state.ready:
        RunningCluster(directory, state, started_here=False).warn_of_deaths()


def _stored_settings(request: StartRequest) -> ClusterState | None:
    """Read the settings of the last durable start, if a durable cluster is requested."""
    return read_state(request.directory / _DATA) if request.profile == "durable" else None


def _version(request: StartRequest) -> str:
    if request.version is not None:
        return request.version
    directory = request.directory
    previous = read_state(directory) if living_in(directory) else _stored_settings(request)
    return DEFAULT_VERSION if previous is None else previous.version


def _start_all(installation: Installation, attempt: StartAttempt) -> RunningCluster:
    """Start all nodes; choose other ports if another process took the chosen ones."""
    request = attempt.request
    stored = _stored_settings(request)
    count = _count(request, stored)
    nodes = "" if count == 1 else f", {count} nodes"
    attempt.progress.begin(f"Starting Cassandra {installation.manifest.cassandra}{nodes}", None)
    sweep()
    try:
        remove_storage(attempt.directory)
        if request.profile == "durable":
            data = make_private(attempt.directory / _DATA)
        else:
            data = create_storage(attempt.directory)
        for directory in (attempt.directory, data):
            check_free_space(directory)
        tries = 0
        while True:
            tries += 1
            # a durable cluster keeps its addresses: clients and system tables contain them
            preferred = None if stored is None or tries > 1 else stored.ports
            hosts = _hosts(request, count, stored)
            state = ClusterState(
                name=request.name,
                hosts=hosts,
                ports=choose_ports(hosts, request.port, preferred=preferred),
                profile=request.profile or "ephemeral",
                version=installation.manifest.cassandra,
                data=data,
                security=_security(request, stored),
                heap=request.heap or (heap_limit(count) if stored is None else stored.heap),
                stop_with_process=request.stop_with_process,
                ready=False,
            )
            running = RunningCluster(attempt.directory, state, started_here=True)
            try:
                _launch(running, range(count), installation, attempt)
            except PortInUseError:
                if tries == _PORT_ATTEMPTS:
                    raise
            else:
                if state.profile == "durable":
                    write_state(data, running.state)
                return running
    except BaseException:
        remove_storage(attempt.directory)
        raise


def _count(request: StartRequest, stored: ClusterState | None) -> int:
    if stored is None:
        return request.nodes or 1
    count = len(stored.hosts)
    if request.nodes not in (None, count):
        msg = f"{request.name!r} has durable data of {count} nodes, not {request.nodes}."
        hint = f"Omit nodes=, use another name, or remove {request.directory / _DATA}."
        raise ConfigurationError(msg, hint=hint, option="nodes")
    return count


def _hosts(request: StartRequest, count: int, stored: ClusterState | None) -> tuple[str, ...]:
    if request.host is not None:
        return consecutive_hosts(request.host, count)
    return choose_hosts(count, request.port) if stored is None else stored.hosts


def _security(request: StartRequest, stored: ClusterState | None) -> Security:
    before = Security() if stored is None else stored.security
    requested = {"tls": request.tls, "mtls": request.mtls, "auth": request.auth}
    chosen = replace(before, **{name: value for name, value in requested.items() if value is not None})
    return chosen if chosen.tls else replace(chosen, mtls=False)


def _launch(
    running: RunningCluster, indices: Iterable[int], installation: Installation, attempt: StartAttempt
) -> None:
    """Start nodes concurrently; return when they accept CQL requests and know each other.

    Raises:
        NodeStartError: A JVM died, or wasn't ready in time. All of these nodes are stopped.
    """
    started: list[int] = []
    class_list: Path | None = None
    try:
        create_secrets(running.directory, running.state.hosts, running.state.security)
        # before the JVMs start, so that other processes can identify them
        write_state(running.directory, running.state)
        for index in indices:
            attempt.cancellation.check()
            plan = running.state.plan(running.directory, index)
            classes = plan.temporary / "classes.lst" if not started and installation.lacks_archive else None
            class_list = class_list or classes
            started.append(index)
            _run(running, plan, installation, classes, attempt)
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
    attempt: StartAttempt,
) -> None:
    """Start the JVM of one node."""
    make_private(plan.directory)
    archive = installation.archive
    # another process may hold the lock briefly, to check whether the node is alive
    with acquire(plan.directory / LOCK_NAME, attempt.cancellation) as lock:
        remove_tree(plan.temporary)
        make_private(plan.temporary)
        plan.settings_file.write_text(cassandra_yaml(plan), encoding="utf-8")
        plan.logging_file.write_text(logback_xml(), encoding="utf-8")
        log = plan.directory / LOG_NAME
        if log.exists():
            log.replace(log.with_name(f"{LOG_NAME}.1"))
        # the id of the last holder
        os.truncate(lock.fd, 0)
        jvm = running.jvms[plan.index] = Jvm(
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
        jvm.start()
