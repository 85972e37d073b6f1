"""What a node's JVM is given, from the node's plan: its command line, cassandra.yaml and logback.xml."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from coodie_local.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from coodie_local._releases import JavaRuntime
    from coodie_local._state import NodePlan

__all__ = [
    "archive_command",
    "cassandra_yaml",
    "class_path",
    "clean_environment",
    "daemon_command",
    "heap_limit",
    "logback_xml",
]

_DAEMON = "org.apache.cassandra.service.CassandraDaemon"

_MEMORY_FLAGS = (
    "-Xms96m",
    "-XX:+UseSerialGC",
    # the second compiler costs more CPU time than it saves in a short-lived node
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    # no memory-mapped counters in the temporary directory, which a killed JVM would leave there
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

#: What makes a single node on loopback start in seconds: each skips a wait or a measurement.
_FAST = {
    "cassandra-foreground": "yes",
    "jdk.attach.allowAttachSelf": "true",
    "cassandra.ring_delay_ms": "100",
    "cassandra.skip_wait_for_gossip_to_settle": "0",
    "cassandra.superuser_setup_delay_ms": "0",
    # otherwise measured at start, which takes seconds
    "cassandra.memtable.row_overhead_size": "100",
    "cassandra.shutdown_announce_in_ms": "0",
    "cassandra.test.messagingService.nonGracefulShutdown": "true",
    "org.apache.cassandra.disable_mbean_registration": "true",
    "cassandra.test.ignore_sigar": "true",
    "cassandra.skip_paxos_state_rebuild": "true",
    "chronicle.announcer.disable": "true",
    # no fsync: protection from power loss isn't needed in development
    "cassandra.skip_sync": "true",
}

#: What differs for several nodes, which start at once and have to discover each other.
_TOGETHER = {
    "cassandra.ring_delay_ms": "1000",
    "cassandra.consistent.rangemovement": "false",
}

#: A single node waits for no replica: a request that takes longer than Cassandra's 2 to 10 seconds waits
#: for a busy machine.
_PATIENT = {"read_request_timeout": "20s", "range_request_timeout": "20s", "write_request_timeout": "20s"}

#: Variables from which a JVM takes further options.
_JAVA_VARIABLES = frozenset({"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"})


#: How much memory the processes of a control group may use, in bytes; "max": no limit.
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
#: The heap of a node may grow to this many MiB where the machine has little memory, or much.
_MIN_HEAP, _MAX_HEAP = 384, 1024
#: The heaps of a cluster may take one part in this many of the machine's memory.
_SHARE = 16
#: Answers wait outside the heap until clients have taken them, in up to this many times its size; Cassandra
#: ends where that is used up.
_DIRECT_MEMORY = 3
#: A read of more than one part in this many of the heap is refused: a node copies what it reads several
#: times, for several clients at once.
_READ_SHARE = 32
#: The prepared statements' part of the heap. Cassandra's default of 10 MiB holds some 3,000 of them; beyond
#: that, it evicts the newest, and a request may find its statement evicted several times in a row.
_STATEMENTS_SHARE = 16


def heap_limit(nodes: int, memory: int | None = None) -> int:
    """Return the size to which a node's heap may grow by default, in MiB.

    Args:
        nodes: How many nodes the cluster has.
        memory: MiB; None: this machine's.
    """
    memory = _memory() if memory is None else memory
    return max(_MIN_HEAP, min(_MAX_HEAP, memory // _SHARE // nodes))


def _memory() -> int:
    """Return the memory of the machine, or of the container, in MiB."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        memory = min(memory, int(_CONTAINER_LIMIT.read_text(encoding="ascii")))
    return memory >> 20


def class_path(jars: Sequence[Path]) -> str:
    """Return the class path.

    Raises:
        StorageError: A path contains the separator.
    """
    for jar in jars:
        if os.pathsep in str(jar):
            msg = f"Java can't load jars from {jar.parent}: the path contains {os.pathsep!r}."
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
    """Return the command that runs a node in the foreground.

    Args:
        java: The runtime.
        jars: The class path.
        plan: The node; its settings files must exist.
        archive: A class archive to map; the JVM ignores one that doesn't match.
        class_list: The file to which the JVM writes the names of the classes that it loads.
    """
    return (str(java.executable), *_daemon_arguments(jars, plan, archive, class_list))


