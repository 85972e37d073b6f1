"""Results to rows: what the session's handler and the row builder give, for whatever a server sends."""

from __future__ import annotations

from contextlib import suppress
from struct import pack
from typing import Any

import pytest
from coodie_core.tests.cassandra.fastpath import arbitrary
from coodie_core.tests.cassandra.fastpath.arbitrary import cql_types, parameters, quickly
from coodie_core.tests.cassandra.fastpath.results import rows_body
from hypothesis import given, settings
from hypothesis import strategies as st

from coodie.drivers.cassandra.fastpath import reader as module
from coodie.drivers.cassandra.fastpath.driver_internals import decode
from coodie.drivers.cassandra.fastpath.reader import Page, ResultReader, UnsupportedResultError
from coodie.drivers.cassandra.values.codecs import ValueOptions
from coodie.drivers.cassandra.values.lenient_decoding import exact_protocol_handler
from coodie.drivers.cassandra.values.rows import build_rows, row_converters
from coodie.rows import Rows


class _Cluster:
    _user_types: dict[str, Any] = {}  # noqa: RUF012 - as the driver's cluster has it


class _Session:
    """What decodes the driver's way."""

    cluster = _Cluster()
    client_protocol_handler = exact_protocol_handler()


@pytest.fixture(params=["compiled", "plain"])
def parsed_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have rows parsed by the driver's compiled parser, and by its types one by one."""
    if request.param == "plain":
        monkeypatch.setattr(module, "_compiled", lambda: None)
    elif module._compiled() is None:
        pytest.skip("the driver was installed without its compiled parser")


def _reader(*, version: int = 5, aware: bool = False) -> ResultReader:
    return ResultReader(version, {}, ValueOptions(aware))


def _by_driver(body: bytes, version: int, *, aware: bool) -> Page:
    """Return the page as the driver's way decodes it."""
    session: Any = _Session()
    message = decode(session, version, body)
    converters = row_converters(message.column_types, aware_timestamps=aware)
    rows = Rows(build_rows(message.column_names, message.parsed_rows, converters))
    return Page(rows, message.paging_state)


@st.composite
def _results(draw: st.DrawFn) -> tuple[list[tuple[str, str]], list[list[bytes | None]]]:
    """Draw a result's columns and cells; some of these are null."""
    types = draw(cql_types())
    names = draw(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
            min_size=len(types),
            max_size=len(types),
            unique=True,
        )
    )
    entry = arbitrary.prepared(types)
    rows = []
    for _ in range(draw(st.integers(0, 3))):
        values = draw(parameters(types, None))
        rows.append(
            [
                None if value is None else column.type.serialize(bind(value), 5)
                for value, bind, column in zip(values, entry.binders, entry.columns, strict=True)
            ]
        )
    return list(zip(names, types, strict=True)), rows


@settings(max_examples=100, deadline=None)
@given(
    result=_results(),
    version=st.sampled_from([4, 5]),
    state=st.none() | st.binary(min_size=1, max_size=9),
    shared_table=st.booleans(),
    aware=st.booleans(),
)
@pytest.mark.parametrize("parser", ["compiled", "plain"])
def test_rows_are_the_drivers(
    parser: str,
    result: tuple[list[tuple[str, str]], list[list[bytes | None]]],
    version: int,
    state: bytes | None,
    shared_table: bool,
    aware: bool,
) -> None:
    """For all types, nulls, names and paging states, the first time and from what was kept."""
    columns, rows = result
    body = rows_body(columns, rows, state=state, shared_table=shared_table)
    expected = _by_driver(body, version, aware=aware)
    with pytest.MonkeyPatch.context() as patch:
        if parser == "plain":
            patch.setattr(module, "_compiled", lambda: None)
        reader = _reader(version=version, aware=aware)
        assert reader.read_single_page(body) is None
        for _ in range(2):
            assert reader.read(body) == expected
        whole = reader.read_single_page(body)
    assert whole == (None if state is not None else expected.rows)
    # They are handed out as they are.
    assert type(reader.read(body).rows) is Rows
    assert type(whole) is (type(None) if state is not None else Rows)


@pytest.mark.parametrize("body", [pack(">i", 1)])
def test_a_write_says_nothing(body: bytes) -> None:
    """A void result is no rows, at once."""
    assert _reader().read_single_page(body) == []
    assert _reader().read(body) == Page(Rows(), None)


def test_several_shapes_of_one_statement(parsed_by: None) -> None:
    """A conditional write answers in two shapes, a table grows columns: each is read as what it is."""
    reader = _reader()
    applied = rows_body([("[applied]", "boolean")], [[b"\1"]])
    refused = rows_body([("[applied]", "boolean"), ("k", "int")], [[b"\0", b"\0\0\0\7"]])
    expected = {applied: [{"[applied]": True}], refused: [{"[applied]": False, "k": 7}]}
    for body in [applied, refused, refused, applied] * 3:
        rows = reader.read_single_page(body)
        assert (reader.read(body).rows if rows is None else rows) == expected[body]
    for number in range(12):
        grown = rows_body([(f"c{n}", "int") for n in range(number + 1)], [[b"\0\0\0\1"] * (number + 1)])
        assert reader.read(grown).rows == [{f"c{n}": 1 for n in range(number + 1)}]
    assert reader.read(applied).rows == expected[applied]
    assert len(reader._known) <= 4


