"""A batch as one CQL text."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

from coodie import BatchType
from coodie.batch import batch_text, check_batch
from coodie.cql import Kind, count_positional_markers, inspect_statement
from coodie.exceptions import ConfigurationError, ParameterError, ParameterTypeError

A = "INSERT INTO t (a) VALUES (?)"
AB = "INSERT INTO t (a, b) VALUES (:a, :b)"


def test_statements_and_pairs() -> None:
    """A batch takes statements, and pairs of a statement and its parameters, from any iterable."""
    items = iter(["DELETE FROM t WHERE a = 1", (A, [1]), [AB, {"a": 1, "b": 2}]])
    assert check_batch(items) == [  # type: ignore[arg-type]
        ("DELETE FROM t WHERE a = 1", ()),
        (A, [1]),
        (AB, {"a": 1, "b": 2}),
    ]


@pytest.mark.parametrize("empty", [[], (), iter(())])
def test_empty(empty: Any) -> None:
    """A batch without statements is refused."""
    with pytest.raises(ConfigurationError, match="no statements") as caught:
        check_batch(empty)
    assert caught.value.option == "statements"


@pytest.mark.parametrize("wrong", [None, 5, True, 1.5])
def test_no_batch(wrong: Any) -> None:
    """What can't be iterated over is refused as what it is."""
    with pytest.raises(
        ConfigurationError, match=f"expected an iterable of statements, got {type(wrong).__name__}"
    ):
        check_batch(wrong)


@pytest.mark.parametrize("wrong", [None, 5, (A,), (A, [1], 2), (5, [1]), b"INSERT", {"a": 1}])
def test_wrong_item(wrong: Any) -> None:
    """What is neither a statement nor a pair is refused with its position."""
    with pytest.raises(ConfigurationError, match="Item 1 of the batch"):
        check_batch([A, wrong])


@pytest.mark.parametrize(
    "stmt", ["SELECT * FROM t", "CREATE TABLE t (a int PRIMARY KEY)", "USE ks", "TRUNCATE t"]
)
def test_only_writes(stmt: str) -> None:
    """CQL batches hold INSERT, UPDATE and DELETE alone; the error has the statement and its position."""
    with pytest.raises(ParameterError, match="Statement 1 of the batch") as caught:
        check_batch([A, stmt])
    assert caught.value.statement == stmt


@pytest.mark.parametrize(
    ("kind", "opening"),
    [
        (BatchType.LOGGED, "BEGIN BATCH\n"),
        (BatchType.UNLOGGED, "BEGIN UNLOGGED BATCH\n"),
        (BatchType.COUNTER, "BEGIN COUNTER BATCH\n"),
    ],
)
def test_text(kind: BatchType, opening: str) -> None:
    """The text is BEGIN … APPLY BATCH with ``?`` alone, and the values are in its order."""
    text, values = batch_text([(A, [1]), (AB, {"b": 3, "a": 2}), ("DELETE FROM t WHERE a = 4", ())], kind)
    assert text.startswith(opening)
    assert text.endswith("\nAPPLY BATCH")
    assert inspect_statement(text).kind is Kind.BATCH
    assert ":" not in text
    assert values == [1, 2, 3]
    assert count_positional_markers(text) == 3


def test_semicolons_and_comments() -> None:
    """A statement may end with a semicolon, or with a comment, which hides nothing of what follows."""
    text, values = batch_text([(A + "; -- first", [1]), (A + " // second", [2]), (A, [3])], BatchType.LOGGED)
    assert values == [1, 2, 3]
    assert count_positional_markers(text) == 3
    assert ";;" not in text.replace("\n", "").replace(" ", "")


def test_named_markers_take_a_list_too() -> None:
    """A list gives ``:name`` markers their values in order, as for a prepared statement."""
    assert batch_text([(AB, (1, 2))], BatchType.LOGGED)[1] == [1, 2]


def test_no_parameters_may_be_none() -> None:
    """None stands for no parameters."""
    assert batch_text([("DELETE FROM t WHERE a = 1", None)], BatchType.LOGGED)[1] == []  # type: ignore[list-item]


def test_each_statement_has_its_own_count() -> None:
    """One value too many for one statement never fills the place of one that the next lacks."""
    with pytest.raises(ParameterError, match="has 1 bind markers and was given 2") as caught:
        batch_text([(A, [1, 2]), ("INSERT INTO u (a, b) VALUES (?, ?)", [3])], BatchType.LOGGED)
    assert caught.value.statement == A


@pytest.mark.parametrize(
    ("stmt", "params", "said"),
    [
        (A, [], "1 bind markers and was given 0"),
        (A, None, "1 bind markers and was given 0"),
        (AB, {"a": 1}, r"Missing parameters: \['b'\]"),
        (AB, {"a": 1, "b": 2, "c": 3}, r"unknown parameters: \['c'\]"),
        (AB, {"A": 1, "b": 2}, r"Missing parameters: \['a'\]; unknown parameters: \['A'\]"),
        (AB, {"a": 1, "b": 2, 5: 3, None: 4}, r"unknown parameters: \[5, None\]"),
        (A, {"a": 1}, r"unknown parameters: \['a'\]"),
        ("INSERT INTO t (a, b) VALUES (?, :b)", {"b": 1}, "2 bind markers and was given 1"),
    ],
)
def test_wrong_parameters(stmt: str, params: Any, said: str) -> None:
    """Too few, too many and unknown parameters are refused before anything is sent."""
    with pytest.raises(ParameterError, match=said) as caught:
        batch_text([(stmt, params)], BatchType.LOGGED)
    assert caught.value.statement == stmt


@pytest.mark.parametrize("params", ["x", b"x", {1}, 5, iter([1])])
def test_parameters_of_the_wrong_type(params: Any) -> None:
    """What holds the parameters is a sequence or a mapping; a str isn't taken for its letters."""
    with pytest.raises(ParameterTypeError) as caught:
        batch_text([(A, params)], BatchType.LOGGED)
    assert caught.value.value_type == type(params).__name__


def test_any_mapping() -> None:
    """Named parameters may come in any mapping."""
    assert batch_text([(AB, OrderedDict(b=2, a=1))], BatchType.LOGGED)[1] == [1, 2]
