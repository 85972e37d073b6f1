"""``coodie query`` and ``coodie schema`` without a server: formats, pages, arguments."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tracemalloc
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from coodie_core.tests.fakes import Backend, MemoryDriver, registry_of

from coodie.cli import main
from coodie.cli._printing import FORMATS
from coodie.exceptions import InvalidQueryError, RequestError, SchemaError
from coodie.registry import using_registry
from coodie.schema import ColumnDefinition, TableDefinition

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = [
    {
        "id": UUID(int=1),
        "name": "lamp\n\x1b[31m",
        "price": Decimal("1.50"),
        "tags": {"b", "a"},
        "raw": b"\x01",
    },
    {"id": None, "name": 'a,"b', "price": None, "tags": None, "raw": None},
]


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A backend whose driver has the rows of the test."""
    rows = getattr(request, "param", ROWS)
    made = Backend(lambda: MemoryDriver(rows))
    with using_registry(registry_of(memory=made)):
        yield made


def query(*arguments: str) -> int:
    """Run the command."""
    return main(["query", "SELECT * FROM t", "-c", "memory://", *arguments])


def test_json(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    """One object to a line; what JSON has no type for is as CQL writes it."""
    assert query("--json") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "id": "00000000-0000-0000-0000-000000000001",
        "name": "lamp\n\x1b[31m",
        "price": "1.50",
        "tags": ["a", "b"],
        "raw": "0x01",
    }
    assert set(second.values()) == {None, 'a,"b'}


