"""Table options at the border, and as CQL."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coodie.exceptions import ConfigurationError
from coodie.schema.options import check_options, write_option


class Seconds(IntEnum):
    """A number that prints as something else."""

    DAY = 86400


@pytest.mark.parametrize(
    ("value", "cql"),
    [
        (5, "5"),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        (Decimal("0.5"), "0.5"),
        (True, "true"),
        (False, "false"),
        ("it's", "'it''s'"),
        (Seconds.DAY, "86400"),
        ({"class": "X's", "n": 4, "on": True}, "{'class': 'X''s', 'n': '4', 'on': 'true'}"),
    ],
)
def test_values_as_cql(value: Any, cql: str) -> None:
    """Numbers and bools stand bare, strings and everything in maps in quotes."""
    options = check_options({"Some_Option": value})
    assert [write_option(name, checked) for name, checked in options.items()] == [f"some_option = {cql}"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_every_digit(value: float) -> None:
    """What is written is the same number again."""
    assert float(write_option("x", value).removeprefix("x = ")) == value


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([("comment", "x")], "got list"),
        ({"clustering order": "a"}, "isn't the name of a table option"),
        ({1: 2}, "isn't the name of a table option"),
        ({"comment": None}, "got NoneType"),
        ({"comment": b"x"}, "got bytes"),
        ({"crc_check_chance": float("nan")}, "is nan"),
        ({"compaction": {"class": None}}, "got NoneType"),
        ({"compaction": {"class": ["x"]}}, "got list"),
        ({"comment": "a", "COMMENT": "b"}, "given twice"),
        ({"id": "5a1c395e-b41f-11e5-9f22-ba0be0483c18"}, "the server sets it"),
        ({"extensions": {"a": "0x01"}}, "Cassandra ignores it"),
    ],
)
def test_what_cannot_be_honoured_is_refused(options: Any, why: str) -> None:
    """Nothing is passed over in silence, and nothing is sent that no server could take."""
    with pytest.raises(ConfigurationError, match=why) as caught:
        check_options(options)
    assert caught.value.option == "table_options"


def test_no_options() -> None:
    """None and an empty dict ask for nothing."""
    assert check_options(None) == check_options({}) == {}
