"""The command line against a real server: ping, query in pipes and under Ctrl-C, schema."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Rows of the table that is read: many pages, and more than a pipe holds.
ROWS = 5000


@pytest.fixture(scope="module")
def numbers(driver: Any, keyspace: str) -> str:
    """A table with many rows."""
    name = f"{keyspace}.numbers"
    driver.execute(f"CREATE TABLE {name} (n int PRIMARY KEY, filler text)", [])
    rows = ([n, "x" * 100] for n in range(ROWS))
    driver.execute_many(f"INSERT INTO {name} (n, filler) VALUES (?, ?)", rows)
    return name


def test_ping(run: Callable[..., Any], cassandra_node: Any) -> None:
    """What answers is named, with its version, the protocol, and its hosts' states."""
    done = run("ping", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["server_version"][0].isdecimal()
    assert report["protocol_version"] >= 4
    (host,) = report["hosts"]
    assert host["address"] == f"{cassandra_node.host}:{cassandra_node.port}"
    assert host["state"] == "up"
    assert 0 < report["round_trip_ms"] < 60_000
    done = run("ping", "main")
    assert done.stdout.startswith("round trip  ")
    assert f"{cassandra_node.host}:{cassandra_node.port}  up" in done.stdout


@pytest.mark.parametrize("command", [["ping"], ["query", "SELECT * FROM t"], ["schema", "show", "ks"]])
def test_nobody(run: Callable[..., Any], command: list[str]) -> None:
    """Where nothing answers, the exit code is 5 and the reason on standard error."""
    done = run(*command, "-c", "nobody")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert "hosts=" not in done.stderr


def test_ping_nobody(run: Callable[..., Any]) -> None:
    """The connection may also be ping's argument; for a misspelled name, the error suggests the right one."""
    done = run("ping", "nobody")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    done = run("ping", "nobdy")
    assert done.returncode == 2
    assert "Did you mean 'nobody'?" in done.stderr


def test_query(run: Callable[..., Any], numbers: str) -> None:
    """All rows arrive in a pipe, page by page."""
    done = run("query", f"SELECT n FROM {numbers}", "--json", "--page-size", "700", "--consistency", "one")
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["n"] for line in done.stdout.splitlines()} == set(range(ROWS))
    done = run("query", "SELECT no_such_column FROM system.local")
    assert (done.returncode, done.stdout) == (4, "")
    assert "no_such_column" in done.stderr


@pytest.mark.parametrize("form", ["--json", "--csv", "--table"])
def test_query_into_a_pipe_that_closes(run: Callable[..., Any], numbers: str, form: str) -> None:
    """Whoever has read enough goes away; the command ends soon, without a word, as by SIGPIPE."""
    process = run("query", f"SELECT * FROM {numbers}", form, "--page-size", "100", start=True)
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 141
    assert said == ""


def test_query_and_ctrl_c(run: Callable[..., Any], numbers: str) -> None:
    """Ctrl-C ends it with the status that shells know, wherever it is."""
    process = run("query", f"SELECT * FROM {numbers}", "--json", "--page-size", "1", start=True)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip() == "Interrupted."


def test_query_of_a_write(run: Callable[..., Any], numbers: str) -> None:
    """What has no rows prints none; a lightweight transaction says whether it took effect."""
    insert = f"INSERT INTO {numbers} (n, filler) VALUES (1, 'x')"
    done = run("query", insert)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert '"[applied]": false' in run("query", f"{insert} IF NOT EXISTS", "--json").stdout


def test_query_of_nulls_and_timestamps(run: Callable[..., Any], driver: Any, keyspace: str) -> None:
    """Null isn't an empty text, and a timestamp has its zone."""
    driver.execute(f"CREATE TABLE {keyspace}.notes (id int PRIMARY KEY, note text, at timestamp)", [])
    driver.execute(f"INSERT INTO {keyspace}.notes (id, note, at) VALUES (1, '', 0)", [])
    driver.execute(f"INSERT INTO {keyspace}.notes (id) VALUES (2)", [])
    done = run("query", f"SELECT id, note, at FROM {keyspace}.notes", "--csv")
    head, *lines = done.stdout.splitlines()
    assert (head, sorted(lines)) == ("id,note,at", ['1,"",1970-01-01T00:00:00+00:00', "2,,"])


