"""The node's cassandra.yaml and logback.xml as text, from its plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coodie_local._plan import NodePlan

__all__ = ["cassandra_yaml", "logback_xml"]


#: Passwords; a role's is read for each login, so that a change of it holds at once.
_ROLES = {
    "authenticator": "PasswordAuthenticator",
    "authorizer": "CassandraAuthorizer",
    "role_manager": "CassandraRoleManager",
    "credentials_validity": "0ms",
}


def cassandra_yaml(plan: NodePlan) -> str:
    """Write the settings of a small node.

    Args:
        plan: The start.

    Returns:
        JSON, which is YAML: no quoting rules of its own.
    """
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
        "materialized_views_enabled": True,
        "user_defined_functions_enabled": True,
        "disk_optimization_strategy": "ssd",
    }
    settings |= _commit_log(plan)
    if not plan.alone:
        settings |= _ring(plan)
    if plan.security.tls:
        settings["client_encryption_options"] = _tls(plan)
    if plan.security.auth:
        settings |= _ROLES
    return json.dumps(settings, indent=1) + "\n"


def _commit_log(plan: NodePlan) -> dict[str, object]:
    """Sync the commit log before a write is acknowledged ("batch"), or every 10 s.

    Cassandra may look for a table to flush at the moment when it is dropped, and takes that for a failure of
    the commit log, after which it answers no client any more. A node that nobody starts again goes on.
    """
    if plan.forgetful:
        return {
            "commitlog_sync": "periodic",
            "commitlog_sync_period": "10000ms",
            "commit_failure_policy": "ignore",
        }
    return {"commitlog_sync": "batch"}


def _tls(plan: NodePlan) -> dict[str, object]:
    """Encrypt CQL, and nothing else: what nodes say to each other stays on loopback."""
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
    """Let all nodes start at once, each at its own place, and notice soon when one is gone."""
    return {"auto_bootstrap": False, "initial_token": str(plan.token), "phi_convict_threshold": 6}


def logback_xml() -> str:
    """Write the logging settings: everything from INFO up to standard output, which is the log file."""
    return """\
<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %logger{20} - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"""
