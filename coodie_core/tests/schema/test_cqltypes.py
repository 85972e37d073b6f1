"""CQL types by meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coodie.schema.cqltypes import parse_shown_type, parse_type

if TYPE_CHECKING:
    from collections.abc import Callable

NATIVE = st.sampled_from(
    "ascii bigint blob boolean date decimal double duration float inet int smallint text time timestamp "  # noqa: SIM905 - twenty lines otherwise
    "timeuuid tinyint uuid varchar varint".split()
)
USER_DEFINED = st.sampled_from(["addr", '"Addr"', '"a ""b"""', '"int"', "ks.addr", 'ks."Addr"'])
FROZEN_LEAF = NATIVE | USER_DEFINED.map("frozen<{}>".format)


def _around(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        inner.map("frozen<list<{}>>".format),
        inner.map("frozen<set<{}>>".format),
        st.tuples(inner, inner).map(lambda pair: f"frozen<map<{pair[0]}, {pair[1]}>>"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"tuple<{','.join(parts)}>"),
        st.tuples(inner, st.integers(1, 9)).map(lambda pair: f"vector<{pair[0]}, {pair[1]}>"),
    )


TYPES = st.recursive(FROZEN_LEAF, _around, max_leaves=6)


@given(TYPES, st.sampled_from([str.upper, str.title, lambda text: text]), st.sampled_from([" ", "\n", ""]))
def test_spelling_does_not_matter(text: str, case: Callable[[str], str], space: str) -> None:
    """Case outside quotes and white space between words change nothing."""
    parts = text.split('"')
    parts[::2] = [case(part) for part in parts[::2]]
    loose = '"'.join(parts).replace("<", f"{space}<{space}").replace(",", f"{space},{space}")
    assert parse_type(loose, "ks") == parse_type(text, "ks")


@given(TYPES)
def test_what_is_written_reads_back_equal(text: str) -> None:
    """A type's CQL is that type again, and so is what the server shows of it."""
    parsed = parse_type(text, "ks")
    assert parse_type(str(parsed), "ks") == parsed
    assert parse_shown_type(parsed.shown, "ks").shown == parsed.shown


@pytest.mark.parametrize(
    ("given_type", "shown"),
    [
        ("varchar", "text"),
        ("TEXT", "text"),
        ("tuple<int,date2>", "frozen<tuple<int, frozen<date2>>>"),
        ("frozen<list<list<int>>>", "frozen<list<frozen<list<int>>>>"),
        ("frozen<map<text, set<int>>>", "frozen<map<text, frozen<set<int>>>>"),
        ("frozen<frozen<list<int>>>", "frozen<list<int>>"),
        ("list<tuple<list<int>, int>>", "list<frozen<tuple<frozen<list<int>>, int>>>"),
        ("frozen<vector<int, 3>>", "vector<int, 3>"),
        ("'Int32Type'", "int"),
        ("list<'org.apache.cassandra.db.marshal.UTF8Type'>", "list<text>"),
        ("'LexicalUUIDType'", "'org.apache.cassandra.db.marshal.LexicalUUIDType'"),
        (
            "'ReversedType( LexicalUUIDType )'",
            "'org.apache.cassandra.db.marshal.ReversedType(org.apache.cassandra.db.marshal.LexicalUUIDType)'",
        ),
        ("'com.acme.OwnType'", "'com.acme.OwnType'"),
        ("VECTOR<FLOAT , 003>", "vector<float, 3>"),
        ("list<vector<int, 3>>", "list<vector<int, 3>>"),
        ('frozen<"A""b">', 'frozen<"A""b">'),
        ('frozen<"select">', 'frozen<"select">'),
        ("frozen< KS.Date2>", "frozen<date2>"),
        ('frozen<"int">', "frozen<int>"),
        ('frozen<"list">', "frozen<list>"),
        ("date2", "date2"),
        ("frozen<list<date2>>", "frozen<list<frozen<date2>>>"),
    ],
)
def test_as_cassandra_shows_it(given_type: str, shown: str) -> None:
    """Each pair was seen on Cassandra 5.0.9: the type given, the type in system_schema.columns."""
    assert parse_type(given_type, "ks").shown == shown == parse_shown_type(shown, "ks").shown


def test_inside_a_vector_frozen_says_nothing() -> None:
    """Cassandra shows vector<list<int>, 2> with and without frozen; a vector is one cell anyway."""
    assert parse_type("vector<list<int>, 2>", "ks") == parse_shown_type("vector<frozen<list<int>>, 2>", "ks")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("text", "ascii"),
        ("list<int>", "set<int>"),
        ("list<int>", "frozen<list<int>>"),
        ("addr", '"Addr"'),
        ("addr", "frozen<addr>"),
        ("tuple<int>", "tuple<int, int>"),
        ("vector<float, 3>", "vector<float, 4>"),
        ("map<int, text>", "map<text, int>"),
    ],
)
def test_what_differs_differs(one: str, other: str) -> None:
    """Types that aren't the same aren't equal."""
    assert parse_type(one, "ks").shown != parse_shown_type(other, "ks").shown


def test_a_type_named_like_a_native_one_is_quoted_in_cql() -> None:
    """The server leaves a type named "int" bare in system_schema; CQL must not."""
    assert str(parse_type('frozen<"int">', "ks")) == 'frozen<"int">'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "unexpected end"),
        ("list<int", "unexpected end"),
        ("list<int>>", "after its end"),
        ("int text", "after its end"),
        ("list", "angle brackets"),
        ("list<int, int>", "takes 1, not 2"),
        ("map<int>", "takes 2, not 1"),
        ("vector<float>", "number of elements"),
        ("vector<float, 0>", "positive integer"),
        ("vector<float, n>", "positive integer"),
        ("frozen<int>", "not int"),
        ("other.addr", "the table's keyspace"),
        ("int;", "unexpected ';'"),
        ("<int>", "expected a type"),
    ],
)
def test_what_is_no_type_is_refused(text: str, why: str) -> None:
    """The message names the text and what is wrong with it."""
    with pytest.raises(ValueError, match=why) as caught:
        parse_type(text, "ks")
    assert repr(text) in str(caught.value)


def test_custom_types_are_compared_as_text() -> None:
    """A Java class in quotes is kept as it is."""
    text = "'org.apache.cassandra.db.marshal.LexicalUUIDType'"
    assert str(parse_type(text, "ks")) == text
    assert parse_type(text, "ks").shown == parse_shown_type(text, "ks").shown


def test_a_shown_type_that_cannot_be_read_equals_nothing_else() -> None:
    """A server newer than this parser doesn't stop it; such a column just isn't of a known type."""
    assert parse_shown_type("list<int", "ks").shown != parse_type("list<int>", "ks").shown
