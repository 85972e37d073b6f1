"""The kind of a statement, its table, and its bind markers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coodie.cql import (
    Kind,
    count_positional_markers,
    inspect_statement,
    qualified,
    terminated,
    unqualified,
    used_keyspace,
    with_positional_markers,
)


@pytest.mark.parametrize(
    ("stmt", "kind"),
    [
        ("SELECT * FROM t", Kind.READ),
        ("select json * from t", Kind.READ),
        ("INSERT INTO t (a) VALUES (?)", Kind.WRITE),
        ("Update t SET a = ? WHERE b = ?", Kind.WRITE),
        ("DELETE FROM t WHERE a = ?", Kind.WRITE),
        ("BEGIN BATCH INSERT INTO t (a) VALUES (1); APPLY BATCH", Kind.BATCH),
        ("begin unlogged batch apply batch", Kind.BATCH),
        ("CREATE TABLE t (a int PRIMARY KEY)", Kind.SCHEMA),
        ("ALTER TABLE t ADD b int", Kind.SCHEMA),
        ("DROP TABLE t", Kind.SCHEMA),
        ("GRANT SELECT ON t TO r", Kind.PLAIN),
        ("REVOKE SELECT ON t FROM r", Kind.PLAIN),
        ("LIST ROLES", Kind.PLAIN),
        ("TRUNCATE t", Kind.PLAIN),
        ("TRUNCATE TABLE ks.t", Kind.PLAIN),
        ("DESCRIBE TABLES", Kind.PLAIN),
        ("USE ks", Kind.USE),
        ("EXPLODE t", Kind.WRITE),
        ("", Kind.WRITE),
        ("'SELECT'", Kind.WRITE),
        ('"USE" ks', Kind.WRITE),
    ],
)
@pytest.mark.parametrize(
    "before",
    ["", " \n\t", "-- a comment\n", "// another; USE x\r\n", "/* USE x\n */", "/**/-- a\n/* b */ // c\n"],
    ids=["nothing", "space", "dashes", "slashes", "block", "several"],
)
def test_kind(stmt: str, kind: Kind, before: str) -> None:
    """The first word tells the kind, whatever its case and whatever comments stand before it."""
    assert inspect_statement(before + stmt).kind is kind


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("SELECT 1 -- end", "SELECT 1 -- end\n"),
        ("SELECT 1; // end", "SELECT 1; // end\n"),
        ("SELECT 1 -- end\n", "SELECT 1 -- end\n"),
        ("SELECT 1 /* end */", "SELECT 1 /* end */"),
        ("SELECT '-- no end'", "SELECT '-- no end'"),
        ("SELECT $$ -- no end $$", "SELECT $$ -- no end $$"),
        ("-", "-"),
        ("", ""),
    ],
)
def test_terminated(text: str, ended: str) -> None:
    """A line comment at the end gets the line break that servers require; nothing else changes."""
    assert terminated(text) == ended


@pytest.mark.parametrize(
    ("stmt", "keyspace", "table"),
    [
        ("SELECT a, writetime(b) FROM ks.t WHERE a = 1", "ks", "t"),
        ("SELECT 'FROM x', \"FROM\" /* FROM y */ FROM t", None, "t"),
        ("SELECT * FROM T;", None, "t"),
        ("select * from Ks . T limit 1", "ks", "t"),
        ('SELECT * FROM "Ks"."T"', "Ks", "T"),
        ('SELECT * FROM "a ""quoted"" name"', None, 'a "quoted" name'),
        ("INSERT INTO ks.t (a) VALUES (1)", "ks", "t"),
        ("INSERT INTO t JSON '{\"a\": 1}'", None, "t"),
        ("UPDATE ks.t USING TTL 5 SET a = 1 WHERE b = 2", "ks", "t"),
        ("DELETE a, b['FROM'] FROM -- no\n ks.t WHERE c = 1", "ks", "t"),
        ("DELETE FROM t WHERE a = 1", None, "t"),
        ("SELECT 1", None, None),
        ("SELECT * FROM", None, None),
        ("SELECT * FROM 5", None, None),
        ("UPDATE", None, None),
        ("CREATE TABLE ks.t (a int PRIMARY KEY)", None, None),
        ("BEGIN BATCH INSERT INTO ks.t (a) VALUES (1); APPLY BATCH", None, None),
    ],
)
def test_table(stmt: str, keyspace: str | None, table: str | None) -> None:
    """The table and keyspace are named as the server stores them; strings and comments name none."""
    shape = inspect_statement(stmt)
    assert (shape.keyspace, shape.table) == (keyspace, table)


@pytest.mark.parametrize(
    ("stmt", "conditional"),
    [
        ("INSERT INTO t (a) VALUES (1) IF NOT EXISTS", True),
        ("insert into t json '{}' if not exists using ttl 5", True),
        ("UPDATE ks.t SET a = 1 WHERE b = 2 IF a = 'x'", True),
        ("UPDATE t SET a = 1 WHERE b = 2 IF\tEXISTS", True),
        ("DELETE FROM t WHERE a = 1 IF/**/EXISTS", True),
        ("BEGIN BATCH INSERT INTO t (a) VALUES (1) IF NOT EXISTS; APPLY BATCH", True),
        ("BEGIN BATCH UPDATE t SET a = 1 WHERE b = 2; APPLY BATCH", False),
        ("INSERT INTO t (a) VALUES ('IF NOT EXISTS')", False),
        ("INSERT INTO t (a) VALUES ($$ if $$) -- IF NOT EXISTS", False),
        ('UPDATE t SET "IF" = 1 /* IF */ WHERE life = 2', False),
        ("SELECT a FROM t", False),
        ("CREATE TABLE IF NOT EXISTS t (a int PRIMARY KEY)", False),
    ],
)
def test_condition(stmt: str, conditional: bool) -> None:
    """A write with IF has one, wherever that stands; strings, comments and quoted names have none."""
    assert inspect_statement(stmt).conditional is conditional


@pytest.mark.parametrize(
    ("stmt", "text", "names"),
    [
        ("SELECT * FROM t WHERE a = :a AND b = :b", "SELECT * FROM t WHERE a = ? AND b = ?", ["a", "b"]),
        ("UPDATE t SET a = :x WHERE b = :x", "UPDATE t SET a = ? WHERE b = ?", ["x", "x"]),
        ('INSERT INTO t (a) VALUES (:Name, :"Name")', "INSERT INTO t (a) VALUES (?, ?)", ["name", "Name"]),
        ("SELECT * FROM t WHERE a = : a", "SELECT * FROM t WHERE a = ? ", ["a"]),
        ("SELECT * FROM t WHERE a IN (:a,:b)", "SELECT * FROM t WHERE a IN (?,?)", ["a", "b"]),
        ("UPDATE t SET m = {'k': :v}", "UPDATE t SET m = {'k': ?}", ["v"]),
        ("UPDATE t SET m = {:k : :v, 'x':1}", "UPDATE t SET m = {? : ?, 'x':1}", ["k", "v"]),
        ("UPDATE t SET m = {:k: true, 'x': null}", "UPDATE t SET m = {?: true, 'x': null}", ["k"]),
        ("UPDATE t SET m = {:k::v}", "UPDATE t SET m = {?:?}", ["k", "v"]),
        ("UPDATE t SET m = {(1, 2): :v}", "UPDATE t SET m = {(1, 2): ?}", ["v"]),
        ("UPDATE t SET m = {{1, 2}: [:v]}", "UPDATE t SET m = {{1, 2}: [?]}", ["v"]),
        (
            "UPDATE t SET u = {street: :s, no: {a: :a}}",
            "UPDATE t SET u = {street: ?, no: {a: ?}}",
            ["s", "a"],
        ),
        ("UPDATE t SET s = {:a, :b}", "UPDATE t SET s = {?, ?}", ["a", "b"]),
        ("UPDATE t SET m[:k] = :v", "UPDATE t SET m[?] = ?", ["k", "v"]),
        ("UPDATE t USING TTL :ttl SET a = 1", "UPDATE t USING TTL ? SET a = 1", ["ttl"]),
        ("SELECT ':no', \":no\", $$ :no $$ /* :no */ -- :no", None, []),
        ("SELECT * FROM t WHERE a = ? AND b = :b", "SELECT * FROM t WHERE a = ? AND b = ?", ["b"]),
        ("SELECT 'it''s :no' FROM t", None, []),
        ("broken :", None, []),
        ("broken : 5", None, []),
        ("broken '", None, []),
        ("", None, []),
    ],
)
def test_with_positional_markers(stmt: str, text: str | None, names: list[str]) -> None:
    """Each ``:name`` becomes ``?``; colons of maps, strings and comments stay, as does all else."""
    assert with_positional_markers(stmt) == (stmt if text is None else text, names)


@given(st.text(alphabet="aA :?{}[](),'\"$/-*\n;1.", max_size=60))
def test_any_text(stmt: str) -> None:
    """No text makes the tokens stumble or loses anything but the markers' names."""
    inspect_statement(stmt)
    text, names = with_positional_markers(stmt)
    assert (text == stmt) == (not names)
    assert count_positional_markers(text) >= len(names)


