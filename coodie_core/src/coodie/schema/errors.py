"""What a sync says when it fails: what was found, what was done and what wasn't, and what to do."""

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

#: The builtin that a cause is an instance of → the error that is one, too.
_KINDS: tuple[tuple[type[Exception], type[SchemaError]], ...] = (
    (TimeoutError, SchemaTimeoutError),
    (PermissionError, SchemaPermissionError),
    (ConnectionError, SchemaConnectionError),
)


def _like(exc: Exception) -> type[SchemaError]:
    """Return the class of a sync that failed because of this."""
    return next((ours for builtin, ours in _KINDS if isinstance(exc, builtin)), SchemaError)


def refused(desired: Table, problems: Mapping[str, Sequence[str]], executed: Sequence[str]) -> SchemaError:
    """Return the error for a shape that the server can't be brought into.

    Args:
        desired: The definition.
        problems: What to do → the differences that it is about.
        executed: What was done before they showed.
    """
    done = "".join(f"\n  - {statement}" for statement in executed)
    listing = "".join(f"\n  - {problem}" for found in problems.values() for problem in found)
    changed = f"; executed before that showed:{done}\nDifferences" if executed else "; nothing was changed"
    return SchemaError(
        f"Table {qualify(desired.keyspace, desired.name)} can't be brought into the wanted shape"
        f"{changed}:{listing}\n",
        hint=" ".join(hint for hint, found in problems.items() if found),
        keyspace=desired.keyspace,
        table=desired.name,
        executed=tuple(executed),
    )


def missing_keyspace(desired: Table, executed: Sequence[str]) -> SchemaError:
    """Return the error for a keyspace that isn't there."""
    return SchemaError(
        f"Keyspace {desired.keyspace!r} doesn't exist (names are taken as they are given, case and all).",
        hint=(
            f"Create it first: CREATE KEYSPACE IF NOT EXISTS {quote(desired.keyspace)} WITH replication = "
            "{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}; or have it created, with "
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
        exc: The failure.
        executed: The statements before it.
        pending: It, and the statements after it.
    """
    statement, *left = pending
    if isinstance(exc, PermissionError):
        hint = _grant(desired, statement)
    elif isinstance(exc, InvalidQueryError):
        hint = "Correct the definition, and sync again: what was executed stays and isn't repeated."
    else:
        hint = "It may have taken effect or not; sync again: what is there isn't repeated."
    parts = [
        f"Bringing table {qualify(desired.keyspace, desired.name)} into shape failed at: {statement}",
        f"The reason: {str(exc) or type(exc).__name__}",
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
    """Return the error for a read that failed after the statements, of the table or of its indexes."""
    done = "".join(f"\nExecuted: {statement}" for statement in executed)
    hint = "Sync again: what is there isn't repeated."
    if isinstance(exc, PermissionError):
        hint = 'Waiting for indexes needs GRANT SELECT ON system."IndexInfo"; then sync again.'
    return _like(exc)(
        f"Table {qualify(desired.keyspace, desired.name)} couldn't be looked at again."
        f"\nThe reason: {str(exc) or type(exc).__name__}{done}\n",
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
        waiting: Index → how many nodes haven't built it.
        nodes: How many nodes were asked.
        seconds: How long was waited.
        executed: What was executed.
    """
    which = ", ".join(f"{name!r} (on {count} of {nodes} nodes)" for name, count in waiting.items())
    return SchemaTimeoutError(
        f"Table {qualify(desired.keyspace, desired.name)} is in shape, but not all indexes were built within "
        f"{seconds:g} s: {which} weren't.",
        hint="The server goes on building them; sync again to go on waiting.",
        keyspace=desired.keyspace,
        table=desired.name,
        executed=tuple(executed),
    )
