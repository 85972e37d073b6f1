"""Other libraries take results: pyarrow, pandas, polars, DuckDB."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest

from coodie.rows import Column
from coodie.types import Duration, Time
from coodie_arrow import ArrowShape

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow isn't installed")

#: The type of a column, its values, and the values that pyarrow makes of the Arrow data.
COLUMNS: dict[str, tuple[str, list[Any], list[Any]]] = {
    "number": ("int", [1, None], [1, None]),
    "name": ("text", ["é", None], ["é", None]),
    "flag": ("boolean", [True, None], [True, None]),
    "key": ("uuid", [uuid.UUID(int=7), None], [uuid.UUID(int=7), None]),
    "price": ("decimal", [Decimal("1.5"), None], [Decimal("1.500000000000000000"), None]),
    "big": ("varint", [10**30, None], [Decimal(10**30), None]),
    "tags": ("set<text>", [{"a"}, None], [["a"], None]),
    "counts": ("map<text, bigint>", [{"a": 1}, None], [[("a", 1)], None]),
    "pair": ("tuple<int, text>", [(1, None), None], [{"field_0": 1, "field_1": None}, None]),
    "embedding": ("vector<float, 2>", [[0.5, 1.0], None], [[0.5, 1.0], None]),
    "day": ("date", [dt.date(2024, 2, 29), None], [dt.date(2024, 2, 29), None]),
    "at": ("time", [Time(1000), None], [dt.time(0, 0, 0, 1), None]),
    "raw": ("blob", [b"\0", None], [b"\0", None]),
    "address": ("inet", ["::1", None], ["::1", None]),
    "small": ("tinyint", [-128, None], [-128, None]),
    "ratio": ("double", [0.1, None], [0.1, None]),
    "single": ("float", [0.5, None], [0.5, None]),
}


def result(*names: str) -> Any:
    """Return a result of two batches of two rows."""
    columns = tuple(Column(name, COLUMNS[name][0]) for name in names)
    given = [COLUMNS[name][1] for name in names]
    shape = ArrowShape()
    rows = shape.of_values(columns, None, given, 2)
    rows.extend(shape.of_values(columns, None, given, 2))
    return rows


@pytest.mark.parametrize("name", COLUMNS)
def test_pyarrow_reads_each_type(name: str) -> None:
    """The reference implementation finds the array valid, with these values."""
    table = pyarrow.table(result(name))
    table.validate(full=True)
    assert table.column(name).to_pylist() == COLUMNS[name][2] * 2


def test_pyarrow_reads_timestamps_and_durations() -> None:
    """A timestamp is in UTC; a duration has its three numbers."""
    columns = (Column("t", "timestamp"), Column("d", "duration"))
    rows = ArrowShape().of_values(columns, None, [[dt.datetime(2024, 1, 1)], [Duration(1, 2, 3)]], 1)
    table = pyarrow.table(rows)
    assert str(table.schema.field("t").type) == "timestamp[ms, tz=UTC]"
    assert table.column("t").cast(pyarrow.int64()).to_pylist() == [1704067200000]
    assert tuple(table.column("d").to_pylist()[0]) == (1, 2, 3)


def test_a_batch_alone() -> None:
    """A batch is a record batch, and a table of itself."""
    (batch, _) = result("number", "name")
    assert pyarrow.record_batch(batch).num_rows == 2
    assert pyarrow.table(batch).column("name").to_pylist() == ["é", None]


def test_results_without_rows() -> None:
    """A result without rows is a table with columns; a write is one without."""
    empty = ArrowShape().of_values((Column("a", "int"),), None, [[]], 0)
    assert pyarrow.table(empty).schema.names == ["a"]
    assert pyarrow.table(ArrowShape().new_rows()).num_columns == 0


def test_polars() -> None:
    """A polars data frame is made of a result, or of a batch."""
    polars = pytest.importorskip("polars", reason="polars isn't installed")
    names = [name for name in COLUMNS if name != "key"]
    frame = polars.DataFrame(result(*names))
    assert frame.shape == (4, len(names))
    assert frame["price"].to_list() == [Decimal("1.5"), None] * 2
    assert frame["embedding"].to_list() == [[0.5, 1.0], None] * 2
    assert polars.DataFrame(next(iter(result("number"))))["number"].to_list() == [1, None]


def test_pandas() -> None:
    """A pandas data frame is made of a result."""
    pandas = pytest.importorskip("pandas", reason="pandas isn't installed")
    frame = pandas.DataFrame.from_arrow(result("number", "name", "price"))
    assert list(frame.columns) == ["number", "name", "price"]
    assert frame["name"].tolist()[0] == "é"
    assert frame["price"].sum() == Decimal("3.0")


def test_duckdb_reads_columns() -> None:
    """DuckDB finds a result by the name of its variable, any number of times."""
    duckdb = pytest.importorskip("duckdb", reason="DuckDB isn't installed")
    trips = result("name", "price", "number", "key", "tags")
    for _ in range(2):
        sums = duckdb.sql("SELECT name, sum(price), sum(number) FROM trips GROUP BY name ORDER BY name")
        assert sums.fetchall() == [("é", Decimal(3), 2), (None, None, None)]
    keys = duckdb.sql("SELECT DISTINCT key, tags FROM trips WHERE key IS NOT NULL")
    assert keys.fetchall() == [(uuid.UUID(int=7), ["a"])]
    assert len(trips) == 4
