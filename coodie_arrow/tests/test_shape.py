"""Results as columns, without a server: what backends return, and what is refused."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import nanoarrow as na
import pytest

from coodie.contract.markers import ValueType
from coodie.drivers.client.client import TupleRows
from coodie.exceptions import ConfigurationError, InvalidQueryError, RequestError, UnsupportedError
from coodie.row_shapes import parse_rows
from coodie.rows import Column, Rows
from coodie_arrow import ArrowShape
from coodie_arrow.cqltypes import parse_type
from coodie_arrow.reading import read_values

if TYPE_CHECKING:
    from coodie.columnar import ArrowRows

SHAPE = ArrowShape()


def columns(**types: str) -> tuple[Column, ...]:
    """Return columns by name and type."""
    return tuple(Column(name, typ.replace("_", " ")) for name, typ in types.items())


def values(rows: ArrowRows) -> list[list[Any]]:
    """Return the values of the first batch, by column."""
    batch: Any = next(iter(rows))
    return [
        read_values(batch.array.child(index), 0, batch.num_rows) for index in range(batch.array.n_children)
    ]


def test_the_shape_is_found_by_its_name() -> None:
    """rows="arrow" is one shape, so that what is prepared for it is prepared once."""
    assert isinstance(parse_rows("arrow"), ArrowShape)
    assert parse_rows("arrow") is parse_rows("arrow")
    assert parse_rows(SHAPE) is SHAPE


@pytest.mark.parametrize("state", ["missing", "a directory", "another version"])
def test_a_missing_package_is_an_error_with_the_command(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """Without coodie-arrow, or with another version of it, the error says what to install."""
    from coodie._arrow import arrow_module

    module: Any = type(sys)("coodie_arrow")
    if state == "another version":
        module.__version__ = "0.0.1"
    monkeypatch.setitem(sys.modules, "coodie_arrow", None if state == "missing" else module)
    expected = (
        r"0\.0\.1 can't be used with" if state == "another version" else r"pip install .*\./coodie_arrow"
    )
    with pytest.raises(ConfigurationError, match=expected):
        arrow_module("rows='arrow'", "rows")


def test_tuples_of_a_client() -> None:
    """A client that returns tuples with types serves record batches."""
    rows = TupleRows(["k", "tags"], [(1, ["a"]), (None, None)], ["int", "list<text>"]).shaped(SHAPE)
    assert values(rows) == [[1, None], [["a"], None]]  # type: ignore[arg-type]  # ArrowRows, by its shape
    assert rows.columns == (Column("k", "int"), Column("tags", "list<text>"))


def test_dicts_of_a_driver() -> None:
    """A driver that returns dicts with columns serves record batches, with the result's attributes."""
    rows = Rows([{"k": 1, "v": "a"}], paging_state=b"next", warnings=["w"])
    rows.columns = columns(k="bigint", v="text")
    made = SHAPE.of_dicts(rows)
    assert values(made) == [[1], ["a"]]
    assert (made.paging_state, made.warnings, made.has_more_pages) == (b"next", ("w",), True)
    empty = Rows[dict[str, Any]]()
    empty.columns = columns(k="bigint")
    assert [field.name for field in na.Schema(SHAPE.of_dicts(empty)).fields] == ["k"]


def test_rows_without_types_are_refused() -> None:
    """Types aren't guessed from values: a backend that doesn't tell them is an error; a write isn't."""
    with pytest.raises(UnsupportedError, match="needs the types of the columns"):
        SHAPE.of_dicts([{"k": 1}])
    with pytest.raises(UnsupportedError, match="needs the types of the columns"):
        SHAPE.of_tuples(["k"], [(1,)])
    assert len(SHAPE.of_dicts(Rows())) == 0


