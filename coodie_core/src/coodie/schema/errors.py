"""The errors of a sync: the problem, the executed and the pending statements, and the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.exceptions import (
    InvalidQueryError,
    SchemaConnectionError,
    SchemaError,
    SchemaPermissionError,
    SchemaTimeoutError,
)
from coodie.schema.identifiers import qualify, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from coodie.schema.tables import Table

__all__ = ["failed", "indexes_not_built", "missing_keyspace", "read_failed", "refused"]

#: The builtin exception of a cause → the error class that also derives from it.
_KINDS: tuple[tuple[type[Exception], type[SchemaError]], ...] = (
    (TimeoutError, SchemaTimeoutError),
    (PermissionError, SchemaPermissionError),
    (ConnectionError, SchemaConnectionError),
)


def _like(exc: Exception) -> type[SchemaError]:
    """Return the error class for a sync that failed with an exception."""
    return next((ours for builtin, ours in _KINDS if isinstance(exc, builtin)), SchemaError)


def refused(desired: Table, problems: Mapping[str, Sequence[str]], executed: Sequence[str]) -> SchemaError:
    """Return the error for a definition that the table can't be altered to match.

    Args:
        desired: The definition.
        problems: The differences, by their fix.
        executed: The statements executed before.
    """
    done = "".join(f"\n  - {statement}" for statement in executed)
    listing = "".join(f"\n  - {problem}" for found in problems.values() for problem in found)
    changed = f"; executed before:{done}\nDifferences" if executed else "; nothing was changed"
    return SchemaError(
        f"Table {qualify(desired.keyspace, desired.name)} can't be altered to match the definition"
        f"{changed}:{listing}\n",
        hint=" ".join(hint for hint, found in problems.items() if found),
        keyspace=desired.keyspace,
        table=desired.name,
        executed=tuple(executed),
    )


def missing_keyspace(desired: Table, executed: Sequence[str]) -> SchemaError:
    """Return the error for a keyspace that doesn't exist."""
    return SchemaError(
        f"Keyspace {desired.keyspace!r} doesn't exist (names are case-sensitive).",
        hint=(
            f"Create it first: CREATE KEYSPACE IF NOT EXISTS {quote(desired.keyspace)} WITH replication = "
            "{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}; or use "
            "options=SyncOptions(create_keyspace=NetworkTopologyStrategy(replication_factor=3))."
        ),
        keyspace=desired.keyspace,
        table=desired.name,
        executed=tuple(executed),
    )


def failed(desired: Table, exc: Exception, executed: Sequence[str], pending: Iterable[str]) -> SchemaError:
    """Return the error for a statement that failed.

    Args:
        desired: The definition.
        exc: The exception.
        executed: The statements before it.
        pending: The failed statement, and those after it.
    """
    statement, *left = pending
    if isinstance(exc, PermissionError):
        hint = _grant(desired, statement)
    elif isinstance(exc, InvalidQueryError):
        hint = "Fix the definition, and sync again; executed statements aren't repeated."
    else:
        hint = "It may have been applied or not; sync again, which is safe."
    parts = [
        f"Syncing table {qualify(desired.keyspace, desired.name)} failed at: {statement}",
        f"Reason: {str(exc) or type(exc).__name__}",
        *(f"Executed before: {done}" for done in executed),
        *(f"Not executed: {undone}" for undone in left),
    ]
    return _like(exc)(
        "\n".join(parts) + "\n",
        hint=hint,
        keyspace=desired.keyspace,
        table=desired.name,
        executed=tuple(executed),
        failed=statement,
        remaining=tuple(left),
    )


def _grant(desired: Table, statement: str) -> str:
    if statement.startswith("CREATE KEYSPACE"):
        return "Grant the role CREATE ON ALL KEYSPACES, or create the keyspace by hand; then sync again."
    return f"Grant the role CREATE and ALTER on keyspace {quote(desired.keyspace)}, and sync again."


def read_failed(desired: Table, exc: Exception, executed: Sequence[str]) -> SchemaError:
    """Return the error for a read of the table or its indexes that failed after the statements."""
    done = "".join(f"\nExecuted: {statement}" for statement in executed)
    hint = "Sync again, which is safe."
    if isinstance(exc, PermissionError):
        hint = 'Waiting for indexes needs GRANT SELECT ON system."IndexInfo"; then sync again.'
    return _like(exc)(
        f"Table {qualify(desired.keyspace, desired.name)} couldn't be read again."
        f"\nReason: {str(exc) or type(exc).__name__}{done}\n",
        hint=hint,
        keyspace=desired.keyspace,
        table=desired.name,
        executed=tuple(executed),
    )


def indexes_not_built(
    desired: Table, waiting: Mapping[str, int], nodes: int, seconds: float, executed: Sequence[str]
) -> SchemaError:
    """Return the error for indexes that weren't built in time.

    Args:
        desired: The definition.
        waiting: The number of nodes that haven't built an index, by its name.
        nodes: The number of queried nodes.
        seconds: The timeout in seconds.
        executed: The executed statements.
    """
    which = ", ".join(f"{name!r} (on {count} of {nodes} nodes)" for name, count in waiting.items())
    return SchemaTimeoutError(
        f"Table {qualify(desired.keyspace, desired.name)} matches the definition, but not all "
        f"indexes were built within {seconds:g} s: {which} weren't.",
        hint="The server continues to build them; sync again to wait for them.",
        keyspace=desired.keyspace,
        table=desired.name,
        executed=tuple(executed),
    )