def test_csv(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    """Names first; any reader of CSV gets the values back."""
    assert query("--csv") == 0
    names, first, second = csv.reader(io.StringIO(capsys.readouterr().out))
    assert names == ["id", "name", "price", "tags", "raw"]
    assert first[1:] == ["lamp\n\x1b[31m", "1.50", '["a", "b"]', "0x01"]
    assert second == ["", 'a,"b', "", "", ""]


NULLS = [
    {"name": None, "note": "null"},
    {"name": "", "note": '"null"'},
]


@pytest.mark.parametrize("backend", [NULLS], indirect=True)
def test_null_is_no_text(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    """In every form, null differs from an empty text and from the text "null"."""
    assert query("--csv") == 0
    assert capsys.readouterr().out == 'name,note\n,null\n"","""null"""\n'
    assert query("--json") == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == NULLS
    assert query() == 0
    _, _, first, second, _ = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in first.split("|")] == ["null", '"null"']
    assert [cell.strip() for cell in second.split("|")] == ["", r'"\"null\""']


@pytest.mark.parametrize("backend", [[{"a\x1b[2J": 1, 'b,"': 2}]], indirect=True)
def test_names_of_columns(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    """A name can't move the terminal's cursor, nor break a line of CSV."""
    assert query() == 0
    assert capsys.readouterr().out.splitlines()[0] == r'a\x1b[2J | b,"'
    assert query("--csv") == 0
    assert capsys.readouterr().out == 'a\x1b[2J,"b,"""\n1,2\n'


@pytest.mark.parametrize("form", ["csv", "table"])
def test_columns_that_change(form: str) -> None:
    """A row with other columns than the first is an error, and never stands below wrong names."""
    with pytest.raises(RequestError, match="columns changed between two pages"):
        FORMATS[form]([{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1, "c": 3}])


def test_table(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns under their names; no value can move the terminal's cursor or break the line."""
    assert query() == 0
    head, rule, first, second, count = capsys.readouterr().out.splitlines()
    assert [name.strip() for name in head.split("|")] == ["id", "name", "price", "tags", "raw"]
    assert set(rule) == {"-", "+"}
    assert r"lamp\n\x1b[31m" in first
    assert second.startswith("null ")
    assert count == "(2 rows)"


@pytest.mark.parametrize("backend", [[]], indirect=True)
def test_no_rows(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing found is no failure."""
    assert query() == 0
    assert capsys.readouterr().out == "(0 rows)\n"
    assert query("--json") == query("--csv") == 0
    assert capsys.readouterr().out == ""


def test_columns_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the names of the columns are known, an empty result has its header."""
    for print_rows in FORMATS.values():
        print_rows([], ("id", "name"))
    assert capsys.readouterr().out == "id | name\n---+-----\n(0 rows)\nid,name\n"


@pytest.mark.parametrize("form", FORMATS)
def test_moments_have_a_zone(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A timestamp is printed in UTC with its zone, alone, in a collection and as a key; a date has none."""
    moment, text = datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05+00:00"
    aware = moment.replace(tzinfo=timezone.utc)
    FORMATS[form]([{"t": moment, "u": aware, "l": [moment], "m": {moment: {moment}}, "d": moment.date()}])
    out = capsys.readouterr().out
    assert out.count("2026-01-02T03:04:05") == out.count(text) == 5
    assert out.count("2026-01-02") == 6


@pytest.mark.parametrize("form", FORMATS)
def test_values(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every kind of value can be printed in every form, and JSON stays JSON."""
    values = {
        "nan": float("nan"),
        "inf": float("-inf"),
        "when": datetime(2026, 1, 2, tzinfo=timezone.utc),
        "map": {UUID(int=1): [1, (2, None)]},
        "mixed": {1, "a"},
        "big": 2**70,
        "yes": True,
    }
    FORMATS[form]([values])
    out = capsys.readouterr().out
    if form == "json":
        row = json.loads(out, parse_constant=pytest.fail)
        assert (row["nan"], row["inf"], row["yes"], row["big"]) == ("nan", "-inf", True, 2**70)
        assert row["map"] == {str(UUID(int=1)): [1, [2, None]]}


@pytest.mark.parametrize("form", FORMATS)
def test_memory_is_bounded(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows there are, none is kept once it is printed."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        monkeypatch.setattr(sys, "stdout", nowhere)
        FORMATS[form]({"n": n, "filler": "x" * 100} for n in range(200))  # what is imported once
        tracemalloc.start()
        FORMATS[form]({"n": n, "filler": "x" * 100} for n in range(6_000))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 600_000, "the rows are several times that"


@pytest.mark.parametrize("backend", [2500], indirect=True)
def test_rows_come_page_by_page(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    """--page-size is what is asked for at a time; without it a profile's, else a thousand."""
    assert query("--json", "--page-size", "500", "--consistency", "one", "--timeout", "5") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2500
    calls = backend.driver.calls
    assert [call[2]["fetch_size"] for call in calls] == [500] * 5
    assert (calls[0][2]["consistency"], calls[0][2]["timeout"]) == ("ONE", 5)
    profile = "memory://?profiles.p.fetch_size=900"
    assert main(["query", "SELECT", "-c", profile, "--profile", "p", "--json"]) == 0
    assert {call[2]["fetch_size"] for call in backend.opened[1].calls} == {900}


def test_a_write_is_executed_once(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    """A statement that isn't a read isn't paged, since paging may run it twice."""
    assert main(["query", "INSERT INTO t (id) VALUES (1)", "-c", "memory://"]) == 0
    (call,) = backend.driver.calls
    assert "fetch_size" not in call[2]
    assert backend.driver.closings == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--page-size", "0"], "an integer from 1 to"),
        (["--page-size", "9999999999"], "an integer from 1 to 2,147,483,647"),
        (["--consistency", "QUORM"], "is not a consistency level"),
        (["--timeout", "soon"], "seconds, more than 0"),
        (["--jsn"], "--json"),
        (["--json", "--csv"], "Give --json or --csv, not both."),
        (["--table", "--json"], "Give --table or --json, not both."),
    ],
)
def test_wrong_arguments(
    backend: Backend, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An argument that can't be used is a usage error, and nothing is connected for it."""
    assert query(*arguments) == 2
    assert said in capsys.readouterr().err
    assert backend.attempts == []


def test_a_failed_statement(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    """The server's reason is on standard error, and the driver is closed all the same."""

    def make() -> MemoryDriver:
        driver = MemoryDriver()
        driver.fault = lambda _: InvalidQueryError("no such table")
        return driver

    backend._make = make
    assert query("--json") == 4
    captured = capsys.readouterr()
    assert (captured.out, "no such table" in captured.err) == ("", True)
    assert backend.driver.closings == 1


def test_help_is_the_table_of_options(capsys: pytest.CaptureFixture[str]) -> None:
    """What --help says of an option is what the table of options says."""
    assert main(["query", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "The consistency level; case-insensitive." in said
    assert "--page-size ROWS The number of rows of a page." in said
    assert "--timeout SECONDS The timeout of each round trip." in said
    assert "Exit code: 0; 1 if the statement failed" in said


# --- schema -----------------------------------------------------------------------------

ITEMS = TableDefinition(table="items", columns=[ColumnDefinition("id", "int", primary_key=True)])


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module with definitions."""

    def boom() -> None:
        raise RuntimeError("boom")

    found = {
        "ALL": [ITEMS],
        "ONE": ITEMS,
        "make": lambda: [ITEMS],
        "NONE": [],
        "WRONG": [5],
        "FIVE": 5,
        "boom": boom,
    }
    monkeypatch.setitem(sys.modules, "shop_tables", SimpleNamespace(**found))


@pytest.mark.parametrize("name", ["ALL", "ONE", "make"])
def test_definitions(name: str, backend: Backend, tables: None, capsys: pytest.CaptureFixture[str]) -> None:
    """A list, a single one, or what returns either; the connection's keyspace where they name none."""
    arguments = [f"shop_tables:{name}", "-c", "memory:///shop?lazy=true"]
    assert main(["schema", "sync", *arguments, "--dry-run", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["keyspace"], report["table"]) == ("shop", "items")
    assert main(["schema", "diff", *arguments]) == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shop_tables", "isn't of the form MODULE:NAME"),
        ("no_such_module:ALL", "No module named 'no_such_module'"),
        ("shop_tables:AL", "there is no AL. Did you mean ALL?"),
        ("shop_tables:boom", "calling shop_tables:boom raised RuntimeError: boom ("),
        ("shop_tables:NONE", "expected TableDefinitions, got nothing"),
        ("shop_tables:WRONG", "expected TableDefinitions, got int"),
        ("shop_tables:FIVE", "expected TableDefinitions, got int"),
    ],
)
def test_wrong_definitions(
    name: str, said: str, backend: Backend, tables: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """What isn't definitions is a usage error, found before anything is connected."""
    assert main(["schema", "diff", name, "-c", "memory:///shop"]) == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert backend.attempts == []


def test_a_diff_that_fails(backend: Backend, tables: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Differences have an exit status of their own: a script that acts on them doesn't act on a failure."""

    class Refusing(MemoryDriver):
        def sync_table(self, *args: Any, **kwargs: Any) -> list[str]:
            raise SchemaError("The primary key differs.")

    backend._make = Refusing
    assert main(["schema", "diff", "shop_tables:ALL", "-c", "memory:///shop?lazy=true"]) == 4
    assert "The primary key differs." in capsys.readouterr().err


def test_no_keyspace(backend: Backend, tables: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a keyspace on either side, the error says where to give one."""
    assert main(["schema", "sync", "shop_tables:ALL", "-c", "memory://"]) == 2
    assert "has no keyspace" in capsys.readouterr().err