def test_a_column_that_changes_its_type(parsed_by: None) -> None:
    """The same name with another type, or of another table, is another shape."""
    reader = _reader()
    assert reader.read(rows_body([("v", "int")], [[b"\0\0\0\7"]])).rows == [{"v": 7}]
    assert reader.read(rows_body([("v", "text")], [[b"\0\0\0\7"]])).rows == [{"v": "\0\0\0\7"}]
    assert reader.read(rows_body([("v", "blob")], [[b"\0\0\0\7"]])).rows == [{"v": b"\0\0\0\7"}]
    assert reader.read(rows_body([("v", "int")], [[b"\0\0\0\7"]])).rows == [{"v": 7}]


def test_two_columns_of_the_same_name_are_the_drivers(parsed_by: None) -> None:
    """As dicts they would lose one; the driver's decoder gives tuples."""
    reader = _reader()
    body = rows_body([("v", "int"), ("v", "int")], [[b"\0\0\0\7", b"\0\0\0\1"]])
    for _ in range(2):
        with pytest.raises(UnsupportedResultError):
            reader.read(body)
        assert reader.read_single_page(body) is None


def test_many_rows(parsed_by: None) -> None:
    """A large page comes whole and in order, and the collector works afterwards as before."""
    import gc

    was = gc.isenabled()
    body = rows_body(
        [("n", "int"), ("v", "text")], [[pack(">i", n), b"v"] for n in range(5000)], state=b"more"
    )
    page = _reader().read(body)
    assert page.rows == [{"n": n, "v": "v"} for n in range(5000)]
    assert page.paging_state == b"more"
    assert gc.isenabled() is was


@pytest.mark.parametrize(
    "body",
    [pack(">i", 3) + b"\0\2ks", pack(">iii", 5, 1, 1), pack(">iii", 2, 4, 1), pack(">iii", 2, 8 | 1, 1)],
    ids=["set keyspace", "schema change", "no metadata", "changed metadata"],
)
def test_unusual_results_are_left_to_the_driver(body: bytes) -> None:
    """Whatever isn't plain rows is for the driver's decoder."""
    assert _reader().read_single_page(body) is None
    with pytest.raises(UnsupportedResultError):
        _reader().read(body + bytes(20))


_BODY = rows_body(
    [("n", "int"), ("m", "map<int, decimal>"), ("t", "timestamp")],
    [[b"\0\0\0\1", pack(">i", 0), bytes(8)], [None, None, None]],
)


@pytest.mark.parametrize("cut", range(1, len(_BODY), 3))
def test_a_body_that_is_too_short(parsed_by: None, cut: int) -> None:
    """It raises, wherever it ends: half a row is never handed out as one."""
    reader = _reader()
    with pytest.raises(Exception, match=r"|"):
        reader.read(_BODY[:cut])
    assert reader.read(_BODY) == _by_driver(_BODY, 5, aware=False)
    with pytest.raises(Exception, match=r"|"):
        reader.read(_BODY[:cut])


@pytest.mark.parametrize("count", [-1, -(2**31), 2**31 - 1, 3])
def test_a_number_of_rows_that_is_wrong(parsed_by: None, count: int) -> None:
    """More rows than there are, or less than none, raise at once: none is waited or made room for."""
    body = _BODY[: -4 * 3 - 4 * 3 - 16 - 4] + pack(">i", count) + _BODY[-4 * 3 - 4 * 3 - 16 :]
    reader = _reader()
    for _ in range(2):
        with pytest.raises(Exception, match=r"|"):
            reader.read(body)
        assert len(reader.read(_BODY).rows) == 2


def test_rows_without_columns(parsed_by: None) -> None:
    """Without columns nothing says how many rows there are: it raises, and takes no time."""
    with pytest.raises(Exception, match=r"|"):
        _reader().read(rows_body([], [[], []])[:-4] + pack(">i", 2**31 - 1))


@quickly
@given(data=st.data(), version=st.sampled_from([4, 5]))
@pytest.mark.parametrize("parser", ["compiled", "plain"])
def test_broken_bodies_raise(parser: str, data: st.DataObject, version: int) -> None:
    """Bytes changed anywhere: there are rows or there is an exception; no crash, and no hang."""
    body = bytearray(_BODY)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with pytest.MonkeyPatch.context() as patch:
        if parser == "plain":
            patch.setattr(module, "_compiled", lambda: None)
        reader = _reader(version=version)
        for _ in range(2):
            with suppress(Exception):
                assert isinstance(reader.read(bytes(body)).rows, list)
            with suppress(Exception):
                assert isinstance(reader.read_single_page(bytes(body)), (list, type(None)))
        assert reader.read(_BODY).rows[1] == {"n": None, "m": None, "t": None}
