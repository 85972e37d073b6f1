"""Row shapes: the rows for a result's columns, and columns that are rejected."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pytest

from coodie.exceptions import ConfigurationError, InvalidQueryError, RequestError
from coodie.row_shapes import RowShape, ShapedRows, parse_rows
from coodie.rows import Column, Rows, as_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self


class Named(NamedTuple):
    """A NamedTuple, in another order than the columns."""

    name: str | None
    id: int


class ReadableName(Named):
    """A subclass of one, with a ``__new__`` of its own."""

    def __new__(cls, name: str | None, id: int) -> Self:  # noqa: A002 - a column's name
        """Capitalise the name."""
        return super().__new__(cls, (name or "").upper(), id)


@dataclass
class Plain:
    """A dataclass."""

    id: int
    name: str | None


@dataclass(slots=True)
class Slotted:
    """A dataclass with slots, of which a field has a default."""

    id: int
    name: str | None = "none"


@dataclass(frozen=True)
class Frozen:
    """A frozen dataclass."""

    id: int
    name: str | None


@dataclass(frozen=True, slots=True)
class FrozenSlotted:
    """A frozen dataclass with slots."""

    id: int
    name: str | None


@dataclass
class Checked:
    """A dataclass that does something when it is made, and has other than fields."""

    kind: ClassVar[str] = "checked"
    id: int
    name: InitVar[str | None] = None
    tags: list[str] = field(default_factory=list)
    made_of: str | None = field(init=False, default=None)

    def __post_init__(self, name: str | None) -> None:
        """Keep what isn't kept as a field."""
        self.made_of = name


@dataclass
class OwnInit:
    """A dataclass with an ``__init__`` of its own, which stays."""

    id: int
    name: str | None

    def __init__(self, id: int, name: str | None) -> None:  # noqa: A002 - a column's name
        """Change what is given."""
        self.id = -id
        self.name = name


@dataclass(kw_only=True)
class KeywordsOnly:
    """A dataclass that takes keyword arguments alone."""

    name: str | None
    id: int


class Setting:
    """A class that is no dataclass."""

    def __init__(self, id: int, **others: Any) -> None:  # noqa: A002 - a column's name
        self.made = (id, others)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Setting) and other.made == self.made

    def __hash__(self) -> int:
        return 0


def _text(id: int, /, *, name: str | None) -> str:  # noqa: A002 - a column's name
    return f"{id} {name}"


NAMES = ("id", "name")
ROWS = [(1, "Ada"), (2, None)]
COLUMNS = (Column("id", "int"), Column("name", "text"))


def made(rows: Any, names: tuple[str, ...] = NAMES, tuples: Any = ROWS) -> ShapedRows:
    """Return the rows of a shape."""
    shape = parse_rows(rows)
    assert shape is not None
    return shape.of_tuples(names, tuples)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (tuple, ROWS),
        ("tuple", ROWS),
        ("scalar", [1, 2]),
        (Named, [Named("Ada", 1), Named(None, 2)]),
        (ReadableName, [ReadableName("ada", 1), ReadableName(None, 2)]),
        (Plain, [Plain(1, "Ada"), Plain(2, None)]),
        (Slotted, [Slotted(1, "Ada"), Slotted(2, None)]),
        (Frozen, [Frozen(1, "Ada"), Frozen(2, None)]),
        (FrozenSlotted, [FrozenSlotted(1, "Ada"), FrozenSlotted(2, None)]),
        (Checked, [Checked(1, "Ada"), Checked(2, None)]),
        (OwnInit, [OwnInit(1, "Ada"), OwnInit(2, None)]),
        (KeywordsOnly, [KeywordsOnly(name="Ada", id=1), KeywordsOnly(name=None, id=2)]),
        (Setting, [Setting(1, name="Ada"), Setting(2, name=None)]),
        (_text, ["1 Ada", "2 None"]),
        (lambda **row: row, [{"id": 1, "name": "Ada"}, {"id": 2, "name": None}]),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_rows_of_each_shape(rows: Any, expected: list[Any]) -> None:
    """Tuples, a driver's and a backend's dicts become the same rows; columns go by their names."""
    found = made(rows)
    assert found == expected
    assert [type(row) for row in found] == [type(row) for row in expected]
    shape = parse_rows(rows)
    assert shape is not None
    dicts: list[dict[str, Any]] = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
    assert shape.of_dicts(Rows(dicts)) == expected
    assert made(rows, ("name", "id"), [(name, key) for key, name in ROWS]) == [
        *(expected if rows not in (tuple, "tuple", "scalar") else made(rows, tuples=[r[::-1] for r in ROWS]))
    ]


