"""Values as JSON: what is read equals what was written, in each part of it, and in its type."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import namedtuple
from decimal import Decimal
from enum import IntEnum
from ipaddress import ip_address
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from coodie_replay.values import from_json, parameter_as_json, text_of, value_as_json

from coodie.types import UNSET, Date, Duration, Time, Timestamp

Place = namedtuple("Place", ["name", "at"])  # noqa: PYI024 - as drivers make them
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -(2**63),
    2**80,
    -(10**5000),
    0.0,
    -0.0,
    0.1,
    5e-324,
    math.inf,
    -math.inf,
    math.nan,
    "",
    "Größe\n\0\U0001f600\u2028",
    b"",
    b"\0\xff",
    Decimal("0E-10"),
    Decimal("-0.0"),
    Decimal("1.50"),
    Decimal("9" * 5000),
    UUID(int=5),
    dt.date(1, 1, 1),
    dt.time(23, 59, 59, 999999),
    dt.datetime(2026, 1, 2, 3, 4, 5, 678000),
    dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.timezone.utc),
    dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-5, minutes=-30))),
    Date(2**31 - 1),
    Time(1),
    Timestamp(-(2**63)),
    Duration(-1, -2, -3),
    UNSET,
    [],
    [[1, None], [2.0]],
    (),
    (1, None, "x"),
    set(),
    {1, 2},
    {(1, "a"), (2, "b")},
    frozenset({"a"}),
    {},
    {"b": 1, "a": {"x": None}},
    {1: "a", (1, 2): b"x"},
    {"map": 1},
    {UUID(int=1): [{"uuid": "x"}]},
    {Place("x", None)},
]


def same(one: Any, other: Any) -> bool:  # noqa: PLR0911 - one for each kind
    """Return whether two values are equal in all parts, with their types and the order of dicts."""
    if hasattr(one, "_asdict"):
        return type(one).__name__ == type(other).__name__ and same(one._asdict(), other._asdict())
    if isinstance(one, set):
        return type(other) is set and all(map(same, sorted(one, key=repr), sorted(other, key=repr)))
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=False)
        return len(one) == len(other) and all(same(list(mine), list(theirs)) for mine, theirs in pairs)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (float, Decimal, dt.datetime)):
        return repr(one) == repr(other)
    return bool(one == other)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_comes_back(value: Any) -> None:
    """By way of the file's text, alone and inside others."""
    for outer in (value, [value], {"k": value}, (value, value)):
        text = json.dumps(value_as_json(outer), ensure_ascii=False)
        assert same(from_json(json.loads(text)), outer)


def test_another_type_can_t_be_recorded() -> None:
    """It would come back as something else."""

    class Size(IntEnum):
        SMALL = 1

    for value in (Size.SMALL, ip_address("::1"), object(), dt.datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC"))):
        with pytest.raises(TypeError, match="can't be recorded"):
            value_as_json([value])


def test_parameters_are_compared() -> None:
    """Those of any type: equal ones have one text, others another one, and none has an address in memory."""

    class Order:
        def __init__(self, number: int) -> None:
            self.number = number

    assert text_of(parameter_as_json(Order(1))) == text_of(parameter_as_json(Order(1)))
    assert text_of(parameter_as_json({2, 1, 3})) == text_of(parameter_as_json({3, 2, 1}))
    assert text_of(parameter_as_json({"a": 1, "b": 2})) == text_of(parameter_as_json({"b": 2, "a": 1}))
    different: list[Any] = [
        Order(1),
        Order(2),
        1,
        1.0,
        True,
        "1",
        None,
        UNSET,
        b"1",
        [1],
        (1,),
        {1},
        ip_address("::1"),
    ]
    assert len({text_of(parameter_as_json(value)) for value in different}) == len(different)


@pytest.mark.parametrize("content", [{"a": 1, "b": 2}, {}, {"nothing": 1}, {"uuid": "x"}, {"date": 3}])
def test_other_json_is_an_error(content: Any) -> None:
    """A file that was edited isn't read as something else."""
    with pytest.raises((ValueError, TypeError)):
        from_json(content)
