"""Hostile names, wherever a name becomes CQL: exactly that name or an error, and nothing else happens."""

from __future__ import annotations

import re
import sys
from itertools import count
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as percent_encoded

import pytest
from click import ClickException
from click.testing import CliRunner
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import coodie
from coodie.cli._commands import coodie as command_line
from coodie.exceptions import CoodieError
from coodie.schema import ColumnDefinition, TableDefinition, quote

if TYPE_CHECKING:
    from coodie.registry import DriverRegistry

pytestmark = [pytest.mark.server, pytest.mark.reliability, pytest.mark.timeout(900)]

EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)

#: What ends a name, a string, a statement or a comment, and what does harm behind it; KS is the keyspace.
PIECES = st.sampled_from([
    '"', '""', "'", "''", ";", "--", "//", "/*", "*/", "$$", "(", ")", ",", ".", "=", "{", "}", "[", "]", "<",
    ">", " ", "\n", "\t", "\\", "\0", "?", "%s", ":x", "é", "\u202e", "\ud800", "k", "KS", "canary", "select",
    "int", "PRIMARY KEY", "DROP TABLE KS.canary", "TRUNCATE KS.canary", "DROP KEYSPACE KS",
    "WITH comment = 'x'", "INSERT INTO KS.canary (k) VALUES (666)",
    "UPDATE KS.canary SET v = 'bad' WHERE k = 1", "BEGIN BATCH",
    "ALTER TABLE KS.canary DROP v", "USE system", "APPLY BATCH",
])  # fmt: skip
NAMES = st.lists(PIECES | st.text(max_size=3), min_size=1, max_size=8).map("".join).filter(len)

_numbers = count()


class Canary:
    """A table that nothing hostile may touch, and the names of all that is beside it.

    Args:
        driver: The driver.
        keyspace: Its keyspace.
    """

    def __init__(self, driver: Any, keyspace: str) -> None:
        self._driver = driver
        self.keyspace = keyspace
        driver.execute(f"CREATE TABLE {keyspace}.canary (k int PRIMARY KEY, v text)", [])
        driver.execute(f"INSERT INTO {keyspace}.canary (k, v) VALUES (1, 'alive')", [])
        self._keyspaces = self._all_keyspaces()
        self._columns = self.columns("canary")

    def check(self) -> None:
        """See that it is as it was, and that no keyspace came or went."""
        rows = self._driver.execute(f"SELECT * FROM {self.keyspace}.canary", [])
        assert rows == [{"k": 1, "v": "alive"}]
        assert self._all_keyspaces() == self._keyspaces
        assert self.columns("canary") == self._columns

    def tables(self) -> set[str]:
        """Return the names of the keyspace's tables."""
        stmt = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?"
        return {row["table_name"] for row in self._driver.execute(stmt, [self.keyspace])}

    def columns(self, table: str) -> set[str]:
        """Return the names of a table's columns."""
        stmt = "SELECT column_name FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?"
        return {row["column_name"] for row in self._driver.execute(stmt, [self.keyspace, table])}

    def _all_keyspaces(self) -> set[str]:
        rows = self._driver.execute("SELECT keyspace_name FROM system_schema.keyspaces", [])
        return {row["keyspace_name"] for row in rows}


@pytest.fixture(scope="module")
def canary(driver: Any, keyspace: str) -> Canary:
    """Make the table."""
    return Canary(driver, keyspace)


async def _sync(driver: Any, is_async: bool, *args: Any) -> list[str]:
    if is_async:
        return list(await driver.sync_table_async(*args))
    return list(driver.sync_table(*args))


def _is_possible(column: str) -> bool:
    """Tell whether the server can have a column of that name beside the key."""
    return column != "k" and not re.search("[\0\ud800-\udfff]", column)


@EXAMPLES
@given(name=NAMES, is_async=st.booleans())
@example(name='v" text, "w', is_async=False)
@example(name="v\" text) WITH comment = 'x' --", is_async=True)
@example(name='v" text, PRIMARY KEY (k)); DROP TABLE KS.canary; --', is_async=False)
async def test_names_of_columns(name: str, is_async: bool, driver: Any, canary: Canary) -> None:
    """A column has exactly the given name; only impossible names raise an error."""
    name = name.replace("KS", canary.keyspace)
    table = f"columns_{next(_numbers)}"
    columns = [ColumnDefinition("k", "int", primary_key=True), ColumnDefinition(name, "text")]
    before = canary.tables()
    try:
        await _sync(driver, is_async, table, canary.keyspace, columns)
    except CoodieError:
        assert not _is_possible(name)
        assert canary.tables() == before
    else:
        assert canary.tables() == before | {table}
        assert canary.columns(table) == {"k", name}
        assert await _sync(driver, is_async, table, canary.keyspace, columns) == []
        driver.execute(f"INSERT INTO {canary.keyspace}.{table} (k, {quote(name)}) VALUES (1, 'v')", [])
        driver.execute(f"DROP TABLE {canary.keyspace}.{table}", [])
    canary.check()


