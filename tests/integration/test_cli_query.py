"""``coodie query`` on a real server: parameters of all types, where statements come from, the terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.features import Features

#: Type → the value as it is written, and as rows have it.
VALUES: dict[str, tuple[str, Any]] = {
    "ascii": ("a'; DROP", "a'; DROP"),
    "bigint": ("-9223372036854775808", -(2**63)),
    "blob": ("0x00FF", "0x00ff"),
    "boolean": ("True", True),
    "date": ("+10000-02-29", "+10000-02-29"),
    "decimal": ("1.10", "1.10"),
    "double": ("-1e300", -1e300),
    "duration": ("1y2mo3d4h", "14mo3d14400000000000ns"),
    "float": ("NaN", "nan"),
    "inet": ("::1", "::1"),
    "int": ("+7", 7),
    "smallint": ("5", 5),
    "text": ("中文 \U0001f600 = 'x' \"y\"", "中文 \U0001f600 = 'x' \"y\""),
    "time": ("23:59:59.123456789", "23:59:59.123456789"),
    "timestamp": ("2026-01-31 12:30:00.25+0200", "2026-01-31T10:30:00.250000+00:00"),
    "timeuuid": ("13814000-1dd2-11b2-8080-808080808080", "13814000-1dd2-11b2-8080-808080808080"),
    "tinyint": ("-128", -128),
    "uuid": ("123e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-42d3-a456-426614174000"),
    "varint": (str(10**40), 10**40),
    "list<int>": ("[2, 1]", [2, 1]),
    "set<text>": ('["b", "a"]', ["a", "b"]),
    "map<int, frozen<list<text>>>": ('{"1": ["a"]}', {"1": ["a"]}),
    "map<frozen<tuple<int, text>>, double>": (r'{"[1, \"x\"]": 0.1}', {'[1, "x"]': 0.1}),
    "tuple<int, text, timestamp>": ("[1, null, 0]", [1, None, "1970-01-01T00:00:00+00:00"]),
    "vector<float, 2>": ("[1, 2.5]", [1.0, 2.5]),
    "address": ('{"street": "Main", "tags": ["x"]}', {"street": "Main", "no": None, "tags": ["x"]}),
    "set<frozen<address>>": ('[{"no": 1}]', [[None, 1, None]]),
    "map<frozen<map<text, int>>, int>": ('[[{"a": 1}, 2]]', {'[["a", 1]]': 2}),
}


@pytest.fixture(scope="module")
def types(features: Features) -> dict[str, tuple[str, Any]]:
    """Return the values of the types that the server has."""
    return {name: value for name, value in VALUES.items() if "vectors" in features or "vector" not in name}


@pytest.fixture(scope="module")
def values(driver: Any, keyspace: str, types: dict[str, Any]) -> str:
    """A table with a column of each type."""
    driver.execute(f"CREATE TYPE {keyspace}.address (street text, no int, tags frozen<set<text>>)", [])
    columns = "".join(f", c{number} {cql_type}" for number, cql_type in enumerate(types))
    driver.execute(f"CREATE TABLE {keyspace}.values_of_all (id int PRIMARY KEY{columns})", [])
    return f"{keyspace}.values_of_all"


def test_values_of_all_types(
    call: Callable[..., Any], driver: Any, values: str, types: dict[str, tuple[str, Any]]
) -> None:
    """Each value is read by its marker's type; what is printed as JSON can be passed on, and is the same."""
    names = [f"c{number}" for number in range(len(types))]
    markers = ", ".join(f":{name}" for name in names)
    insert = f"INSERT INTO {values} (id, {', '.join(names)}) VALUES (:id, {markers})"
    given = [f"-p{name}={text}" for name, (text, _) in zip(names, types.values(), strict=True)]
    done = call("query", insert, "-p", "id=1", *given)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = call("query", f"SELECT * FROM {values} WHERE id = ?", "-p", "id=1", "--json")
    row = json.loads(done.stdout)
    assert [row[name] for name in names] == [value for _, value in types.values()]
    again = [
        f"-p{name}={row[name] if isinstance(row[name], str) else json.dumps(row[name])}" for name in names
    ]
    assert call("query", insert, "-p", "id=2", *again).returncode == 0
    first, second = (driver.execute(f"SELECT * FROM {values} WHERE id = ?", [n])[0] for n in (1, 2))
    nan = f"c{list(types).index('float')}"
    assert {**first, "id": 2, nan: None} == {**second, nan: None}


