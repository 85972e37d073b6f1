"""The configuration of a node's JVM: command line, cassandra.yaml and logback.xml."""

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
    # the C2 compiler costs more CPU time than it saves in a short-lived node
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

#: System properties for a fast start on loopback: each skips a wait or a measurement.
_START_PROPERTIES = {
    "cassandra-foreground": "yes",
    "jdk.attach.allowAttachSelf": "true",
    "cassandra.ring_delay_ms": "100",
    "cassandra.skip_wait_for_gossip_to_settle": "0",
    "cassandra.superuser_setup_delay_ms": "0",
    # skips a measurement that takes seconds
    "cassandra.memtable.row_overhead_size": "100",
    "cassandra.shutdown_announce_in_ms": "0",
    "cassandra.test.messagingService.nonGracefulShutdown": "true",
    "org.apache.cassandra.disable_mbean_registration": "true",
    "cassandra.test.ignore_sigar": "true",
    "cassandra.skip_paxos_state_rebuild": "true",
    "chronicle.announcer.disable": "true",
    # the clock for timeouts, which a thread updates every 2 ms by default, also in an idle node
    "cassandra.approximate_time_precision_ms": "20",
    # otherwise a thread's name is set for each task, with a system call
    "cassandra.set_sep_thread_name": "false",
    # no fsync: development needs no protection from power loss
    "cassandra.skip_sync": "true",
}

#: Overrides for several nodes, which start concurrently and must discover each other.
_CLUSTER_PROPERTIES = {
    "cassandra.ring_delay_ms": "1000",
    "cassandra.consistent.rangemovement": "false",
}

#: A single node doesn't wait for replicas: only a busy machine exceeds Cassandra's defaults of 2 to 10 s.
_LONG_TIMEOUTS = {
    "read_request_timeout": "20s",
    "range_request_timeout": "20s",
    "write_request_timeout": "20s",
}

#: Environment variables that add options to a JVM.
_JAVA_VARIABLES = frozenset({"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"})


#: The memory limit of the control group in bytes; "max": no limit.
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
#: Bounds of the default maximum heap size, in MiB.
_MIN_HEAP, _MAX_HEAP = 384, 1024
#: The heaps of a cluster use at most the machine's memory divided by this number.
_HEAP_SHARE = 16
#: The direct memory limit, as a multiple of the heap size. Responses are buffered there until clients read
#: them; Cassandra exits when it is exhausted.
_DIRECT_MEMORY = 3
#: Reads of more than the heap size divided by this number are rejected: a node copies rows several times,
#: for several clients concurrently.
_READ_SHARE = 32
#: The size of the prepared statement cache is the heap size divided by this number. Cassandra's default of
#: 10 MiB holds about 3,000 statements. When the cache is full, Cassandra evicts the newest, so that a request
#: may find its statement evicted several times in a row.
_STATEMENTS_SHARE = 16


def heap_limit(nodes: int, memory: int | None = None) -> int:
    """Return the default maximum heap size of a node, in MiB.

    Args:
        nodes: The number of nodes.
        memory: The memory in MiB; None: this machine's.
    """
    memory = _memory() if memory is None else memory
    return max(_MIN_HEAP, min(_MAX_HEAP, memory // _HEAP_SHARE // nodes))


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
        plan: The node's plan; its settings files must exist.
        archive: The class archive to map; the JVM ignores one that doesn't match.
        class_list: The file to which the JVM writes the names of loaded classes.
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
        yield "-Xlog:cds*=off"  # a wildcard: the tags depend on the version of Java
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
    # Cassandra ignores it; is_process_of() identifies the JVM of a directory by it
    yield f"-Dcoodie.directory={plan.directory}"
    for name, value in (_START_PROPERTIES if plan.alone else _START_PROPERTIES | _CLUSTER_PROPERTIES).items():
        yield f"-D{name}={value}"
    if plan.security.auth:
        # the minimum of rounds is enough: the password is random and long
        yield "-Dcassandra.auth_bcrypt_gensalt_log2_rounds=4"
        yield f"-Dcassandra.system_auth.default_rf={min(3, len(plan.hosts))}"
    if plan.forgetful:
        # a restart would lose the keyspaces
        yield "-Dcassandra.test.flush_local_schema_changes=false"
        # writes to the server's own tables aren't flushed at once, such as those of each dropped table
        yield "-Dcassandra.unsafesystem=true"
    yield "-cp"
    yield class_path(jars)
    yield _DAEMON


def archive_command(
    java: JavaRuntime, jars: Sequence[Path], class_list: Path, archive: Path
) -> tuple[str, ...]:
    """Return the command that creates a class archive (AppCDS).

    Args:
        java: The runtime that will map the archive.
        jars: The class path of the JVMs that will map it, in the same order.
        class_list: The file that ``-XX:DumpLoadedClassList`` wrote.
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
    """Return an environment without the variables that add options to a JVM."""
    return {name: value for name, value in environment.items() if name not in _JAVA_VARIABLES}


#: Authentication. Credentials aren't cached, so that a new password takes effect immediately.
_AUTH_SETTINGS = {
    "authenticator": "PasswordAuthenticator",
    "authorizer": "CassandraAuthorizer",
    "role_manager": "CassandraRoleManager",
    "credentials_validity": "0ms",
}


def cassandra_yaml(plan: NodePlan) -> str:
    """Return the cassandra.yaml of a small node, as JSON, which is valid YAML."""
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
    if plan.forgetful:
        # with numbers instead, the server also writes a table for older versions
        settings["uuid_sstable_identifiers_enabled"] = True
    settings |= _commit_log(plan)
    settings |= _LONG_TIMEOUTS if plan.alone else _ring(plan)
    if plan.security.tls:
        settings["client_encryption_options"] = _tls(plan)
    if plan.security.auth:
        settings |= _AUTH_SETTINGS
    return json.dumps(settings, indent=1) + "\n"


def _commit_log(plan: NodePlan) -> dict[str, object]:
    """Sync the commit log before each acknowledgement ("batch"), or every 10 s.

    Cassandra may try to flush a table that was just dropped. It treats this as a commit log failure, and
    stops serving clients. A node whose data is never read again ignores such failures.
    """
    if plan.forgetful:
        return {
            "commitlog_sync": "periodic",
            "commitlog_sync_period": "10000ms",
            "commit_failure_policy": "ignore",
        }
    return {"commitlog_sync": "batch"}


def _tls(plan: NodePlan) -> dict[str, object]:
    """Return the TLS settings, for clients only: traffic between nodes stays on loopback."""
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
    """Let nodes start concurrently, each with its token, and detect dead nodes early."""
    return {"auto_bootstrap": False, "initial_token": str(plan.token), "phi_convict_threshold": 6}


def logback_xml() -> str:
    """Return the logback.xml, which logs from level INFO to standard output, the log file."""
    return """\
<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %logger{20} - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"""
