"""Names and strings in CQL."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coodie.exceptions import ConfigurationError
from coodie.schema import quote, quote_literal
from coodie.schema.identifiers import RESERVED, check_schema_name, qualify

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


def read_name(cql: str) -> str:
    """Read an identifier as CQL does: bare ones fold to lower case, quotes are undoubled."""
    if cql.startswith('"'):
        assert re.fullmatch(r'"(?:[^"]|"")+"', cql, re.DOTALL)
        return cql[1:-1].replace('""', '"')
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", cql)
    assert cql not in RESERVED
    return cql.lower()


@given(NAMES)
def test_a_quoted_name_reads_back_as_itself(name: str) -> None:
    """Whatever the name, the server reads exactly it."""
    assert read_name(quote(name)) == name


@given(st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True).filter(lambda name: name not in RESERVED))
def test_a_name_that_needs_no_quotes_has_none(name: str) -> None:
    """Quotes appear only where CQL needs them."""
    assert quote(name) == name


@pytest.mark.parametrize(
    ("name", "cql"),
    [
        ("select", '"select"'),
        ("true", '"true"'),
        ("Name", '"Name"'),
        ("1st", '"1st"'),
        ("_a", '"_a"'),
        ('say "hi"', '"say ""hi"""'),
        ("é", '"é"'),
        ("key", "key"),
        ("timestamp", "timestamp"),
    ],
)
def test_quote(name: str, cql: str) -> None:
    """Reserved words, capitals and odd characters are quoted; words that CQL lets be names aren't."""
    assert quote(name) == cql


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_no_name_at_all(name: str) -> None:
    """What no CQL name can be is refused."""
    with pytest.raises(ConfigurationError, match="isn't a valid CQL name"):
        quote(name)


@given(st.text())
def test_a_literal_reads_back_as_itself(text: str) -> None:
    """A string literal has one end, whatever stands in it."""
    literal = quote_literal(text)
    assert re.fullmatch(r"'(?:[^']|'')*'", literal, re.DOTALL)
    assert literal[1:-1].replace("''", "'") == text


def test_qualify_quotes_each_part() -> None:
    """Keyspace and table are quoted one by one."""
    assert qualify("Ks", "table") == '"Ks"."table"'


@pytest.mark.parametrize("name", ["t", "T1", "_", "9", "select"])
def test_schema_names_that_the_server_takes(name: str) -> None:
    """Letters, digits and underscores in any case and order are fine."""
    assert check_schema_name("table", name) == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("a-b", "ASCII letters"),
        ("", "ASCII letters"),
        ("é", "ASCII letters"),
        ("t\n", "ASCII letters"),
        ('"T"', "plain name, 'T'"),
        (None, "expected str, got NoneType"),
    ],
)
def test_schema_names_that_the_server_refuses(name: object, hint: str) -> None:
    """What no server takes as a table's name is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match=hint):
        check_schema_name("table", name)