class Heir(Slotted):
    """A subclass of one, with a dict."""


@dataclass(slots=True)
class Longer(Slotted):
    """A dataclass that inherits slots."""

    city: str | None = None


@dataclass(slots=True)
class Shadowed:
    """A dataclass whose slot has become a property."""

    id: int
    name: str | None


setattr(Shadowed, "name", property(lambda row: row.id, lambda *_: None))  # noqa: B010 - a name in __slots__


@dataclass(slots=True)
class Unfinished(ABC):
    """A class of which there are no objects."""

    id: int
    name: str | None

    @abstractmethod
    def finish(self) -> None:
        """Do the rest."""


@pytest.mark.parametrize("factory", [Slotted, FrozenSlotted, Longer])
def test_rows_that_are_their_slots(factory: Any) -> None:
    """A dataclass that only sets its slots: the slots in the columns' order."""
    names = ("name", "city", "id") if factory is Longer else ("name", "id")
    assert RowShape(factory).slots(names) == (factory, tuple([getattr(factory, name) for name in names]))


@pytest.mark.parametrize(
    "factory",
    [*(Plain, Frozen, Checked, OwnInit, KeywordsOnly, Named, Setting, _text, Heir, Shadowed, Unfinished)],
)
def test_rows_that_are_more_than_slots(factory: Any) -> None:
    """Any other factory is called, or its objects get attributes, and a column may be missing."""
    assert RowShape(factory).slots(NAMES) is None
    assert RowShape(Longer).slots(NAMES) is None


@pytest.mark.parametrize("rows", [None, dict, "dict"])
def test_dicts_have_no_shape(rows: Any) -> None:
    """Dicts are what a driver returns anyway."""
    assert parse_rows(rows) is None


@pytest.mark.parametrize("rows", [1, "tuples", [], {"id": int}])
def test_what_makes_no_rows_is_refused(rows: Any) -> None:
    """What is neither callable nor one of the names is refused, with the option's name."""
    with pytest.raises(ConfigurationError, match=r"Invalid rows=.*") as caught:
        parse_rows(rows)
    assert caught.value.option == "rows"


@pytest.mark.parametrize(
    ("factory", "names", "text"),
    [
        (Slotted, ("id", "name", "age", "x"), r"don't match Slotted: unexpected 'age', 'x'\."),
        (Plain, ("id",), r"don't match Plain: missing 'name'\."),
        (Named, ("id", "nam"), r"don't match Named: unexpected 'nam', missing 'name'\."),
        (KeywordsOnly, (), r"missing 'name', 'id'\."),
        (Setting, ("name",), r"don't match Setting: missing 'id'\."),
        (_text, ("name",), r"don't match _text: missing 'id'\."),
        (Plain, ("id", "name", "id"), "2 columns named 'id'"),
    ],
)
def test_columns_that_do_not_fit(factory: Callable[..., Any], names: tuple[str, ...], text: str) -> None:
    """Missing columns, other ones and two of one name are errors that name them, without a row, too."""
    with pytest.raises(InvalidQueryError, match=text):
        made(factory, names, [])


def test_a_default_may_have_no_column() -> None:
    """What has a default needs no column."""
    assert made(Slotted, ("id",), [(1,)]) == [Slotted(1)]
    assert made(Checked, ("id",), [(1,)]) == [Checked(1)]


@pytest.mark.parametrize(("rows", "expected"), [(tuple, [(1, 2)]), ("scalar", [1])])
def test_two_columns_of_one_name(rows: Any, expected: list[Any]) -> None:
    """Tuples have both columns of one name."""
    assert made(rows, ("x", "x"), [(1, 2)]) == expected


def test_names_that_are_no_identifiers() -> None:
    """A column's name never becomes code, whatever it is."""
    names = ("class", "{x}", "'); raise SystemExit", "ﬁ")
    assert made(lambda **row: row, names, [(1, 2, 3, 4)]) == [dict(zip(names, (1, 2, 3, 4), strict=True))]


def test_an_exception_of_the_factory() -> None:
    """It is the cause of an error that has no value in it."""

    def raising(id: int, name: str) -> None:  # noqa: A002 - a column's name
        raise ValueError(f"secret {id} {name}")

    with pytest.raises(RequestError, match=r"Could not create .*raising from a row: ValueError") as caught:
        made(raising)
    assert isinstance(caught.value.__cause__, ValueError)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("rows", [tuple, "scalar", Plain, Named, lambda **row: row])