@EXAMPLES
@given(name=NAMES, is_async=st.booleans())
async def test_names_of_tables_keyspaces_and_indexes(
    name: str, is_async: bool, driver: Any, canary: Canary
) -> None:
    """Names of tables, keyspaces and indexes that the server doesn't accept raise an error."""
    name = name.replace("KS", canary.keyspace)
    assume(not (name.isascii() and name.replace("_", "").isalnum()))
    key = ColumnDefinition("k", "int", primary_key=True)
    indexed = ColumnDefinition("v", "text", index=True, index_name=name)
    before = canary.tables()
    for table, keyspace, columns in (
        (name, canary.keyspace, [key]),
        ("t", name, [key]),
        ("t", canary.keyspace, [key, indexed]),
    ):
        with pytest.raises(CoodieError):
            await _sync(driver, is_async, table, keyspace, columns)
    assert canary.tables() == before
    canary.check()


@EXAMPLES
@given(name=NAMES, is_async=st.booleans())
async def test_names_of_types(name: str, is_async: bool, driver: Any, canary: Canary) -> None:
    """A column's type exists on the server, or the table isn't created."""
    name = name.replace("KS", canary.keyspace)
    columns = [ColumnDefinition("k", "int", primary_key=True), ColumnDefinition("v", name)]
    before = canary.tables()
    try:
        await _sync(driver, is_async, "typed", canary.keyspace, columns)
    except CoodieError:
        assert canary.tables() == before
    else:
        assert canary.columns("typed") == {"k", "v"}
        driver.execute(f"DROP TABLE {canary.keyspace}.typed", [])
    canary.check()


@EXAMPLES
@given(text=NAMES, is_async=st.booleans())
async def test_values_of_options(text: str, is_async: bool, driver: Any, canary: Canary) -> None:
    """A comment is stored unchanged; a table option with a hostile name or value raises an error."""
    text = text.replace("KS", canary.keyspace)
    columns = [ColumnDefinition("k", "int", primary_key=True)]
    for options in (
        {"comment": text},
        {text: "x"},
        {"compaction": {"class": text}},
        {"caching": {text: "ALL"}},
    ):
        try:
            await _sync(driver, is_async, "optional", canary.keyspace, columns, options)
        except CoodieError:
            continue
        assert set(options) == {"comment"}
        stmt = "SELECT comment FROM system_schema.tables WHERE keyspace_name = ? AND table_name = 'optional'"
        assert driver.execute_one(stmt, [canary.keyspace]) == text
    canary.check()


@pytest.fixture
def at(cassandra_node: Any, backend: str) -> str:
    """Give the node's URL, up to the keyspace."""
    return f"{backend}://{cassandra_node.host}:{cassandra_node.port}"


@EXAMPLES
@given(name=NAMES, encode=st.booleans(), is_async=st.booleans())
async def test_keyspaces_of_urls(
    name: str, encode: bool, is_async: bool, at: str, canary: Canary, registry: DriverRegistry
) -> None:
    """The keyspace of a URL exists, or connecting raises an error that says so."""
    name = name.replace("KS", canary.keyspace)
    url = f"{at}/{percent_encoded(name, safe='', errors='surrogatepass') if encode else name}"
    try:
        opened = await coodie.connect_async(url) if is_async else coodie.connect(url)
    except CoodieError as exc:
        assert str(exc)  # noqa: PT017 - most are refused, some name nothing
    else:
        await opened.close_async()
    canary.check()


@EXAMPLES
@given(name=NAMES)
def test_names_on_the_command_line(name: str, at: str, canary: Canary, registry: DriverRegistry) -> None:
    """``coodie schema show`` shows the table with exactly this name, or fails with an error."""
    name = name.replace("KS", canary.keyspace)
    for what in (name, f"{canary.keyspace}.{name}", f"{name}.canary"):
        outcome = CliRunner().invoke(command_line, ["schema", "show", "-c", at, "--", what])
        if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
            assert isinstance(outcome.exception, (CoodieError, ClickException)), outcome.exc_info
    canary.check()


@EXAMPLES
@given(name=NAMES)
@example(name='v" text, "w')
def test_definitions_on_the_command_line(
    name: str, at: str, canary: Canary, registry: DriverRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``coodie schema sync`` creates a column with exactly this name, or nothing, and ``diff`` agrees."""
    name = name.replace("KS", canary.keyspace)
    table = f"defined_{next(_numbers)}"
    module = ModuleType("hostile_tables")
    columns = [ColumnDefinition("k", "int", primary_key=True), ColumnDefinition(name, "text")]
    monkeypatch.setitem(sys.modules, "hostile_tables", module)
    monkeypatch.setattr(
        module, "ALL", TableDefinition(table=table, columns=columns, keyspace=canary.keyspace), raising=False
    )
    before = canary.tables()
    outcome = CliRunner().invoke(command_line, ["schema", "sync", "hostile_tables:ALL", "-c", at])
    if outcome.exception is None:
        assert canary.columns(table) == {"k", name}
        again = CliRunner().invoke(command_line, ["schema", "diff", "hostile_tables:ALL", "-c", at])
        assert (again.exception, again.stdout) == (None, "")
    else:
        assert isinstance(outcome.exception, (CoodieError, ClickException)), outcome.exc_info
        assert not _is_possible(name)
        assert canary.tables() == before
    canary.check()
