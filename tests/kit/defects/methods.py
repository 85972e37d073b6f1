"""Defects of single methods, whose other methods do the same right."""

# As mypy's override for all defects.

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, caught_by

from coodie.capabilities import Capability
from coodie.rows import Rows
from coodie.types import UNSET

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from tests.kit.defects.planting import Steps


def _listed(row: Any) -> Any:
    """Return a row with lists for tuples."""
    return {name: [*value] if type(value) is tuple else value for name, value in row.items()}


@caught_by("test_values_read_by_all_methods")
class StreamedTuplesAsLists(Faulty):
    """stream returns tuples as lists."""

    def stream(self, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        return (_listed(row) for row in super(Faulty, self).stream(*args, **kwargs))

    async def stream_async(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        async for row in super(Faulty, self).stream_async(*args, **kwargs):
            yield _listed(row)


@caught_by("test_values_read_by_all_methods")
class SingleValuesAsLists(Faulty):
    """execute_one returns a tuple as a list."""

    def on_execute_one(self, *args: Any, **kwargs: Any) -> Steps:
        value = yield self.right("execute_one", *args, **kwargs)
        return [*value] if type(value) is tuple else value


class _ChangedInMany(Faulty):
    """Change parameters of execute_many."""

    def on_many(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> Steps:
        given = params if hasattr(params, "__aiter__") else map(self.changed, params)
        return (yield self.right("execute_many", stmt, given, *args, **kwargs))

    def changed(self, params: Any) -> Any:
        """Return other parameters of an execution."""
        if isinstance(params, dict):
            return {name: self.part(value) for name, value in params.items()}
        return [self.part(value) for value in params] if isinstance(params, list) else params

    def part(self, value: Any) -> Any:
        """Return another value."""
        return value


@caught_by("test_values_written_by_all_methods")
class NegativesOfMany(_ChangedInMany):
    """execute_many writes a bool as its opposite."""

    def part(self, value: Any) -> Any:
        return not value if isinstance(value, bool) else value


@caught_by("test_nulls_in_all_methods")
class NullAsUnsetInMany(_ChangedInMany):
    """Null changes nothing with execute_many."""

    def part(self, value: Any) -> Any:
        return UNSET if value is None else value


@caught_by("test_unset_in_all_methods")
class UnsetAsNullInMany(_ChangedInMany):
    """UNSET is null with execute_many."""

    def part(self, value: Any) -> Any:
        return None if value is UNSET else value


@caught_by("test_retry_policies_of_all_methods")
class RetryPolicyOfManyDropped(Faulty):
    """The retry policy of execute_many is dropped."""

    def on_many(self, *args: Any, options: Any = None, **kwargs: Any) -> Steps:
        options = options and replace(options, retry_policy=None)
        return (yield self.right("execute_many", *args, options=options, **kwargs))


@caught_by("test_what_is_not_declared_is_refused")
class UndeclaredIgnoredInBatches(Faulty):
    """A batch ignores an option that the driver doesn't declare."""

    capabilities = Faulty.capabilities - {Capability.CUSTOM_PAYLOAD}

    def on_batch(self, *args: Any, options: Any = None, **kwargs: Any) -> Steps:
        options = options and replace(options, custom_payload=None)
        return (yield self.right("execute_batch", *args, options=options, **kwargs))


@caught_by("test_warnings_of_all_methods", "test_trace_ids_of_all_methods")
class MetadataOfBatchesLost(Faulty):
    """The rows of a batch have no warnings and no trace id."""

    def on_batch(self, *args: Any, **kwargs: Any) -> Steps:
        return Rows((yield self.right("execute_batch", *args, **kwargs)))


@caught_by("test_many_results_are_by_index")
class ResultsAsTheyEnd(Faulty):
    """execute_many numbers the executions in the order in which they end."""

    def on_many(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> Steps:
        if kwargs.get("on_result") is not None or "rows" in kwargs:
            return (yield self.right("execute_many", stmt, params, *args, **kwargs))
        ended: list[Any] = []
        kwargs["on_result"] = lambda _, outcome: ended.append(outcome)
        result = yield self.right("execute_many", stmt, params, *args, **kwargs)
        result._rows.update((n, rows) for n, rows in enumerate(ended) if isinstance(rows, list))
        return result


@caught_by("test_a_keyspace_is_created")
class KeyspaceAltered(Faulty):
    """sync_table changes the replication of an existing keyspace."""

    def on_sync_table(
        self, table: str, keyspace: str, *args: Any, options: Any = None, **kwargs: Any
    ) -> Steps:
        wanted = options and options.create_keyspace
        if wanted is not None and wanted.replication_factor > 1:
            yield self.right(
                "execute",
                f"ALTER KEYSPACE {keyspace} WITH replication = "
                "{'class': 'SimpleStrategy', 'replication_factor': 3}",
                [],
            )
        return (yield self.right("sync_table", table, keyspace, *args, options=options, **kwargs))