def test_query_without_rows(run: Callable[..., Any], numbers: str) -> None:
    """A result without rows has its header in CSV and in a table."""
    select = f"SELECT n, filler AS text FROM {numbers} WHERE n = -1"
    assert run("query", select, "--csv").stdout == "n,text\n"
    assert run("query", select).stdout == "n | text\n--+-----\n(0 rows)\n"
    assert run("query", select, "--json").stdout == ""


def test_query_prints_the_servers_warnings(run: Callable[..., Any], numbers: str) -> None:
    """They go to standard error, each once; the rows stay as they are."""
    done = run("query", f"SELECT count(*) AS n FROM {numbers}", "--csv", "--page-size", "1")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Warning: Aggregation query used without partition key")


@pytest.mark.parametrize("form", ["--json", "--csv", "--table"])
def test_query_with_a_name_twice(run: Callable[..., Any], numbers: str, form: str) -> None:
    """Two columns of one name are refused: one of them would be lost."""
    done = run("query", f"SELECT n AS x, filler AS x FROM {numbers} LIMIT 1", form)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("Error: The result has 2 columns named 'x', but a dict ")


def test_query_where_nothing_more_can_be_written(run: Callable[..., Any], numbers: str) -> None:
    """A full disk is said, without a traceback."""
    with Path("/dev/full").open("w") as full:
        done = run("query", f"SELECT * FROM {numbers}", "--csv", stdout=full)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_schema_warns_once(run: Callable[..., Any], driver: Any, keyspace: str, tmp_path: Path) -> None:
    """What the server has beyond the definitions is told once, on standard error."""
    driver.execute(f"CREATE TABLE {keyspace}.more (id int PRIMARY KEY, extra int)", [])
    (tmp_path / "more_tables.py").write_text(
        "from coodie.schema import ColumnDefinition, TableDefinition\n"
        "ALL = TableDefinition(table='more', columns=[ColumnDefinition('id', 'int', primary_key=True)])\n"
    )
    done = run("schema", "diff", "more_tables:ALL")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"{keyspace}.more: column 'extra' (int) is on the server, not in the definition\n"


def test_schema(run: Callable[..., Any], keyspace: str, tmp_path: Path) -> None:
    """Diff tells by its status, a dry run changes nothing, sync does, and show shows what came of it."""
    (tmp_path / "shop_tables.py").write_text(
        "from coodie.schema import ColumnDefinition, TableDefinition\n"
        "ALL = [TableDefinition(table='items', columns=[ColumnDefinition('id', 'int', primary_key=True)])]\n"
    )
    assert run("schema", "diff", "shop_tables:ALL").returncode == 3
    assert run("schema", "diff", "shop_tables:ALL", "-c", "nobody").returncode == 5
    dry = run("schema", "sync", "shop_tables:ALL", "--dry-run")
    assert (dry.returncode, dry.stdout.startswith("CREATE TABLE")) == (0, True)
    done = run("schema", "sync", "shop_tables:ALL")
    assert (done.returncode, done.stdout) == (0, dry.stdout)
    again = run("schema", "diff", "shop_tables:ALL")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    shown = run("schema", "show", f"{keyspace}.items")
    assert f"CREATE TABLE {keyspace}.items" in shown.stdout
    assert f"CREATE KEYSPACE {keyspace}" in run("schema", "show", keyspace).stdout
    assert run("schema", "show", f"{keyspace}.none").returncode == 4
    (tmp_path / "other_tables.py").write_text(
        "from coodie.schema import ColumnDefinition, TableDefinition\n"
        "ALL = [TableDefinition(table='items', columns=[ColumnDefinition('id', 'text', primary_key=True)])]\n"
        "NEW = TableDefinition(table='t', keyspace='no_such', columns=ALL[0].columns)\n"
    )
    refused = run("schema", "diff", "other_tables:ALL", "--timeout", "30")
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "column 'id': server int, wanted text" in refused.stderr
    missing = run("schema", "sync", "other_tables:NEW")
    assert missing.returncode == 4
    assert "CREATE KEYSPACE" in missing.stderr
    assert "SyncOptions" not in missing.stderr


