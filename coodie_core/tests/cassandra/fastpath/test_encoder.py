"""Encoded parameters: the driver's bytes for each type, and the same refusals."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from cassandra.protocol import write_value
from coodie_core.tests.cassandra.fastpath.arbitrary import (
    Wrapped,
    cql_types,
    cql_values,
    odd_parameters,
    parameters,
    prepared,
    quickly,
    wrapping,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from coodie import Codec
from coodie.codec_registry import Codecs
from coodie.drivers.cassandra.fastpath.encoder import encoder
from coodie.drivers.cassandra.values.binding import bind_values
from coodie.exceptions import ParameterError, ParameterTypeError
from coodie.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.drivers.cassandra._prepared import SessionStatement


class _Text(str):
    """A caller's own kind of text."""

    __slots__ = ()


class _Int(int):
    """A caller's own kind of number."""


def _bound(entry: SessionStatement, params: Any) -> list[Any]:
    return bind_values(
        entry.columns,
        entry.binders,
        params,
        entry.prepared.query_string,
        key_indexes=entry.prepared.routing_key_indexes,
    )


def _by_driver(entry: SessionStatement, params: Any) -> bytes:
    """Return what the driver writes for values that were bound its way."""
    out = BytesIO()
    for value in entry.prepared.bind(_bound(entry, params)).values:
        write_value(out, value)
    return out.getvalue()


@settings(max_examples=150, deadline=None)
@given(types=cql_types(), version=st.sampled_from([4, 5]), data=st.data())
def test_the_bytes_are_the_drivers(types: list[str], version: int, data: st.DataObject) -> None:
    """For every CQL type, null, unset and value, as a list and as a tuple."""
    entry = prepared(types, version=version)
    encode = encoder(entry)
    params = data.draw(parameters(types, None, UNSET))
    assert encode(params) == _by_driver(entry, params)
    assert encode(tuple(params)) == encode(params)


@settings(max_examples=100, deadline=None)
@given(types=cql_types(), data=st.data())
def test_the_bytes_with_codecs(types: list[str], data: st.DataObject) -> None:
    """Values that a codec wraps are encoded as those within, and values without a codec as they are."""
    entry = prepared(types, codecs=wrapping(*types))
    params = data.draw(parameters(types, None))
    wrapped = [
        value if value is None or cql == "counter" or data.draw(st.booleans()) else Wrapped(value)
        for cql, value in zip(types, params, strict=True)
    ]
    assert encoder(entry)(wrapped) == _by_driver(prepared(types), params)


@pytest.mark.parametrize("kind", ["int", "text", "bigint"])
def test_a_codec_for_the_usual_type(kind: str) -> None:
    """A codec for str or int itself converts all values of the column."""
    convert: Any = {"int": lambda number: number + 1, "text": str.upper, "bigint": lambda number: -number}[
        kind
    ]
    given_value: Any = "a" if kind == "text" else 5
    entry = prepared([kind, "int"], codecs=Codecs([Codec(kind, type(given_value), convert)]))
    params = [given_value, 7]
    plain = prepared([kind, "int"])
    changed = [convert(given_value), convert(7) if kind == "int" else 7]
    assert encoder(entry)(params) == encoder(plain)(changed)


@pytest.mark.parametrize(
    "cql", ["int", "text", "blob", "uuid", "boolean", "double", "timestamp", "list<int>"]
)
@quickly
@given(data=st.data())
def test_each_usual_type_by_itself(cql: str, data: st.DataObject) -> None:
    """A statement of one column, and of the same column several times, is encoded as the driver does."""
    for count in (1, 3):
        entry = prepared([cql] * count)
        params = [data.draw(cql_values(cql)) for _ in range(count)]
        assert encoder(entry)(params) == _by_driver(entry, params)