@pytest.mark.parametrize(
    ("typ", "value", "problem"),
    [
        ("int", "x", "expected int"),
        ("int", 2**31, "out of range"),
        ("float", 0.1, "isn't of single precision"),
        ("text", b"x", "expected str"),
        ("blob", 5, "expected bytes"),
        ("boolean", 1, "expected bool"),
        ("uuid", "x", "AttributeError during the conversion"),
        ("decimal", Decimal("NaN"), "isn't a finite number"),
        ("decimal", Decimal("1e-19"), "more than 18 digits after the point"),
        ("decimal", Decimal("1e20"), "more than 20 digits before the point"),
        ("decimal", Decimal("1e999999"), "more than 20 digits before the point"),
        ("decimal", Decimal("1e-999999"), "more than 18 digits after the point"),
        ("varint", 10**38, "more than 38 digits before the point"),
        ("list<int>", "x", "expected a list"),
        ("vector<int, 2>", [1], "doesn't have 2 elements"),
        ("map<int, int>", [1], "during the conversion"),
        ("tuple<int>", (1, 2), "as many values as its type has"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error(typ: str, value: Any, problem: str) -> None:
    """The error names the column, its type and the problem, and never the value."""
    with pytest.raises(RequestError) as info:
        SHAPE.of_values((Column("c", typ),), None, [[None, value]], 2)
    assert f"A value of 'c' ({typ}) has no exact counterpart in Arrow" in str(info.value)
    assert problem in str(info.value)


@pytest.mark.parametrize("typ", ["some.custom.Type", "point", "list<point>", "map<int", "counter<int>"])
def test_a_type_that_is_not_known_is_an_error(typ: str) -> None:
    """A type without a counterpart is an error before the first value, also without rows."""
    with pytest.raises(RequestError, match=r"Values of 'c' \(.*\) have no counterpart in Arrow"):
        SHAPE.of_values((Column("c", typ),), None, [[]], 0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1.50", "1.5"),
        ("-0.000000000000000001", "-1e-18"),
        ("0e-999", "0"),
        ("1.2300000000000000000000", "1.23"),
        ("99999999999999999999", "99999999999999999999"),
    ],
)
def test_decimals_are_exact(value: str, expected: str) -> None:
    """Each decimal that fits has the same value, whatever its own scale."""
    rows = SHAPE.of_values((Column("c", "decimal"),), None, [[Decimal(value)]], 1)
    assert values(rows) == [[Decimal(expected)]]


def test_fields_of_a_user_defined_type() -> None:
    """A user-defined type is a struct with its fields' names, from dicts and tuples."""
    parts = (ValueType("int", "int"), ValueType("text", "text"))
    typ = ValueType("udt", "point", parts, ("x", "label"))
    rows = SHAPE.of_values((Column("p", "point"),), [typ], [[{"x": 1, "label": "a"}, (2,), None]], 3)
    assert values(rows) == [[{"x": 1, "label": "a"}, {"x": 2, "label": None}, None]]
    with pytest.raises(RequestError, match="its fields aren't those of its type"):
        SHAPE.of_values((Column("p", "point"),), [typ], [[{"x": 1}]], 1)


def test_types_as_text() -> None:
    """Types are parsed as servers and drivers write them."""
    text = "map<frozen<list<varchar>>, tuple<int, vector<float, 3>>>"
    assert parse_type(text).text == "map<list<text>, tuple<int, vector<float, 3>>>"
    assert [part.name for part in parse_type(text).parts] == ["list", "tuple"]
    assert parse_type('"Odd type"').name == ""


def test_columns_of_one_name() -> None:
    """Two columns of one name are an error, since data frames find columns by name."""
    with pytest.raises(InvalidQueryError, match="2 columns named 'a'"):
        SHAPE.of_values((Column("a", "int"), Column("a", "int")), None, [[1], [2]], 1)


@pytest.mark.parametrize("decimals", [(0, 0), (77, 0), (9, 10), (9, -1), (9.0, 2), 9, {"a": 9}])
def test_digits_that_cannot_be_used(decimals: Any) -> None:
    """Precision and scale are checked where they are given."""
    with pytest.raises(ConfigurationError, match="isn't a precision and a scale"):
        ArrowShape(decimals=decimals)
    with pytest.raises(ConfigurationError, match="ignore_codecs"):
        ArrowShape(ignore_codecs="yes")  # type: ignore[arg-type]  # a mistake


def test_columns_that_changed_between_pages() -> None:
    """Batches of different columns aren't one stream; each alone is still there."""
    rows = SHAPE.of_values(columns(a="int"), None, [[1]], 1)
    rows.extend(SHAPE.of_values(columns(a="text"), None, [["x"]], 1))
    with pytest.raises(RequestError, match="changed between two pages"):
        rows.__arrow_c_stream__()
    assert [batch.num_rows for batch in rows] == [1, 1]


def test_a_batch_says_what_it_is() -> None:
    """Results and batches have a representation without values."""
    rows = SHAPE.of_values(columns(a="int", b="text"), None, [[1], ["secret"]], 1)
    batch: Any = next(iter(rows))
    assert repr(rows) == "<ArrowRows: 1 rows of a, b>"
    assert repr(batch) == "<RecordBatch: 1 rows of a, b>"
    assert batch.column_names == ("a", "b")
