"""The command line that runs Cassandra's daemon, from a node's plan."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from coodie_local.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from coodie_local._plan import NodePlan
    from coodie_local._platform import JavaRuntime

__all__ = ["archive_command", "class_path", "clean_environment", "daemon_command", "heap_limit"]

_DAEMON = "org.apache.cassandra.service.CassandraDaemon"

_MEMORY_FLAGS = (
    "-Xms96m",
    "-XX:+UseSerialGC",
    # the second compiler costs more processor time than a short-lived node ever gets back
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    # no memory-mapped counters in the temporary directory, where nobody would remove them
    "-XX:-UsePerfData",
)

_EXPORTS = (
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "java.base/java.lang.ref",
    "jdk.unsupported/sun.misc",
)

_OPENS = (
    "java.base/java.lang.module",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.util",
    "java.base/java.nio",
    "java.base/java.lang.reflect",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "jdk.management/com.sun.management.internal",
)

#: What makes a single node on loopback start in seconds; each leaves out waiting or measuring.
_FAST = {
    "cassandra-foreground": "yes",
    "jdk.attach.allowAttachSelf": "true",
    "cassandra.ring_delay_ms": "100",
    "cassandra.skip_wait_for_gossip_to_settle": "0",
    "cassandra.superuser_setup_delay_ms": "0",
    # else it is measured at start, which takes seconds
    "cassandra.memtable.row_overhead_size": "100",
    "cassandra.shutdown_announce_in_ms": "0",
    "cassandra.test.messagingService.nonGracefulShutdown": "true",
    "org.apache.cassandra.disable_mbean_registration": "true",
    "cassandra.test.ignore_sigar": "true",
    "cassandra.skip_paxos_state_rebuild": "true",
    "chronicle.announcer.disable": "true",
    # no fsync: it protects from power loss, which isn't what a local node is for
    "cassandra.skip_sync": "true",
}

#: What differs for several nodes, which start at once and have to hear of each other.
_TOGETHER = {
    "cassandra.ring_delay_ms": "1000",
    "cassandra.consistent.rangemovement": "false",
}

#: Variables by which a JVM takes options from its environment; ours are complete.
_JAVA_VARIABLES = frozenset({"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"})


#: Where a control group says how much memory its processes may use, in bytes; "max": no limit.
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
#: The heap of a node may grow to this many MiB where the machine has little memory, or much.
_LEAST_HEAP, _MOST_HEAP = 384, 1024
#: The part of the machine's memory that the heaps of a cluster may take together.
_SHARE = 16


def heap_limit(memory: int, nodes: int) -> int:
    """Return the size to which a node's heap may grow, in MiB.

    Args:
        memory: The machine's, in MiB.
        nodes: How many nodes the cluster has.
    """
    return max(_LEAST_HEAP, min(_MOST_HEAP, memory // _SHARE // nodes))


def _memory() -> int:
    """Return the machine's memory in MiB; in a container, what that may use."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        memory = min(memory, int(_CONTAINER_LIMIT.read_text(encoding="ascii")))
    return memory >> 20


def class_path(jars: Sequence[Path]) -> str:
    """Join the jars' paths.

    Raises:
        StorageError: A path has the separator in it.
    """
    for jar in jars:
        if os.pathsep in str(jar):
            msg = f"Java can't load jars from {jar.parent}: the path has {os.pathsep!r} in it."
            raise StorageError(msg, hint="Set COODIE_LOCAL_CACHE to another directory.", path=jar.parent)
    return os.pathsep.join(map(str, jars))


def daemon_command(
    java: JavaRuntime,
    jars: Sequence[Path],
    plan: NodePlan,
    *,
    archive: Path | None = None,
    class_list: Path | None = None,
) -> tuple[str, ...]:
    """Write the command that runs the node in the foreground.

    Args:
        java: The runtime.
        jars: The class path.
        plan: The start; its settings files must have been written.
        archive: A class archive to map; one that doesn't fit is ignored by the JVM.
        class_list: A file in which the JVM is to list the classes that it loads.

    Returns:
        The executable and its arguments.
    """
    return (str(java.executable), *_daemon_arguments(jars, plan, archive, class_list))


def _daemon_arguments(
    jars: Sequence[Path], plan: NodePlan, archive: Path | None, class_list: Path | None
) -> Iterator[str]:
    yield from _MEMORY_FLAGS
    yield f"-Xmx{heap_limit(_memory(), len(plan.hosts))}m"
    if archive is not None:
        yield f"-XX:SharedArchiveFile={archive}"
        yield "-Xshare:auto"
        yield "-Xlog:cds=off"
        yield "-Xlog:cds+dynamic=off"
    if class_list is not None:
        yield f"-XX:DumpLoadedClassList={class_list}"
    for package in _EXPORTS:
        yield f"--add-exports={package}=ALL-UNNAMED"
    for package in _OPENS:
        yield f"--add-opens={package}=ALL-UNNAMED"
    yield f"-Dcassandra.config={plan.settings_file.as_uri()}"
    yield f"-Dcassandra.storagedir={plan.data}"
    yield f"-Dlogback.configurationFile={plan.logging_file}"
    yield f"-Djava.io.tmpdir={plan.temporary}"
    # not read by Cassandra: by it the process of a directory is recognised, see _state
    yield f"-Dcoodie.directory={plan.directory}"
    for name, value in (_FAST if plan.alone else _FAST | _TOGETHER).items():
        yield f"-D{name}={value}"
    if plan.security.auth:
        # the least there is: its passwords are random and long
        yield "-Dcassandra.auth_bcrypt_gensalt_log2_rounds=4"
        yield f"-Dcassandra.system_auth.default_rf={min(3, len(plan.hosts))}"
    if plan.forgetful:
        # a restart would lose the keyspaces
        yield "-Dcassandra.test.flush_local_schema_changes=false"
    yield "-cp"
    yield class_path(jars)
    yield _DAEMON


def archive_command(
    java: JavaRuntime, jars: Sequence[Path], class_list: Path, archive: Path
) -> tuple[str, ...]:
    """Write the command that makes a class archive (AppCDS) of the listed classes.

    Args:
        java: The runtime that will map it.
        jars: The same class path, in the same order, that it will be mapped with.
        class_list: What ``-XX:DumpLoadedClassList`` wrote.
        archive: The file to make.
    """
    return (
        str(java.executable),
        *_MEMORY_FLAGS,
        f"-Xmx{_LEAST_HEAP}m",
        "-Xshare:dump",
        f"-XX:SharedClassListFile={class_list}",
        f"-XX:SharedArchiveFile={archive}",
        "-cp",
        class_path(jars),
    )


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Drop what would add options to our JVM from a copy of an environment."""
    return {name: value for name, value in environment.items() if name not in _JAVA_VARIABLES}
