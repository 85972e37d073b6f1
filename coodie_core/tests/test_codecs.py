"""Codecs: what can be registered, and which codec applies to a column."""

from __future__ import annotations

import datetime as dt
from array import array
from dataclasses import dataclass
from enum import Enum, IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NewType, Optional, Protocol, Union
from zoneinfo import ZoneInfo

import pytest

from coodie import Codec, ConfigurationError
from coodie.codec_registry import Codecs, element_hints, parse_codecs
from coodie.codecs import enum_codec, ip_address_codec, time_zone_codec, vector_codec
from coodie.row_shapes import parse_rows
from coodie.types import Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from somewhere import Unknown  # type: ignore[import-not-found]  # only for type checkers


class Colour(Enum):
    """An enum."""

    RED = "red"


class Size(IntEnum):
    """An enum of numbers."""

    SMALL = 1


_COLOUR = enum_codec(Colour)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("INET", "inet"),
        ("varchar", "text"),
        ("frozen<list< text>>", "list<text>"),
        ("map<text,frozen<set<varchar>>>", "map<text, set<text>>"),
        ("vector<float,3>", "vector<float, 3>"),
        ("vector<float>", "vector<float>"),
        ("tuple<int, text, inet>", "tuple<int, text, inet>"),
        ("address", "address"),
        ('list<"Address">', "list<Address>"),
    ],
)
def test_types_in_their_normal_form(text: str, normal: str) -> None:
    """A type may be written as in CQL."""
    assert Codec(text, Colour, str).cql_type == normal


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "CQL type"),
        ("list", "CQL type"),
        ("list<text", "CQL type"),
        ("list<text>>", "CQL type"),
        ("map<text>", "CQL type"),
        ("text<int>", "CQL type"),
        ("a.b", "CQL type"),
        ("<text>", "CQL type"),
        (None, "CQL type"),
        ("counter", "a counter's parameters are amounts"),
    ],
)
def test_other_types(text: Any, hint: str) -> None:
    """What isn't a type, or one of counters, is an error."""
    with pytest.raises(ConfigurationError, match=r"^cql_type=.* can't be used in a codec") as caught:
        Codec(text, Colour, str)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Codec("text", "Colour", str), "python_type"),  # type: ignore[arg-type]  # the mistake
        (lambda: Codec("text", (), str), "python_type"),
        (lambda: Codec("text", type(None), str), "python_type"),
        (lambda: Codec("text", Colour, "str"), "to_cql"),  # type: ignore[arg-type]  # as above
        (lambda: Codec("text", Colour), "from_cql"),
        (lambda: Codec("text", Colour, str, columns="name"), "columns"),
        (lambda: Codec("list<float>", array, None, list, takes_array=True), "takes_array"),
        (lambda: Codec("vector<text>", array, None, list, takes_array=True), "takes_array"),
        (lambda: vector_codec(list), "python_type"),
        (lambda: vector_codec(array, "text"), "element"),
        (lambda: time_zone_codec("Europe/Berlin"), "zone"),  # type: ignore[arg-type]  # as above
    ],
)
def test_invalid_arguments(make: Callable[[], Any], name: str) -> None:
    """The error names the argument, and the option."""
    with pytest.raises(ConfigurationError, match=rf"^{name}=.* can't be used in a codec") as caught:
        make()
    assert caught.value.option == "codecs"