def test_schema_warnings_name_flags(
    run: Callable[..., Any], driver: Any, keyspace: str, tmp_path: Path
) -> None:
    """A warning names the flag, not the argument of a function."""
    driver.execute(f"CREATE TABLE {keyspace}.flagged (id int PRIMARY KEY, n int)", [])
    driver.execute(f"CREATE INDEX flagged_n ON {keyspace}.flagged (n)", [])
    (tmp_path / "flagged_tables.py").write_text(
        "from coodie.schema import ColumnDefinition as C, TableDefinition\n"
        "ALL = TableDefinition(table='flagged', columns=[C('id', 'int', primary_key=True), C('n', 'int')])\n"
    )
    done = run("schema", "diff", "flagged_tables:ALL")
    assert "; --drop-removed-indexes drops it\n" in done.stderr


def test_schema_as_code(run: Callable[..., Any], driver: Any, keyspace: str, tmp_path: Path) -> None:
    """What is written as code has no differences to the server; what it can't express is said."""
    driver.execute(f'CREATE TABLE {keyspace}."Coded" (id int PRIMARY KEY, m map<text, int>)', [])
    driver.execute(f'CREATE INDEX coded_k ON {keyspace}."Coded" (KEYS(m))', [])
    shown = run("schema", "show", f"{keyspace}.Coded", "--python")
    assert (shown.returncode, shown.stderr) == (0, "")
    (tmp_path / "coded_tables.py").write_text(shown.stdout)
    done = run("schema", "diff", "coded_tables:ALL")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    driver.execute(f'CREATE INDEX coded_v ON {keyspace}."Coded" (VALUES(m))', [])
    all_tables = run("schema", "show", keyspace, "--python")
    assert '        table="Coded",\n' in all_tables.stdout
    assert all_tables.stderr.startswith(f"{keyspace}.Coded: index 'coded_v': ")
    missing = run("schema", "show", f"{keyspace}.coded", "--python")
    assert "Did you mean 'Coded'?" in missing.stderr
    both = run("schema", "show", keyspace, "--python", "--json")
    assert (both.returncode, both.stdout) == (2, "")


@pytest.fixture(scope="module")
def viewed(driver: Any, keyspace: str) -> Iterator[str]:
    """A keyspace with a table and a view, in names that need quotes."""
    name = f"{keyspace}_viewed"
    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    driver.execute(f"CREATE KEYSPACE {name} WITH replication = {replication}", [])
    driver.execute(f'CREATE TABLE {name}."Items" (id int PRIMARY KEY, v int)', [])
    select = f'SELECT * FROM {name}."Items" WHERE id IS NOT NULL AND v IS NOT NULL PRIMARY KEY (v, id)'
    driver.execute(f'CREATE MATERIALIZED VIEW {name}."ByV" AS {select}', [])
    yield name
    driver.execute(f"DROP KEYSPACE {name}", [])


def test_schema_show_of_a_view(call: Callable[..., Any], viewed: str) -> None:
    """A view's statement is shown; as Python code, it has no definition, which is said, too."""
    done = call("schema", "show", f"{viewed}.ByV")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f'CREATE MATERIALIZED VIEW {viewed}."ByV" AS')
    done = call("schema", "show", f"{viewed}.Items")
    assert done.stdout.startswith(f'CREATE TABLE {viewed}."Items" (')
    done = call("schema", "show", f"{viewed}.ByV", "--python")
    assert (done.returncode, done.stdout) == (4, "")
    assert "is a materialized view, which has no definition" in done.stderr
    done = call("schema", "show", viewed, "--python")
    assert (done.returncode, 'table="Items"' in done.stdout) == (0, True)
    assert done.stderr == f"{viewed}.ByV: it is a materialized view, which has no definition\n"
    done = call("schema", "show", f"{viewed}.nothing")
    assert (done.returncode, done.stdout, "nothing" in done.stderr) == (4, "", True)


def test_schema_show_as_json(run: Callable[..., Any], driver: Any, keyspace: str) -> None:
    """Each object has its statement."""
    driver.execute(f"CREATE TABLE {keyspace}.shown (id int PRIMARY KEY)", [])
    (line,) = run("schema", "show", f"{keyspace}.shown", "--json").stdout.splitlines()
    row = json.loads(line)
    assert (row["type"], row["name"]) == ("table", "shown")
    assert row["create_statement"].startswith(f"CREATE TABLE {keyspace}.shown (")
