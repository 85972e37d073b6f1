"""Starting a node, or finding the one that runs already."""

from __future__ import annotations

import logging
import re
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from coodie.exceptions import CoodieError
from coodie_local._archive import archive_wanted, locate_archive
from coodie_local._cassandra_yaml import cassandra_yaml, logback_xml
from coodie_local._flock import try_acquire
from coodie_local._jars import JarCache
from coodie_local._java_command import daemon_command
from coodie_local._jvm import Jvm, JvmRun, last_lines
from coodie_local._manifest import load_manifest
from coodie_local._native import is_ready
from coodie_local._places import LOCK_NAME, cache_directory, make_private, remove_tree
from coodie_local._plan import NodePlan
from coodie_local._platform import find_java, platform_tag
from coodie_local._ports import choose_ports
from coodie_local._scratch import clear_scratch, make_scratch, sweep
from coodie_local._state import NodeState, is_process_of, read_state, write_state
from coodie_local.errors import NodeInUseError, NodeStartError, PortInUseError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._archive import ClassArchive
    from coodie_local._cancellation import Cancellation
    from coodie_local._flock import FileLock
    from coodie_local._manifest import Manifest
    from coodie_local._plan import Profile
    from coodie_local._platform import JavaRuntime
    from coodie_local._progress import Progress

__all__ = ["LOG_NAME", "RunningNode", "StartRequest", "check_matches", "start_node"]

#: The file in a node's directory to which Cassandra and its JVM write.
LOG_NAME = "cassandra.log"

_log = logging.getLogger("coodie_local")
_POLL = 0.05
_PORT_ATTEMPTS = 3
_PORT_TAKEN = re.compile(r"Address already in use|Failed to bind port|is in use by another process")


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What a caller wants to run; None leaves it to what runs already, or to us."""

    name: str
    directory: Path
    host: str
    port: int | None
    profile: Profile | None
    version: str
    stop_with_process: bool
    timeout: float

    @property
    def log(self) -> Path:
        """The node's log file."""
        return self.directory / LOG_NAME


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node that answers CQL: its state, and its JVM where this process started it."""

    state: NodeState
    jvm: Jvm | None


@dataclass(frozen=True, slots=True)
class _Installation:
    """What is the same for every node: the runtime, the jars, the archive."""

    java: JavaRuntime
    manifest: Manifest
    jars: tuple[Path, ...]
    archive: ClassArchive


def start_node(request: StartRequest, progress: Progress, cancellation: Cancellation) -> RunningNode:
    """Start a node, or find the one that runs in this directory; return when it answers CQL.

    Args:
        request: What is wanted.
        progress: Where the steps are shown.
        cancellation: Ends the start; then nothing of it is left.

    Returns:
        The node.

    Raises:
        LocalNodeError: Any of its kinds, see coodie_local.errors.
    """
    platform = platform_tag()
    manifest = load_manifest(request.version, platform)
    java = find_java()
    deadline = time.monotonic() + request.timeout
    make_private(request.directory)
    lock_file = request.directory / LOCK_NAME
    installation: _Installation | None = None
    waiting = False
    try:
        while True:
            lock = try_acquire(lock_file)
            if lock is None:
                # held by a node that runs, or by a process that is about to start it
                if (found := _find(request)) is not None:
                    return found
                if not waiting:
                    progress.begin(f"Waiting for the node {request.name}, which another process starts", None)
                    waiting = True
                if time.monotonic() > deadline:
                    raise _never_ready(request, "Another process holds the node's directory, and the node")
                cancellation.sleep(_POLL)
                continue
            with lock:
                if installation is not None:
                    return _launch(request, installation, lock, deadline, progress, cancellation)
            # without the lock: a download can be long, and a fork meanwhile would keep a copy of it
            jars = JarCache(cache_directory()).ensure(manifest, progress, cancellation)
            archive = locate_archive(cache_directory(), java, manifest, jars)
            installation = _Installation(java, manifest, jars, archive)
            deadline = time.monotonic() + request.timeout
    except CoodieError:
        # some of them are OSErrors, too
        raise
    except OSError as exc:
        msg = f"The node {request.name!r} can't be started: {exc}."
        hint = "Make room or mend the permissions there, or give another directory=."
        raise StorageError(msg, hint=hint, path=request.directory) from exc
    finally:
        progress.end()


def _find(request: StartRequest) -> RunningNode | None:
    """Look up the node that holds the lock; None while it isn't ready."""
    state = read_state(request.directory)
    if state is None or not state.ready or not is_process_of(state.pid, request.directory):
        return None
    if not is_ready(state.host, state.ports.native):
        return None
    check_matches(request, state)
    return RunningNode(state=state, jvm=None)


