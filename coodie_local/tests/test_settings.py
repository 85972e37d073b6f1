"""The configuration of the JVM: cassandra.yaml, logback.xml, the command line."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from coodie_local import StorageError
from coodie_local._certificates import Certificates
from coodie_local._releases import JavaRuntime
from coodie_local._settings import (
    archive_command,
    cassandra_yaml,
    class_path,
    clean_environment,
    daemon_command,
    heap_limit,
    logback_xml,
)
from coodie_local._state import NodePlan, Ports

JAVA = JavaRuntime(Path("/java/bin/java"), (17, 0, 9))
JARS = (Path("/jars/a.jar"), Path("/jars/b.jar"))
PLAN = NodePlan(
    name="n",
    profile="ephemeral",
    hosts=("127.0.0.1",),
    index=0,
    ports=Ports(native=20001, storage=20002, ssl_storage=20003),
    directory=Path("/nodes/a b"),
    data=Path("/data/n"),
    certificates=Certificates(Path("/nodes/a b/tls")),
    heap=640,
)
DURABLE = replace(PLAN, profile="durable")


def test_the_settings_bind_nothing_but_the_planned_address() -> None:
    """All addresses and ports are the plan's."""
    settings = json.loads(cassandra_yaml(PLAN))
    assert settings["listen_address"] == settings["rpc_address"] == "127.0.0.1"
    assert settings["seed_provider"][0]["parameters"] == [{"seeds": "127.0.0.1:20002"}]
    ports = [settings[key] for key in ("native_transport_port", "storage_port", "ssl_storage_port")]
    assert ports == [20001, 20002, 20003]


def test_only_a_single_node_waits_longer_for_a_busy_machine() -> None:
    """Its timeouts are longer than Cassandra's two seconds; a cluster's aren't, as replicas may die."""
    several = replace(PLAN, hosts=("127.0.0.1", "127.0.0.2"))
    for kind in ("read", "range", "write"):
        assert json.loads(cassandra_yaml(PLAN))[f"{kind}_request_timeout"] == "20s"
        assert f"{kind}_request_timeout" not in json.loads(cassandra_yaml(several))


def test_all_data_is_below_the_planned_directory() -> None:
    """Cassandra doesn't write anywhere else."""
    settings = json.loads(cassandra_yaml(PLAN))
    places = [value for key, value in settings.items() if key.endswith("_directory")]
    places += settings["data_file_directories"]
    assert len(places) == 5
    assert all(place.startswith("/data/n/") for place in places)


def test_a_durable_node_acknowledges_after_the_commit_log() -> None:
    """Only the ephemeral profile may acknowledge before the sync, and lose schema changes."""
    assert json.loads(cassandra_yaml(DURABLE))["commitlog_sync"] == "batch"
    assert json.loads(cassandra_yaml(PLAN))["commitlog_sync"] == "periodic"
    assert "commit_failure_policy" not in json.loads(cassandra_yaml(DURABLE))
    assert json.loads(cassandra_yaml(PLAN))["commit_failure_policy"] == "ignore"
    assert "uuid_sstable_identifiers_enabled" not in json.loads(cassandra_yaml(DURABLE))
    assert json.loads(cassandra_yaml(PLAN))["uuid_sstable_identifiers_enabled"]
    forgets = {"-Dcassandra.test.flush_local_schema_changes=false", "-Dcassandra.unsafesystem=true"}
    assert forgets <= set(daemon_command(JAVA, JARS, PLAN))
    assert forgets.isdisjoint(daemon_command(JAVA, JARS, DURABLE))


def test_prepared_statements_grow_with_the_heap() -> None:
    """Cassandra's default of 10 MiB is too little for a suite of tests."""
    settings = json.loads(cassandra_yaml(PLAN))
    assert settings["prepared_statements_cache_size"] == f"{PLAN.heap // 16}MiB"


def test_logging_goes_to_standard_output() -> None:
    """The file is well-formed, with one appender for standard output."""
    appender = ET.fromstring(logback_xml()).find("appender")  # noqa: S314 - our own text
    assert appender is not None
    assert appender.get("class", "").endswith("ConsoleAppender")


def test_the_command_runs_the_daemon_with_the_jars_in_order() -> None:
    """A path with a space is one argument, and the path of the settings is a URL."""
    command = daemon_command(JAVA, JARS, PLAN)
    assert command[0] == "/java/bin/java"
    assert command[-3:] == ("-cp", "/jars/a.jar:/jars/b.jar", "org.apache.cassandra.service.CassandraDaemon")
    assert "-Dcassandra.config=file:///nodes/a%20b/cassandra.yaml" in command
    assert "-Djava.io.tmpdir=/nodes/a b/tmp" in command
    assert "-Xmx640m" in command


@pytest.mark.parametrize(
    ("memory", "nodes", "limit"),
    [(2048, 1, 384), (8192, 1, 512), (8192, 3, 384), (24_000, 3, 500), (65_536, 1, 1024)],
)
def test_the_heap_grows_with_the_machine(memory: int, nodes: int, limit: int) -> None:
    """All heaps use a sixteenth of the memory; each has 384 to 1,024 MiB."""
    assert heap_limit(nodes, memory) == limit
    assert 384 <= heap_limit(1) <= 1024


def test_an_archive_is_mapped_with_what_it_was_made_with() -> None:
    """Both commands have the same class path and memory flags; a mismatch is ignored."""
    archive, classes = Path("/c/x.jsa"), Path("/c/x.classes")
    use = daemon_command(JAVA, JARS, PLAN, archive=archive)
    make = archive_command(JAVA, JARS, classes, archive)
    assert "-XX:SharedArchiveFile=/c/x.jsa" in use
    assert "-XX:SharedArchiveFile=/c/x.jsa" in make
    assert "-Xshare:auto" in use
    for flag in ("-XX:+UseSerialGC", "-Xms96m", "/jars/a.jar:/jars/b.jar"):
        assert flag in use
        assert flag in make
    assert not any("Shared" in part for part in daemon_command(JAVA, JARS, PLAN, class_list=classes))


def test_a_misfit_is_ignored_silently_by_every_java() -> None:
    """The option has a wildcard: an unknown tag, such as `dynamic` for Java 11, would stop the JVM."""
    use = daemon_command(JAVA, JARS, PLAN, archive=Path("/c/x.jsa"))
    assert [part for part in use if part.startswith("-Xlog")] == ["-Xlog:cds*=off"]


def test_a_class_path_that_java_would_split_is_refused() -> None:
    """A separator in a path is an error, instead of a missing class."""
    with pytest.raises(StorageError, match="COODIE_LOCAL_CACHE"):
        class_path([Path(f"/odd{os.pathsep}place/a.jar")])


def test_the_environment_adds_no_options_to_the_jvm() -> None:
    """Environment variables with JVM options are removed; others are kept."""
    found = clean_environment({"PATH": "/bin", "JAVA_TOOL_OPTIONS": "-Xmx1g", "_JAVA_OPTIONS": "-x"})
    assert found == {"PATH": "/bin"}