@pytest.mark.parametrize(
    ("stmt", "count"),
    [("", 0), ("a = ? AND b = ?", 2), ("'?' \"?\" $$?$$ -- ?\n/* ? */ // ?", 0), (":a ?", 1), ("(?,?,?)", 3)],
)
def test_count_positional_markers(stmt: str, count: int) -> None:
    """Question marks count where they are bind markers, and nowhere else."""
    assert count_positional_markers(stmt) == count


@pytest.mark.parametrize(
    ("stmt", "expected"),
    [
        ("SELECT a FROM t WHERE k = ?", 'SELECT a FROM "K""s".t WHERE k = ?'),
        ("select a from /* from x */ t", 'select a from /* from x */ "K""s".t'),
        ("INSERT INTO \"T\" (a) VALUES ('from t')", 'INSERT INTO "K""s"."T" (a) VALUES (\'from t\')'),
        ("UPDATE t SET a = 1", 'UPDATE "K""s".t SET a = 1'),
        ("DELETE a FROM t WHERE k = 1", 'DELETE a FROM "K""s".t WHERE k = 1'),
        ("SELECT a FROM other . t", "SELECT a FROM other . t"),
        ('SELECT "from" FROM t', 'SELECT "from" FROM "K""s".t'),
        (
            "BEGIN BATCH UPDATE t SET a = 1; INSERT INTO o.t (a) VALUES (1) APPLY BATCH",
            'BEGIN BATCH UPDATE "K""s".t SET a = 1; INSERT INTO o.t (a) VALUES (1) APPLY BATCH',
        ),
        ("BEGIN BATCH DELETE FROM u APPLY BATCH", 'BEGIN BATCH DELETE FROM "K""s".u APPLY BATCH'),
        ("SELECT a FROM", "SELECT a FROM"),
    ],
)
def test_qualified(stmt: str, expected: str) -> None:
    """A keyspace comes before each table's name that has none, and nowhere else."""
    assert qualified(stmt, 'K"s') == expected
    assert unqualified(expected, 'K"s') == stmt


@pytest.mark.parametrize(
    ("stmt", "keyspace"),
    [
        ("USE ks", "ks"),
        ('use "K""s";', 'K"s'),
        ("/* */ USE Ks -- it", "ks"),
        ("SELECT a FROM ks", None),
        ("", None),
    ],
)
def test_used_keyspace(stmt: str, keyspace: str | None) -> None:
    """The keyspace is named as the server stores it."""
    assert used_keyspace(stmt) == keyspace


def test_unqualified() -> None:
    """Only the keyspace itself is removed, and not in texts and comments."""
    stmt = """SELECT a FROM ks.t WHERE a = '"ks".t' AND b = $$"ks".t$$ /* "ks".t */ AND "ks" = "other".t"""
    assert unqualified(stmt, "ks") == stmt