def _daemon_arguments(
    jars: Sequence[Path], plan: NodePlan, archive: Path | None, class_list: Path | None
) -> Iterator[str]:
    yield from _MEMORY_FLAGS
    yield f"-Xmx{plan.heap}m"
    yield f"-XX:MaxDirectMemorySize={_DIRECT_MEMORY * plan.heap}m"
    if archive is not None:
        yield f"-XX:SharedArchiveFile={archive}"
        yield "-Xshare:auto"
        yield "-Xlog:cds*=off"  # with all further tags: which ones exist depends on the version of Java
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
    # not read by Cassandra: is_process_of() recognises the JVM of a directory by it
    yield f"-Dcoodie.directory={plan.directory}"
    for name, value in (_FAST if plan.alone else _FAST | _TOGETHER).items():
        yield f"-D{name}={value}"
    if plan.security.auth:
        # the fewest rounds: the password is random and long
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
    """Return the command that makes a class archive (AppCDS).

    Args:
        java: The runtime that will map it.
        jars: The class path with which it will be mapped, in the same order.
        class_list: The classes, as ``-XX:DumpLoadedClassList`` wrote them.
        archive: The file to create.
    """
    return (
        str(java.executable),
        *_MEMORY_FLAGS,
        f"-Xmx{_MIN_HEAP}m",
        "-Xshare:dump",
        f"-XX:SharedClassListFile={class_list}",
        f"-XX:SharedArchiveFile={archive}",
        "-cp",
        class_path(jars),
    )


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables that would add options to the JVM."""
    return {name: value for name, value in environment.items() if name not in _JAVA_VARIABLES}


#: Passwords; a role's is read for each login, so that a change of it holds at once.
_ROLES = {
    "authenticator": "PasswordAuthenticator",
    "authorizer": "CassandraAuthorizer",
    "role_manager": "CassandraRoleManager",
    "credentials_validity": "0ms",
}


def cassandra_yaml(plan: NodePlan) -> str:
    """Return the cassandra.yaml of a small node, as JSON: valid YAML, without quoting rules of its own."""
    settings: dict[str, object] = {
        "cluster_name": f"coodie-local {plan.name}",
        "num_tokens": 1,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "SimpleSnitch",
        "seed_provider": [
            {
                "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                "parameters": [{"seeds": ", ".join(f"{host}:{plan.ports.storage}" for host in plan.hosts)}],
            }
        ],
        "listen_address": plan.host,
        "rpc_address": plan.host,
        "start_native_transport": True,
        "native_transport_port": plan.ports.native,
        "storage_port": plan.ports.storage,
        "ssl_storage_port": plan.ports.ssl_storage,
        "data_file_directories": [str(plan.data / "data")],
        "commitlog_directory": str(plan.data / "commitlog"),
        "saved_caches_directory": str(plan.data / "saved_caches"),
        "hints_directory": str(plan.data / "hints"),
        "cdc_raw_directory": str(plan.data / "cdc_raw"),
        "commitlog_segment_size": "8MiB",
        "commitlog_total_space": "64MiB",
        "memtable_heap_space": "64MiB",
        "memtable_offheap_space": "64MiB",
        "concurrent_reads": 8,
        "concurrent_writes": 8,
        "auto_snapshot": False,
        "read_thresholds_enabled": True,
        "local_read_size_fail_threshold": f"{plan.heap // _READ_SHARE}MiB",
        "coordinator_read_size_fail_threshold": f"{plan.heap // _READ_SHARE}MiB",
        "prepared_statements_cache_size": f"{plan.heap // _STATEMENTS_SHARE}MiB",
        "materialized_views_enabled": True,
        "user_defined_functions_enabled": True,
        "disk_optimization_strategy": "ssd",
    }
    settings |= _commit_log(plan)
    settings |= _PATIENT if plan.alone else _ring(plan)
    if plan.security.tls:
        settings["client_encryption_options"] = _tls(plan)
    if plan.security.auth:
        settings |= _ROLES
    return json.dumps(settings, indent=1) + "\n"


def _commit_log(plan: NodePlan) -> dict[str, object]:
    """Sync the commit log before a write is acknowledged ("batch"), or every 10 s.

    Cassandra may look for a table to flush at the moment when it is dropped, and takes that for a failure of
    the commit log, after which it stops serving clients. A node that never starts again ignores that.
    """
    if plan.forgetful:
        return {
            "commitlog_sync": "periodic",
            "commitlog_sync_period": "10000ms",
            "commit_failure_policy": "ignore",
        }
    return {"commitlog_sync": "batch"}


def _tls(plan: NodePlan) -> dict[str, object]:
    """Encrypt CQL alone: traffic between nodes stays on loopback."""
    return {
        "enabled": True,
        "optional": False,
        "require_client_auth": plan.security.mtls,
        "protocol": "TLS",
        "accepted_protocols": ["TLSv1.2", "TLSv1.3"],
        "ssl_context_factory": {"class_name": "org.apache.cassandra.security.PEMBasedSslContextFactory"},
        "keystore": str(plan.certificates.server),
        "truststore": str(plan.certificates.ca),
    }


def _ring(plan: NodePlan) -> dict[str, object]:
    """Let all nodes start at once, each at its own token, and detect a dead one soon."""
    return {"auto_bootstrap": False, "initial_token": str(plan.token), "phi_convict_threshold": 6}


def logback_xml() -> str:
    """Return the logback.xml: everything from INFO up to standard output, which is the log file."""
    return """\
<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %logger{20} - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"""
