"""The hooks of driver_type "scylla"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.drivers.cassandra.backend import cassandra_description, check_cassandra_config, open_cassandra
from coodie.drivers.cassandra.inspection import inspect_cassandra
from coodie.hooks import hookimpl
from coodie.plugins.integrity import check_module_owner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coodie.contract.driver import AbstractDriver
    from coodie.hooks import DriverDescription
    from coodie.options.connection import ConnectionConfig


@hookimpl
def coodie_describe_driver() -> DriverDescription:
    """Return the description of this backend."""
    check_module_owner("cassandra", "scylla-driver", ("cassandra-driver",), driver_type="scylla")
    return cassandra_description(
        "ScyllaDB and Apache Cassandra, through scylla-driver (shard-aware on ScyllaDB)",
        distribution="scylla-driver",
    )


@hookimpl
def coodie_check_config(config: ConnectionConfig) -> None:
    """Validate a configuration, without connecting."""
    check_cassandra_config(config)


@hookimpl
def coodie_open_driver(config: ConnectionConfig) -> AbstractDriver:
    """Connect, and return the driver."""
    return open_cassandra(config)


@hookimpl
def coodie_inspect_driver(driver: AbstractDriver | None) -> Mapping[str, str]:
    """Return facts about the session, for diagnostics."""
    return inspect_cassandra(driver)