def check_matches(request: StartRequest, state: NodeState) -> None:
    """Make sure that a node which runs is what was asked for.

    Args:
        request: What is wanted.
        state: What runs.

    Raises:
        NodeInUseError: It differs.
    """
    for option, wanted, found in (
        ("profile", request.profile, state.profile),
        ("port", request.port, state.ports.native),
        ("host", request.host, state.host),
        ("version", request.version, state.version),
    ):
        if wanted is not None and wanted != found:
            msg = f"The node {request.name!r} runs already with {option}={found!r}; {wanted!r} was asked for."
            hint = f"Stop it first, leave {option}= out, or give the node another name or directory."
            raise NodeInUseError(msg, hint=hint, option=option)


def _launch(
    request: StartRequest,
    installation: _Installation,
    lock: FileLock,
    deadline: float,
    progress: Progress,
    cancellation: Cancellation,
) -> RunningNode:
    """Start the node whose lock we hold, with other ports if somebody was quicker on ours."""
    progress.begin(f"Starting Cassandra {request.version}", None)
    previous = read_state(request.directory)
    profile = request.profile or "ephemeral"
    wished: tuple[int, ...] = ()
    if profile == "durable" and previous is not None:
        # a durable node keeps its address, for its users and in its own system tables
        wished = previous.ports.native, previous.ports.storage, previous.ports.ssl_storage
    sweep()
    try:
        if profile == "ephemeral":
            data = make_scratch(request.directory)
        else:
            clear_scratch(request.directory)
            data = make_private(request.directory / "data")
        attempt = 0
        while True:
            attempt += 1
            plan = NodePlan(
                name=request.name,
                profile=profile,
                host=request.host,
                ports=choose_ports(request.host, request.port, wished=wished if attempt == 1 else ()),
                directory=request.directory,
                data=data,
            )
            try:
                return _run(request, plan, installation, lock, deadline, cancellation)
            except PortInUseError:
                if attempt == _PORT_ATTEMPTS:
                    raise
    except BaseException:
        clear_scratch(request.directory)
        remove_tree(request.directory / "tmp")
        raise


def _run(
    request: StartRequest,
    plan: NodePlan,
    installation: _Installation,
    lock: FileLock,
    deadline: float,
    cancellation: Cancellation,
) -> RunningNode:
    """Run the JVM until it answers, and end it where it doesn't."""
    archive = installation.archive
    class_list = None if archive.exists or not archive_wanted() else plan.temporary / "classes.lst"
    remove_tree(plan.temporary)
    make_private(plan.temporary)
    plan.settings_file.write_text(cassandra_yaml(plan), encoding="utf-8")
    plan.logging_file.write_text(logback_xml(), encoding="utf-8")
    if request.log.exists():
        request.log.replace(request.log.with_name(f"{LOG_NAME}.1"))
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
            log=request.log,
            lock_fd=lock.fd,
            dies_with_process=request.stop_with_process,
        )
    )
    state = NodeState(
        pid=0,
        host=plan.host,
        ports=plan.ports,
        profile=plan.profile,
        version=request.version,
        data=plan.data,
        ready=False,
    )
    try:
        state = replace(state, pid=jvm.start())
        write_state(plan.directory, state)
        _await_ready(request, plan, jvm, deadline, cancellation)
        state = replace(state, ready=True)
        write_state(plan.directory, state)
        if class_list is not None:
            _build_archive(installation, class_list)
    except BaseException:
        jvm.terminate(0)
        raise
    return RunningNode(state=state, jvm=jvm)


def _await_ready(
    request: StartRequest, plan: NodePlan, jvm: Jvm, deadline: float, cancellation: Cancellation
) -> None:
    while not is_ready(plan.host, plan.ports.native):
        cancellation.check()
        if jvm.wait(_POLL):
            raise _died(request, jvm)
        if time.monotonic() > deadline:
            raise _never_ready(request, "Cassandra")
    cancellation.check()


def _died(request: StartRequest, jvm: Jvm) -> NodeStartError:
    lines = last_lines(request.log)
    kind = PortInUseError if any(map(_PORT_TAKEN.search, last_lines(request.log, 400))) else NodeStartError
    msg = f"Cassandra ended with exit status {jvm.exit_code} before it was ready. {_shown(lines)}"
    return kind(msg, hint=f"The whole log: {request.log}", log_lines=lines, exit_code=jvm.exit_code)


def _never_ready(request: StartRequest, who: str) -> NodeStartError:
    lines = last_lines(request.log)
    msg = f"{who} isn't ready after {request.timeout:g} s. {_shown(lines)}"
    return NodeStartError(
        msg, hint=f"Give it longer with timeout=. The whole log: {request.log}", log_lines=lines
    )


def _shown(lines: tuple[str, ...]) -> str:
    return "\n    ".join(["The log's last lines:", *(lines or ("(nothing)",)), ""]).rstrip(" ")


def _build_archive(installation: _Installation, class_list: Path) -> None:
    try:
        builder = installation.archive.build_in_background(installation.java, installation.jars, class_list)
    except OSError as exc:
        # the node runs; without an archive the next start merely takes longer
        _log.warning("The class archive for faster starts can't be made: %s", exc)
        return
    if builder is not None:
        # somebody has to wait for it, or it stays as a zombie while this process lives
        threading.Thread(target=builder.wait, name="coodie-local-archive", daemon=True).start()