@pytest.mark.parametrize(
    ("codecs", "message"),
    [
        ([_COLOUR, Codec("text", Colour, str)], "Two codecs convert between text and Colour"),
        (
            [ip_address_codec(), Codec("inet", (str, IPv6Address), str)],
            "between inet and IPv6Address",
        ),
        (
            [ip_address_codec(), Codec("inet", bytes, None, str.encode)],
            r"Codec\('inet', bytes\) and Codec\('inet', IPv4Address \| IPv6Address\) both convert all",
        ),
        (
            [enum_codec(Colour, columns=["a", "b"]), Codec("text", bytes, None, str.encode, columns=["b"])],
            "both convert the column 'b'",
        ),
        ([None], "codecs: None can't be used"),
        (_COLOUR, "codecs: Codec"),
        ("shop:CODECS", "codecs: 'shop:CODECS' can't be used"),
        (["nowhere:CODECS"], "The codec 'nowhere:CODECS' can't be found: No module named 'nowhere'"),
        (["coodie.codecs:NOTHING"], "The codec 'coodie.codecs:NOTHING' can't be found"),
        (["coodie.codecs:Codec"], "codecs: 'coodie.codecs:Codec' can't be used"),
    ],
)
def test_codecs_that_cant_be_used_together(codecs: Any, message: str) -> None:
    """Whatever can't be honoured is an error of the option."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        parse_codecs(codecs)
    assert caught.value.option == "codecs"


def test_names_of_codecs() -> None:
    """A text names a codec or a list of them."""
    found = parse_codecs([f"{__name__}:_COLOUR", f"{__name__}:_SEVERAL"])
    assert found is not None
    assert [*found] == [_COLOUR, *_SEVERAL]
    assert parse_codecs([]) is None
    assert parse_codecs(found) is found


_SEVERAL = [ip_address_codec(), enum_codec(Size, "int")]


def test_defaults_give_way() -> None:
    """A default that conflicts with a codec is left out."""
    ours = Codecs([ip_address_codec()])
    text = enum_codec(Colour)
    assert [*ours.with_defaults([Codec("inet", bytes, None, str.encode), text])] == [*ours, text]


# --- which one --------------------------------------------------------------------------


class Readable(Protocol):
    """A protocol."""

    def read(self) -> None:
        """Read."""


_Name = NewType("_Name", Colour)


@dataclass
class Fields:
    """A row class."""

    enum: Colour
    optional: Optional[Colour]  # noqa: UP045 - one of the spellings
    united: Colour | None
    annotated: Annotated[Colour, "as stored"]
    new: _Name
    text: str
    either: Union[Colour, str]  # noqa: UP007 - as above
    anything: Any
    base: object
    protocol: Readable
    unknown: Unknown
    ip: IPv4Address


_WANTED = dict.fromkeys(Fields.__annotations__, _COLOUR) | dict.fromkeys(
    ("text", "either", "anything", "base", "protocol", "unknown", "ip")
)


def test_the_type_of_a_field() -> None:
    """A codec applies to fields of its Python type, however that is spelt."""
    columns = Codecs([_COLOUR, ip_address_codec()]).for_columns([*_WANTED, "other"], parse_rows(Fields))
    assert {one.column: one.find("text", one.hint) for one in columns} == {**_WANTED, "other": None}
    assert columns[0].find("int", columns[0].hint) is None


def test_codecs_for_all_results() -> None:
    """They apply unless a field has another type."""
    codec = enum_codec(Colour, columns=None)
    columns = Codecs([codec]).for_columns([*_WANTED], parse_rows(Fields))
    found = {one.column for one in columns if one.find("text", one.hint) is codec}
    assert found == {*_WANTED} - {"text", "ip"}
    for shape in (None, parse_rows(tuple), parse_rows("scalar"), parse_rows(lambda **row: row)):
        (one,) = Codecs([codec]).for_columns(["text"], shape)
        assert one.find("text", one.hint) is codec


def test_codecs_for_columns() -> None:
    """One that names the column comes before one for all results."""
    named, others = enum_codec(Colour, columns=["colour"]), Codec("text", bytes, None, str.encode)
    colour, name = Codecs([others, named]).for_columns(["colour", "name"], None)
    assert (colour.find("text", None), name.find("text", None)) == (named, others)


def test_a_local_class() -> None:
    """The name of a codec's class is known where the module of the row class doesn't have it."""

    class Local(Enum):
        ONE = "one"

    class Row(NamedTuple):
        value: Local
        values: list[Local]

    codec = enum_codec(Local)
    value, values = Codecs([codec]).for_columns(["value", "values"], parse_rows(Row))
    assert value.find("text", value.hint) is codec
    assert element_hints(values.hint) == (Local,)


@pytest.mark.parametrize(
    ("hint", "parts"),
    [
        (list[Colour], (Colour,)),
        (list[Colour] | None, (Colour,)),
        (dict[str, Colour] | None, (str, Colour)),
        (Annotated[tuple[str, ...], 1], (str, ...)),
        (list, ()),
        (list[Colour] | set[Colour], ()),
        (None, ()),
    ],
)
def test_the_types_of_elements(hint: Any, parts: tuple[Any, ...]) -> None:
    """They are those in brackets."""
    assert element_hints(hint) == parts


def test_vectors() -> None:
    """A codec without a size is for vectors of any size, and one of exactly the size comes first."""
    of_any, of_three = vector_codec(array), Codec("vector<float, 3>", tuple, list, tuple)
    codecs = Codecs([of_any, of_three])
    (column,) = codecs.for_columns(["v"], None)
    assert column.find("vector<float, 3>", None) is of_three
    assert column.find("vector<float, 4>", None) is of_any
    assert column.find("vector<int, 4>", None) is None
    assert codecs.for_parameters("vector<float, 3>") == {tuple: of_three}


# --- included codecs --------------------------------------------------------------------


def test_enums() -> None:
    """Members are stored by value, or by name."""
    by_value, by_name = enum_codec(Size, "int"), enum_codec(Size, by_name=True)
    for codec, stored in ((by_value, 1), (by_name, "SMALL")):
        assert codec.to_cql is not None
        assert codec.from_cql is not None
        assert (codec.to_cql(Size.SMALL), codec.from_cql(stored)) == (stored, Size.SMALL)


def test_time_zones() -> None:
    """Naive and aware timestamps get the zone; those that no datetime can hold stay as they are."""
    berlin = ZoneInfo("Europe/Berlin")
    convert = time_zone_codec(berlin).from_cql
    assert convert is not None
    expected = dt.datetime(2024, 7, 1, 14, tzinfo=berlin)
    for given in (dt.datetime(2024, 7, 1, 12), dt.datetime(2024, 7, 1, 12, tzinfo=dt.timezone.utc)):
        found = convert(given)
        assert (found, found.tzinfo) == (expected, berlin)
    assert convert(Timestamp(2**60)) == Timestamp(2**60)
    last = dt.datetime(9999, 12, 31, 23, 30, tzinfo=dt.timezone.utc)
    assert convert(last) == last


@pytest.mark.parametrize("kind", [array, memoryview])
def test_arrays(kind: Any) -> None:
    """Vectors are arrays or memoryviews of the numbers."""
    convert = vector_codec(kind, "double").from_cql
    assert convert is not None
    made = convert(array("d", [1, 2]))
    assert (type(made), made.tolist()) == (kind, [1, 2])


def test_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An array of numpy shares the memory of the decoded one; numpy is only imported for that."""

    def frombuffer(buffer: Any, dtype: str) -> Any:
        return buffer, dtype

    class ndarray:  # noqa: N801 - numpy's name
        pass

    ndarray.__module__ = "numpy"
    monkeypatch.setitem(__import__("sys").modules, "numpy", type("numpy", (), {"frombuffer": frombuffer}))
    convert = vector_codec(ndarray).from_cql
    assert convert is not None
    given = array("f", [1])
    assert convert(given) == (given, "f")
