"""The sweep behind the lock files of Cassandra (scripts/cassandra_lock.py)."""

from __future__ import annotations

from cassandra_lock import read_sweep
from steps import ROOT

SWEEP = (ROOT / "scripts" / "cassandra_sweep.cql").read_text(encoding="utf-8")


def test_the_sweep_is_read_whole() -> None:
    """All statements are parsed, and a semicolon in a function's body doesn't end a statement."""
    parts = read_sweep(SWEEP, "5.0.9")
    assert list(parts) == ["schema", "writes", "reads", "changes"]
    statements = [statement for part in parts.values() for statement in part]
    assert all(statement.endswith(";") and not statement.startswith("--") for statement in statements)
    assert len(statements) == sum(line.endswith(";") for line in SWEEP.splitlines())
    assert any(statement.endswith("'return n * 2;';") for statement in statements)


def test_an_older_version_gets_no_newer_statement() -> None:
    """Vectors require 5.0; a prerelease counts as its version."""
    assert "vector" in " ".join(read_sweep(SWEEP, "6.0-alpha2")["schema"])
    older = read_sweep(SWEEP, "4.1.10")
    assert "vector" not in " ".join(statement for part in older.values() for statement in part)
    assert len(older["reads"]) > 10
