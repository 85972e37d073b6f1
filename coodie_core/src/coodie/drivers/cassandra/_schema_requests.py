"""The requests of ``sync_table``: each is sent to a given node, and observed."""

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

#: The consistency level for system tables, which aren't replicated.
_LOCAL_ONE = "LOCAL_ONE"


class SchemaRequests:
    """Read system tables, and change the schema.

    Args:
        driver: The driver, for observers.
        client: The driver's client.
        pipeline: The driver's pipeline.
        given_timeout: The caller's timeout, for observers; None for the connection's default.
    """

    def __init__(
        self,
        driver: AbstractDriver,
        client: SessionClient,
        pipeline: Pipeline,
        given_timeout: float | None,
    ) -> None:
        self._driver = driver
        self._client = client
        self._pipeline = pipeline
        self._given_timeout = given_timeout

    def read(self, query: Query, timeout: float, host: Host | None) -> Steps[list[dict[str, Any]]]:
        """Return all rows of a query of system tables.

        Args:
            query: The query.
            timeout: The timeout of each page in seconds.
            host: The node; None for the choice of the session's policy.
        """
        request = Request(query.cql, query.params, _LOCAL_ONE, self._given_timeout)
        return self._pipeline.observed(
            self._driver, request, lambda observed: self._client.read(query, timeout, host, observed)
        )

    def change_schema(self, stmt: str, timeout: float, host: Host | None) -> Steps[None]:
        """Execute a schema statement.

        Args:
            stmt: The CQL text.
            timeout: The timeout in seconds.
            host: The node; None for the choice of the session's policy.
        """
        request = Request(stmt, (), None, self._given_timeout)
        yield from self._pipeline.observed(
            self._driver, request, lambda observed: self._client.change_schema(stmt, timeout, host, observed)
        )
        self._pipeline.schema_changed()
