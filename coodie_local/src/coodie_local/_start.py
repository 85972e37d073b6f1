"""Starting a cluster, of one node or of several, or finding the one that runs already."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError
from coodie_local._installation import find_recipe
from coodie_local._launch import launch
from coodie_local._members import living_in
from coodie_local._places import check_room, make_private
from coodie_local._plan import Security
from coodie_local._ports import choose_hosts, choose_ports, consecutive_hosts
from coodie_local._readiness import await_ready
from coodie_local._releases import DEFAULT_VERSION
from coodie_local._request import check_matches
from coodie_local._running import RunningCluster
from coodie_local._scratch import clear_scratch, make_scratch, sweep
from coodie_local._state import ClusterState, is_process_of, read_state, write_state
from coodie_local.errors import PortInUseError

if TYPE_CHECKING:
    from coodie_local._attempt import Attempt
    from coodie_local._installation import Installation
    from coodie_local._request import StartRequest

__all__ = ["find_cluster", "restart_node", "start_cluster"]

_PORT_ATTEMPTS = 3
_DATA = "data"


def start_cluster(attempt: Attempt, known: RunningCluster | None = None) -> RunningCluster:
    """Start a cluster, or what of it doesn't run; return when all nodes answer CQL.

    Args:
        attempt: What is wanted.
        known: The cluster that this process has started, where nodes of it live.

    Returns:
        The cluster; ``known`` itself where it was given.

    Raises:
        LocalNodeError: Any of its kinds, see coodie_local.errors.
        OSError: The directory can't be used.
    """
    recipe = find_recipe(_version(attempt.request))
    make_private(attempt.directory)
    installation: Installation | None = None
    while True:
        with attempt.sole():
            running = _what_runs(attempt, known)
            missing = [] if running is None else [n for n in range(running.count) if not running.alive(n)]
            if running is not None and not missing:
                await_ready(running, attempt)
                return running
            if installation is not None:
                if running is None:
                    return _start_all(installation, attempt)
                attempt.progress.begin(f"Starting {len(missing)} of {running.count} nodes", None)
                launch(running, missing, installation, attempt)
                return running
        # without the lock: a download can be long
        installation = recipe.install(attempt.progress, attempt.cancellation)
        attempt = attempt.renewed()


def restart_node(running: RunningCluster, index: int, attempt: Attempt) -> None:
    """Start one node of a running cluster once more, with its data; return when it answers CQL.

    Args:
        running: The cluster.
        index: Which node; it is ended first where it lives.
        attempt: Until when.

    Raises:
        LocalNodeError: Any of its kinds, see coodie_local.errors.
        OSError: The directory can't be used.
    """
    installation = find_recipe(running.state.version).install(attempt.progress, attempt.cancellation)
    attempt.progress.begin(f"Starting node {index + 1} of {running.count}", None)
    attempt = attempt.renewed()
    with attempt.sole():
        running.end([index], grace=0.0)
        launch(running, [index], installation, attempt)


def find_cluster(request: StartRequest) -> RunningCluster | None:
    """Look up the cluster that runs, whole or in part, and see that it is as asked for.

    Args:
        request: What is wanted.

    Returns:
        The cluster, or None where there is none, or one that isn't ready yet.

    Raises:
        NodeInUseError: It runs with other options.
    """
    state = read_state(request.directory)
    living = living_in(request.directory)
    if state is None or not state.ready or not living:
        return None
    pids = {state.directory_of(request.directory, index): pid for index, pid in enumerate(state.pids)}
    if not all(is_process_of(pids.get(member, 0), member) for member in living):
        return None
    check_matches(request, state)
    return RunningCluster(request.directory, state, started_here=False)


def _what_runs(attempt: Attempt, known: RunningCluster | None) -> RunningCluster | None:
    """Find what runs; end what a killed process left half started. For the sole one."""
    while living := living_in(attempt.directory):
        if (found := find_cluster(attempt.request)) is not None:
            return found if known is None else known
        state = read_state(attempt.directory)
        if state is not None and not state.ready:
            half = RunningCluster(attempt.directory, state, started_here=False)
            half.end(range(half.count), grace=0.0)
        attempt.pause(f"An unknown process still holds {', '.join(map(str, living))}")
    return None


def _kept(request: StartRequest) -> ClusterState | None:
    """Recall the last durable start, whose data is there, where a durable one is wanted."""
    return read_state(request.directory / _DATA) if request.profile == "durable" else None


def _version(request: StartRequest) -> str:
    if request.version is not None:
        return request.version
    previous = read_state(request.directory) if living_in(request.directory) else _kept(request)
    return DEFAULT_VERSION if previous is None else previous.version


def _start_all(installation: Installation, attempt: Attempt) -> RunningCluster:
    """Start all nodes, with other ports if somebody was quicker on ours. For the sole one."""
    request = attempt.request
    kept = _kept(request)
    count = _count(request, kept)
    attempt.progress.begin(_starting(installation, count), None)
    sweep()
    try:
        clear_scratch(attempt.directory)
        if request.profile == "durable":
            data = make_private(attempt.directory / _DATA)
        else:
            data = make_scratch(attempt.directory)
        for place in (attempt.directory, data):
            check_room(place)
        tries = 0
        while True:
            tries += 1
            # a durable cluster keeps its addresses, for its users and in its own system tables
            wished = kept if tries == 1 else None
            hosts = _hosts(request, count, kept)
            state = ClusterState(
                name=request.name,
                hosts=hosts,
                pids=(0,) * count,
                ports=choose_ports(hosts, request.port, wished=None if wished is None else wished.ports),
                profile=request.profile or "ephemeral",
                version=installation.manifest.cassandra,
                data=data,
                security=_security(request, kept),
                stop_with_process=request.stop_with_process,
                ready=False,
            )
            running = RunningCluster(attempt.directory, state, started_here=True)
            try:
                launch(running, range(count), installation, attempt)
            except PortInUseError:
                if tries == _PORT_ATTEMPTS:
                    raise
            else:
                if state.profile == "durable":
                    write_state(data, running.state)
                return running
    except BaseException:
        clear_scratch(attempt.directory)
        raise


def _count(request: StartRequest, kept: ClusterState | None) -> int:
    if kept is None:
        return request.nodes or 1
    count = len(kept.hosts)
    if request.nodes not in (None, count):
        msg = f"{request.name!r} has durable data of {count} nodes; nodes={request.nodes} was asked for."
        hint = f"Leave nodes= out, give another name, or remove {request.directory / _DATA}."
        raise ConfigurationError(msg, hint=hint, option="nodes")
    return count


def _hosts(request: StartRequest, count: int, kept: ClusterState | None) -> tuple[str, ...]:
    if request.host is not None:
        return consecutive_hosts(request.host, count)
    return choose_hosts(count, request.port) if kept is None else kept.hosts


def _security(request: StartRequest, kept: ClusterState | None) -> Security:
    before = Security() if kept is None else kept.security
    asked = {"tls": request.tls, "mtls": request.mtls, "auth": request.auth}
    chosen = replace(before, **{name: value for name, value in asked.items() if value is not None})
    return chosen if chosen.tls else replace(chosen, mtls=False)


def _starting(installation: Installation, count: int) -> str:
    nodes = "" if count == 1 else f", {count} nodes"
    return f"Starting Cassandra {installation.manifest.cassandra}{nodes}"
