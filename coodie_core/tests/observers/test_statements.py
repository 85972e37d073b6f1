"""What a statement's text tells, and that no literal is left in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coodie.observers.statements import describe, without_literals


@pytest.mark.parametrize(
    ("stmt", "operation", "collection"),
    [
        ("SELECT a FROM ks.t WHERE b = ?", "SELECT", "ks.t"),
        ("select a from T", "SELECT", "t"),
        ('INSERT INTO "T" (a) VALUES (1)', "INSERT", "T"),
        ("-- why\nUPDATE t SET a = 1 WHERE b = 2", "UPDATE", "t"),
        ("DELETE a FROM ks.t WHERE b = 2", "DELETE", "ks.t"),
        ("CREATE TABLE ks.t (a int PRIMARY KEY)", "CREATE TABLE", "ks.t"),
        ("DROP INDEX ks.i", "DROP INDEX", None),
        ("CREATE ROLE r WITH PASSWORD = 'x'", "CREATE ROLE", None),
        ("BEGIN BATCH INSERT INTO t (a) VALUES (1) APPLY BATCH", "BATCH", None),
        ("TRUNCATE t", "TRUNCATE", None),
        ("", "", None),
        ("?", "", None),
    ],
)
def test_a_statement_in_a_few_words(stmt: str, operation: str, collection: str | None) -> None:
    """The operation and the table, as they are grouped by."""
    assert describe(stmt)[:2] == (operation, collection)


@pytest.mark.parametrize(
    ("stmt", "text"),
    [
        ("SELECT a FROM t WHERE b = 'it''s' AND c = 5", "SELECT a FROM t WHERE b = ? AND c = ?"),
        ("WHERE a = $$ it's $$ AND b = 'x'", "WHERE a = ? AND b = ?"),
        ("WHERE a = 1.5e-10 AND b = -0x7F AND c = 2E+5", "WHERE a = ? AND b = -? AND c = ?"),
        ("WHERE a = 550e8400-e29b-41d4-a716-446655440000", "WHERE a = ?"),
        ("WHERE a = fe9b8400-e29b-41d4-a716-446655440000", "WHERE a = ?"),
        ("WHERE a = 12h30m AND b = P1Y2M AND c = P0001-01-01T00:00:00", "WHERE a = ? AND b = ? AND c = ?"),
        ("SET a = {'x': 1, 'y': [2.5]}", "SET a = {?: ?, ?: [?]}"),
        ('SELECT "a1", b2 FROM "T 3" LIMIT 10', 'SELECT "a1", b2 FROM "T 3" LIMIT ?'),
        ("SELECT a -- secret 'x\n FROM /* secret */ t // secret", "SELECT a FROM t"),
        ("WITH PASSWORD = 'hunter2", "WITH PASSWORD = ?"),
        ("a = $$hunter2", "a = ?"),
        ("a /* hunter2", "a ?"),
        ("a = true AND b = null AND c = NaN", "a = true AND b = null AND c = NaN"),
        ("WHERE a = ? AND b = :name", "WHERE a = ? AND b = :name"),
    ],
)
def test_literals_are_replaced(stmt: str, text: str) -> None:
    """Strings, numbers, blobs, UUIDs and durations become ``?``; comments go; names stay."""
    assert without_literals(stmt) == text


@given(st.text(max_size=40), st.text(max_size=20), st.sampled_from(["'", "$$"]))
def test_no_string_survives(before: str, secret: str, quote: str) -> None:
    """Whatever is in a string, and whatever comes before it, the string is not in the result."""
    marked = f"Zx9{secret}Qy7"
    body = marked.replace("'", "''") if quote == "'" else marked.replace("$", "")
    if any(sign in before for sign in ("'", '"', "$", "/", "-", "*")):
        before = ""
    assert "Zx9" not in without_literals(f"{before} {quote}{body}{quote} after")
    assert "Zx9" not in without_literals(f"{before} {quote}{body}")
