"""The driver for scylla-driver and cassandra-driver; neither is imported before one is made."""

from __future__ import annotations

from coodie.drivers.cassandra._connection import attentive
from coodie.drivers.cassandra.backend import cassandra_description, check_cassandra_config, open_cassandra
from coodie.drivers.cassandra.driver import CassandraDriver
from coodie.drivers.cassandra.inspection import inspect_cassandra
from coodie.drivers.cassandra.values.lenient_decoding import exact_protocol_handler

__all__ = [
    "CassandraDriver",
    "attentive",
    "cassandra_description",
    "check_cassandra_config",
    "exact_protocol_handler",
    "inspect_cassandra",
    "open_cassandra",
]
