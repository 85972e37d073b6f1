"""The requests of ``sync_table``, each to a node of its own choice, and seen by observers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.requests import Request

if TYPE_CHECKING:
    from cassandra.pool import Host

    from coodie.contract.driver import AbstractDriver
    from coodie.drivers.cassandra._client import SessionClient
    from coodie.drivers.client.pipeline import Pipeline
    from coodie.effects import Steps
    from coodie.schema.requests import Query

__all__ = ["SchemaRequests"]

#: The level at which the server's own tables are read: they aren't replicated.
_LOCAL_ONE = "LOCAL_ONE"


class SchemaRequests:
    """Read the server's own tables, and change the schema.

    Args:
        driver: The driver, for observers.
        client: Its client.
        pipeline: Its pipeline.
    """

    def __init__(self, driver: AbstractDriver, client: SessionClient, pipeline: Pipeline) -> None:
        self._driver = driver
        self._client = client
        self._pipeline = pipeline

    def read(self, query: Query, timeout: float, host: Host | None) -> Steps[list[dict[str, Any]]]:
        """Return all rows of one of the server's own tables.

        Args:
            query: The read.
            timeout: Seconds for each page.
            host: The node to ask; None leaves that to the session's policy.
        """
        request = Request(query.cql, query.params, _LOCAL_ONE, timeout)
        return self._pipeline.observed(
            self._driver, request, lambda seen: self._client.read(query, timeout, host, seen)
        )

    def change_schema(self, stmt: str, timeout: float, host: Host | None) -> Steps[None]:
        """Execute a schema statement.

        Args:
            stmt: The statement.
            timeout: Seconds.
            host: The node to ask; None leaves that to the session's policy.
        """
        request = Request(stmt, (), None, timeout)
        yield from self._pipeline.observed(
            self._driver, request, lambda seen: self._client.change_schema(stmt, timeout, host, seen)
        )
        self._pipeline.schema_changed()
