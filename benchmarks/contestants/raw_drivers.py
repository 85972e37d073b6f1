"""scylla-driver and cassandra-driver without coodie: sync calls, callbacks, execute_concurrent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contestants import frames
from contestants.installed import versions
from contestants.roles import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from contestants.roles import Row, Target
    from contestants.rows import Table

__all__ = ["RawDriver", "cluster_of", "cluster_options", "plain_row"]


def plain_row(row: Row, table: Table) -> Row:
    """Return the row with dicts instead of the driver's maps."""
    return row | {name: dict(row[name]) for name in table.named("map<text, text>")}


def cluster_options(target: Target) -> dict[str, Any]:
    """Return the arguments of a driver's ``Cluster`` for connecting."""
    options: dict[str, Any] = {"contact_points": [target.host], "port": target.port}
    if "v4" in target.variants:
        options["protocol_version"] = 4
    if target.ca:
        import ssl

        options["ssl_context"] = ssl.create_default_context(cafile=target.ca)
    return options


def cluster_of(target: Target, cluster_class: type[Any] | None = None) -> Any:
    """Return a cluster whose rows are dicts."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.query import dict_factory

    profile = ExecutionProfile(row_factory=dict_factory)
    return (cluster_class or Cluster)(
        **cluster_options(target), execution_profiles={EXEC_PROFILE_DEFAULT: profile}
    )


class RawDriver:
    """A session of the driver."""

    identity = "id"
    session: Any

    @property
    def facts(self) -> dict[str, Any]:
        """Its version."""
        return versions("scylla-driver", "cassandra-driver")

    def plain(self, row: Row, table: Table) -> Row:
        """Return the row with dicts instead of the driver's maps."""
        return plain_row(row, table)

    def open(self, target: Target) -> None:
        """Connect."""
        self.session = cluster_of(target).connect()
        if "numpy" in target.variants:
            self._use_numpy()

    def _use_numpy(self) -> None:
        import numpy as np
        from cassandra.protocol import NumpyProtocolHandler

        if NumpyProtocolHandler is None:
            raise Unavailable("the driver was built without its NumpyProtocolHandler")
        masked: Any = np.ma.MaskedArray
        if not hasattr(masked, "newbyteorder"):
            # numpy 2 removed it; without it, the handler returns no rows.
            masked.newbyteorder = lambda array: array.view(array.dtype.newbyteorder())
        self.session.client_protocol_handler = NumpyProtocolHandler

    def close(self) -> None:
        """Disconnect."""
        self.session.cluster.shutdown()

    def prepare(self, cql: str) -> Any:
        """Prepare a statement."""
        return self.session.prepare(cql)

    def read(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of the first page."""
        rows: list[Row] = self.session.execute(statement, values).current_rows
        return rows

    def read_all(self, statement: Any, values: list[Any]) -> list[Row]:
        """Return the rows of all pages."""
        return list(self.session.execute(statement, values))

    def frame(self, statement: Any, values: list[Any]) -> Any:
        """Return the rows as a data frame, joined from one per page."""
        from cassandra.cluster import EXEC_PROFILE_DEFAULT

        profile = self.session.execution_profile_clone_update(
            EXEC_PROFILE_DEFAULT, row_factory=frames.new_pages(), request_timeout=600
        )
        result = self.session.execute(statement, values, execution_profile=profile)
        pages = [*result.current_rows]
        while result.has_more_pages:
            result.fetch_next_page()
            pages += result.current_rows
        return frames.join(pages)

    def total(self, statement: Any, values: list[Any]) -> tuple[int, int]:
        """Go through all rows."""
        count = identities = 0
        for row in self.session.execute(statement, values):
            count += 1
            identities += row["id"]
        return count, identities

    def write(self, statement: Any, values: list[Any]) -> None:
        """Insert a row."""
        self.session.execute(statement, values)

    def write_many(self, statement: Any, rows: Iterable[list[Any]], concurrency: int) -> None:
        """Insert rows."""
        from cassandra.concurrent import execute_concurrent_with_args

        execute_concurrent_with_args(self.session, statement, rows, concurrency, raise_on_first_error=True)

    def start(
        self,
        statement: Any,
        values: list[Any],
        done: Callable[[list[Row] | None], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Send a request."""
        self.session.execute_async(statement, values).add_callbacks(done, failed)