def test_nulls(call: Callable[..., Any], values: str, types: dict[str, Any]) -> None:
    """Null is a word for all types but texts; --null is for texts, too."""
    number, text = (f"c{list(types).index(kind)}" for kind in ("int", "text"))
    update = f"UPDATE {values} SET {number} = :n, {text} = :t WHERE id = 3"
    select = f"SELECT {number} AS n, {text} AS t FROM {values} WHERE id = 3"
    assert call("query", update, "-p", "n=1", "-p", "t=null").returncode == 0
    assert json.loads(call("query", select, "--json").stdout) == {"n": 1, "t": "null"}
    assert call("query", f"{update} IF n = 5", "-p", "n=null", "--null", "t").returncode == 4
    assert call("query", update, "-p", "n=null", "-p", "t=").returncode == 0
    assert call("query", f"UPDATE {values} SET c0 = 'x' WHERE id = 3").returncode == 0
    assert json.loads(call("query", select, "--json").stdout) == {"n": None, "t": ""}
    assert call("query", update, "--null", "n", "--null", "t").returncode == 0
    assert json.loads(call("query", select, "--json").stdout) == {"n": None, "t": None}


WRONG = [
    (["id=x"], "--param id (int): expected an integer, such as 7."),
    (["id=99999999999"], "Parameter 1 ('id', int): out of range."),
    (["id=null"], "A part of the partition key needs a value."),
    (["i=1"], "The statement has no bind marker 'i'. It has id (int)."),
    ([], "Missing --param for id (int)."),
    (["id"], "--param 'id' isn't NAME=VALUE, such as id=7."),
    (["id=1", "id=2"], "The parameter 'id' is given twice."),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_wrong_parameters(call: Callable[..., Any], values: str, given: list[str], said: str) -> None:
    """A wrong parameter is an invalid argument, and the error says what the marker takes."""
    options = [part for one in given for part in ("-p", one)]
    done = call("query", f"SELECT id FROM {values} WHERE id = :id", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_names_of_markers(call: Callable[..., Any], values: str, features: Features) -> None:
    """Markers have the names of the server: lower case, brackets; ? of one name are ambiguous."""
    select = f"SELECT id FROM {values} WHERE id IN :Ids LIMIT ?".replace("?", ":Many")
    several = call("query", select, "-p", "Ids=[1, 2]", "-p", "many=5", "--json")
    assert several.returncode == 0, several.stderr
    limited = call("query", f"SELECT id FROM {values} LIMIT ?", "-p", "limit=1", "--json")
    assert limited.returncode == 0, limited.stderr
    chosen = call("query", f"SELECT id FROM {values} WHERE id IN ?", "-p", "id=[1, 2]", "--json")
    assert chosen.returncode == 0, chosen.stderr
    later = f"SELECT id FROM {values} WHERE token(id) > ?"
    token = "partition key token" if "markers named partition key token" in features else "token(id)"
    beyond = call("query", later, "-p", f"{token}=5", "--json")
    assert beyond.returncode == 0, beyond.stderr
    twice = f"SELECT id FROM {values} WHERE token(id) > ? AND c10 > ? AND c10 < ? ALLOW FILTERING"
    done = call("query", twice, "-p", "c10=1")
    assert done.returncode == 2, done.stderr
    assert "Several ? are named 'c10'. Write :name instead." in done.stderr
    writes = f"INSERT INTO {values} (id, c10) VALUES (:id, 1); DELETE FROM {values} WHERE id = :id;"
    batch = f"BEGIN BATCH {writes} APPLY BATCH;"
    written = call("query", batch, "-p", "id=77")
    assert written.returncode == 0, written.stderr


def test_where_the_statement_comes_from(call: Callable[..., Any], tmp_path: Path) -> None:
    """A file, standard input, with a byte-order mark, comments and a semicolon."""
    select = "\ufeff-- the key\nSELECT key FROM system.local; -- end"
    (tmp_path / "q.cql").write_text(select, encoding="utf-8")
    for done in (
        call("query", "--file", "q.cql", "--json"),
        call("query", "--json", input=select),
        call("query", "-", "--json", input=select),
        call("query", "-f", "-", "--json", input=select),
    ):
        assert (done.returncode, done.stdout) == (0, '{"key": "local"}\n'), done.stderr


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (["-f", "missing.cql"], "", "Error: missing.cql: No such file or directory."),
        (["-f", "coodie.toml", "SELECT"], "", "Give CQL or --file, not both."),
        ([], "-- nothing\n;", "Standard input has no statement."),
        ([], "SELECT 1; SELECT 2", "Standard input has several statements."),
        (["SELECT ';' FROM t; TRUNCATE t"], "", "CQL has several statements."),
        (["SELECT 1", "-p", "a=1"], "", "The statement has no bind markers."),
    ],
)
def test_no_statement(call: Callable[..., Any], arguments: list[str], given: str, said: str) -> None:
    """What isn't one statement is an invalid argument; nothing connects."""
    done = call("query", *arguments, "-c", "nobody", input=given)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_timing(call: Callable[..., Any], values: str) -> None:
    """The duration is on standard error, so that the rows stay as they are."""
    done = call("query", "SELECT key FROM system.local", "--json", "--timing")
    assert done.stdout == '{"key": "local"}\n'
    assert done.stderr.startswith("Time: ")
    assert " ms, first row after " in done.stderr
    done = call("query", f"INSERT INTO {values} (id) VALUES (4)", "--timing")
    assert (done.stdout, done.stderr.count("Time: ")) == ("", 1)


