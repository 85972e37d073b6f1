"""scylla-driver and cassandra-driver as they are: blocking calls, callbacks, execute_concurrent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contestants.installed import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from contestants.roles import Row, Target

__all__ = ["RawDriver", "cluster_of"]


def cluster_of(target: Target, cluster_class: type[Any] | None = None) -> Any:
    """Return a cluster whose rows are dicts."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.query import dict_factory

    options = {"protocol_version": 4} if "v4" in target.variants else {}
    profile = ExecutionProfile(row_factory=dict_factory)
    return (cluster_class or Cluster)(
        [target.host], port=target.port, execution_profiles={EXEC_PROFILE_DEFAULT: profile}, **options
    )


class RawDriver:
    """A session of the driver's."""

    identity = "id"
    session: Any

    def __init__(self) -> None:
        self.facts: dict[str, Any] = versions("scylla-driver", "cassandra-driver")

    def plain(self, row: Row) -> Row:
        """Return the row as it is."""
        return row

    def open(self, target: Target) -> None:
        """Connect."""
        self.session = cluster_of(target).connect()

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