@settings(max_examples=150, deadline=None)
@given(types=cql_types(), data=st.data())
def test_what_is_refused_is_refused_alike(types: list[str], data: st.DataObject) -> None:
    """A value of the wrong type or out of range ends in the error of the one place that knows them."""
    entry = prepared(types, keys=[0])
    params = data.draw(odd_parameters(types))
    expected, got = _outcome(lambda given: _by_driver(entry, given), params), _outcome(encoder(entry), params)
    assert got == expected


def _outcome(encode: Callable[[Any], bytes], params: Any) -> Any:
    """Return the bytes, or what was raised: for errors of ours all that they say."""
    try:
        return encode(params)
    except ParameterError as exc:
        return type(exc), str(exc), exc.statement
    except Exception as exc:  # noqa: BLE001 - whatever a serialiser of the driver's raises
        return type(exc)


@pytest.mark.parametrize(
    "params",
    [{"c1": "a", "c0": 1}, [_Int(1), _Text("a")], (1, _Text("a")), {"c0": _Int(1), "c1": "a"}],
    ids=["by name", "subclasses", "one of them", "both"],
)
def test_unusual_forms_of_usual_values(params: Any) -> None:
    """Mappings and subclasses are as good as what they stand for."""
    assert encoder(prepared(["int", "text"]))(params) == b"\0\0\0\4\0\0\0\1\0\0\0\1a"


@pytest.mark.parametrize(
    "params", [[], [1], [1, "a", 2], (1,), None, {}, {"c0": 1}, {"c0": 1, "c1": "", "x": 1}]
)
def test_wrong_counts(params: Any) -> None:
    """Too few, too many, missing and unknown ones are refused as by bind_values."""
    entry = prepared(["int", "text"])
    with pytest.raises(ParameterError) as expected:
        _bound(entry, params)
    with pytest.raises(ParameterError) as caught:
        encoder(entry)(params)
    assert str(caught.value) == str(expected.value)


@pytest.mark.parametrize("cql", ["int", "text", "timestamp"])
@pytest.mark.parametrize("missing", [None, UNSET])
def test_a_key_has_a_value(cql: str, missing: Any) -> None:
    """Null or unset in the partition key never reaches the server; in another column it does."""
    params = {"int": 1, "text": "a", "timestamp": 0}
    encode = encoder(prepared(["int", cql], keys=[1]))
    with pytest.raises(ParameterError, match=rf"'c1', {cql}\): got {missing}.*partition key"):
        encode([1, missing])
    assert encode([missing, params[cql]])[:4] in (b"\xff\xff\xff\xff", b"\xff\xff\xff\xfe")


def test_a_statement_without_markers() -> None:
    """It takes nothing, in whatever form, and nothing else."""
    encode = encoder(prepared([]))
    nothings: tuple[Any, ...] = ([], (), None, {})
    for nothing in nothings:
        assert encode(nothing) == b""
    with pytest.raises(ParameterError, match="has 0 bind markers"):
        encode([1])
    with pytest.raises(ParameterTypeError):
        encode("")


def test_the_ends_of_each_range() -> None:
    """The smallest and the greatest number fit; one more is the error that names the column."""
    for cql, bits in (("tinyint", 8), ("smallint", 16), ("int", 32), ("bigint", 64)):
        entry = prepared([cql])
        for value in (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1):
            assert encoder(entry)([value]) == _by_driver(entry, [value])
        with pytest.raises(ParameterError, match="'c0'"):
            encoder(entry)([2 ** (bits - 1)])


def test_statements_alike_share_the_code_alone() -> None:
    """Two statements with columns of the same families keep their own names, types and keys."""
    keyed, free = prepared(["list<int>", "int"], keys=[1]), prepared(["vector<float, 3>", "int"])
    one, other = encoder(keyed), encoder(free)
    assert one([[1], 2]) == _by_driver(keyed, [[1], 2])
    assert other([[1.0, 2.0, 3.0], None]) == _by_driver(free, [[1.0, 2.0, 3.0], None])
    with pytest.raises(ParameterError, match="partition key"):
        one([[1], None])