def on_a_terminal(run: Callable[..., Any], columns: int, *arguments: str) -> tuple[int, list[str]]:
    """Run with a terminal of that width; return the exit code and the lines."""
    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    done = run(*arguments, stdin=terminal, stdout=terminal, stderr=subprocess.STDOUT)
    os.close(terminal)
    output = b""
    while True:
        try:
            part = os.read(reader, 65_536)
        except OSError:  # its other end is closed
            break
        if not part:
            break
        output += part
    os.close(reader)
    return done.returncode, output.decode().replace("\r", "").splitlines()


def test_rows_are_cut_on_a_terminal(run: Callable[..., Any], driver: Any, keyspace: str) -> None:
    """No line is wider than the terminal, and a hint says how to see all; a pipe gets whole values."""
    driver.execute(f"CREATE TABLE {keyspace}.wide (id int PRIMARY KEY, a text, b text)", [])
    driver.execute(f"INSERT INTO {keyspace}.wide (id, a, b) VALUES (?, ?, ?)", [1, "中" * 50, "x" * 10_000])
    select = f"SELECT id, a, b FROM {keyspace}.wide"
    code, (head, rule, row, count, hint) = on_a_terminal(run, 50, "query", select)
    assert code == 0
    assert (head.split(), len(rule), count) == (["id", "|", "a", "|", "b"], 50, "(1 row)")
    # A wide character isn't cut in half: a space is in its place.
    assert row.split(" | ") == ["1 ", "中" * 10 + "…", "x" * 20 + "…"]
    assert "--json" in hint
    assert "x" * 10_000 in run("query", select).stdout
    _, lines = on_a_terminal(run, 50, "query", "SELECT key FROM system.local")
    assert lines == ["key", "-----", "local", "(1 row)"]


def test_closed_streams(run: Callable[..., Any]) -> None:
    """A closed standard input or output is no reason for a traceback."""
    for form in ("--csv", "--json", "--table"):
        done = run("query", "SELECT key FROM system.local", form, stdout=None, preexec_fn=lambda: os.close(1))
        assert (done.returncode, done.stderr) == (0, "")
    for arguments in (["query"], ["query", "-"], ["query", "-f", "-"]):
        done = run(*arguments, stdin=None, preexec_fn=lambda: os.close(0))
        assert (done.returncode, "There is no statement." in done.stderr) == (2, True)


def test_an_encoding_without_the_characters(run: Callable[..., Any], values: str) -> None:
    """Where standard output can't have a character, the error says how to change that."""
    run("query", f"INSERT INTO {values} (id, c12) VALUES (5, :t)", "-p", "t=中")
    select = f"SELECT c12 FROM {values} WHERE id = 5"
    done = run("query", select, environ={"PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 1
    assert done.stderr.endswith("Set PYTHONIOENCODING=utf-8.\n")