def test_scalar_and_scalars(rows: Any) -> None:
    """They are of the first column, in each shape."""
    shape = parse_rows(rows)
    assert shape is not None
    found = shape.of_tuples(NAMES, ROWS, COLUMNS)
    assert (found.columns, found.scalar(), found.scalars()) == (COLUMNS, 1, [1, 2])
    nothing = shape.of_tuples(NAMES, [], COLUMNS)
    assert (nothing.columns, nothing.scalar(), nothing.scalars()) == (COLUMNS, None, [])
    assert (found.applied, found.first(), len(found)) == (None, found[0], 2)


@pytest.mark.parametrize(
    ("rows", "applied", "found"),
    [
        (tuple, [(True,)], [(False, 1, "Ada")]),
        ("scalar", [True], [False]),
        (Plain, [], [Plain(1, "Ada")]),
        (Named, [], [Named("Ada", 1)]),
    ],
)
def test_conditional_writes(rows: Any, applied: list[Any], found: list[Any]) -> None:
    """``applied`` is known in each shape; an object is made of the row that the server found."""
    shape = parse_rows(rows)
    assert shape is not None
    flag = Column("[applied]", "boolean")
    done = shape.of_tuples(("[applied]",), [(True,)], (flag,))
    assert (done, done.applied) == (applied, True)
    lost = shape.of_tuples(("[applied]", *NAMES), [(False, 1, "Ada")], (flag, *COLUMNS))
    assert (lost, lost.applied) == (found, False)
    of_dicts = Rows([{"[applied]": False, "id": 1, "name": "Ada"}])
    of_dicts.columns = (flag, *COLUMNS)
    assert (shape.of_dicts(of_dicts), shape.of_dicts(of_dicts).applied) == (found, False)


def test_scalars_of_objects_that_have_no_such_attribute() -> None:
    """An object may have no attribute of the first column's name: the error says what to do."""

    class Renamed:
        def __init__(self, k: int) -> None:
            self.key = k

    shape = parse_rows(Renamed)
    assert shape is not None
    rows = shape.of_tuples(("k",), [(7,)], (Column("k", "int"),))
    for method in (rows.scalar, rows.scalars):
        with pytest.raises(RequestError, match=r"Renamed has no attribute 'k', .*Use rows='scalar'"):
            method()


@pytest.mark.parametrize("rows", [tuple, "scalar"])
def test_conditional_writes_without_columns(rows: Any) -> None:
    """A client that gives dicts and no columns: ``applied`` doesn't depend on the shape either."""
    shape = parse_rows(rows)
    assert shape is not None
    assert shape.of_dicts([{"[applied]": True}]).applied is True
    assert shape.of_dicts([{"[applied]": False, "v": 1}]).applied is False
    assert shape.of_dicts([{"v": True}]).applied is None


def test_what_a_result_knows_is_kept() -> None:
    """The paging state, the warnings and the columns go from dicts to the other rows."""
    dicts = Rows([{"id": 1, "name": "Ada"}], paging_state=b"next", warnings=["slow"])
    dicts.columns = COLUMNS
    found = RowShape(Plain).of_dicts(dicts)
    assert (found, found.paging_state, found.warnings) == ([Plain(1, "Ada")], b"next", ("slow",))
    assert found.columns == COLUMNS
    empty: Rows = Rows()
    empty.columns = (Column("id", "int"),)
    with pytest.raises(InvalidQueryError, match="missing 'name'"):
        RowShape(Plain).of_dicts(empty)
    assert RowShape(Plain).of_dicts(as_rows([])) == []


def test_rows_can_be_pickled() -> None:
    """Rows of a module's class go to other processes."""
    found = RowShape(Plain).of_tuples(NAMES, ROWS, COLUMNS)
    again = pickle.loads(pickle.dumps(found))  # noqa: S301 - its own
    assert (again, again.columns, again.scalars()) == (found, COLUMNS, [1, 2])


def test_what_other_libraries_make() -> None:
    """A class is recognised by what it has: no library is imported, and pydantic's takes a dict at once."""

    class Validator:
        @staticmethod
        def validate_python(row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
            return "validated", row

    class Model:
        model_validate = None
        __pydantic_validator__ = Validator

        def __init__(self, *, id: int, name: str | None = None) -> None:  # noqa: A002 - a column's name
            raise AssertionError

    assert made(Model) == [("validated", {"id": 1, "name": "Ada"}), ("validated", {"id": 2, "name": None})]
    with pytest.raises(InvalidQueryError, match="Model: unexpected 'age', missing 'id'"):
        made(Model, ("age",), [])
