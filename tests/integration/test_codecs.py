"""Values of a program's own types, with codecs: every way to send a request, to a real server and back."""

from __future__ import annotations

import datetime as dt
from array import array
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from tests.conftest import Api, open_driver

from coodie import Codec, ParameterError, RequestError, RequestOptions
from coodie.codecs import enum_codec, ip_address_codec, time_zone_codec, vector_codec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.features import Features

pytestmark = pytest.mark.server

_BERLIN = ZoneInfo("Europe/Berlin")


class Status(Enum):
    """The state of an order."""

    OPEN = "open"
    PAID = "paid"


@dataclass(frozen=True)
class Place:
    """A user-defined type."""

    name: str
    address: IPv4Address | IPv6Address
    status: str


@dataclass(slots=True)
class Order:
    """A row, with a status as an enum, and texts."""

    k: int
    status: Status | None
    history: list[Status]
    notes: dict[str, Status]
    ip: IPv4Address | IPv6Address


CODECS = [
    enum_codec(Status, columns=["status"]),
    ip_address_codec(),
    time_zone_codec(_BERLIN),
    vector_codec(array),
    Codec("place", Place, vars, lambda fields: Place(**fields)),
    Codec("text", bytearray, lambda text: text.decode(), columns=()),
]

_COLUMNS = (
    "k int PRIMARY KEY, status text, history list<text>, notes map<text, text>, ip inet, at timestamp, "
    "v vector<float, 3>, ips set<inet>, pairs map<inet, timestamp>, t tuple<inet, text>, "
    "place frozen<place>, places list<frozen<place>>"
)


class Row(NamedTuple):
    """The values of a row as parameters, and as they are returned, in the order of the columns."""

    k: int
    status: Any = Status.OPEN
    history: Any = (Status.OPEN, Status.PAID)
    notes: Any = None
    ip: Any = ip_address("192.0.2.1")
    at: Any = dt.datetime(2024, 7, 1, 12, tzinfo=_BERLIN)
    v: Any = array("f", [1, 2, 3])
    ips: Any = frozenset([ip_address("::1"), ip_address("192.0.2.1")])
    pairs: Any = None
    t: Any = (ip_address("::1"), "x")
    place: Any = Place("home", ip_address("::1"), "open")
    places: Any = (Place("work", ip_address("192.0.2.9"), "x"),)


def _row(k: int) -> Row:
    moment = dt.datetime(2024, 1, 1, 9, tzinfo=_BERLIN)
    return Row(k, notes={"a": Status.PAID}, pairs={ip_address("192.0.2.1"): moment})


def _expected(k: int) -> dict[str, Any]:
    """Return the row as a dict: statuses in the column of that name, texts in the others."""
    expected = {**_row(k)._asdict(), "history": ["open", "paid"], "notes": {"a": "paid"}}
    return {**expected, "places": list(_row(k).places)}


@pytest.fixture(scope="module", params=["fast path", "driver's way"])
def coded(
    request: pytest.FixtureRequest, cassandra_node: Any, keyspace: str, features: Features
) -> Iterator[Any]:
    """Connect with codecs."""
    features.require("vectors")
    driver = open_driver(
        request.getfixturevalue("backend"),
        name="coded",
        codecs=CODECS,
        fast_path=request.param == "fast path",
        **cassandra_node.connection_options() | {"keyspace": keyspace},
    )
    with driver:
        driver.execute("CREATE TYPE IF NOT EXISTS place (name text, address inet, status text)")
        driver.execute(f"CREATE TABLE IF NOT EXISTS coded ({_COLUMNS})")
        driver.execute("TRUNCATE coded")
        yield driver


@pytest.fixture(params=["sync", "async"])
def api(request: pytest.FixtureRequest, coded: Any) -> Api:
    """Run the test with the sync and the async methods."""
    return Api(coded, is_async=request.param == "async")


_INSERT = f"INSERT INTO coded ({', '.join(Row._fields)}) VALUES ({', '.join('?' * len(Row._fields))})"
_SELECT = f"SELECT {', '.join(Row._fields)} FROM coded WHERE k = ?"


async def test_every_way(api: Api) -> None:
    """Parameters and rows are converted in all kinds of requests, nested values, too."""
    await api.warm([_SELECT, _INSERT])
    for _ in range(3):
        await api.execute(_INSERT, _row(1))
    await api.execute_many(_INSERT, [_row(2), _row(3)])
    await api.execute_batch([(_INSERT, _row(4)), (_INSERT, dict(zip(Row._fields, _row(5), strict=True)))])
    for _ in range(3):
        (row,) = await api.execute(_SELECT, [1])
        assert row == _expected(1)
        assert (row["at"].tzinfo, type(row["v"])) == (_BERLIN, array)
    everything = "SELECT * FROM coded"
    by_key = {k: _expected(k) for k in (1, 2, 3, 4, 5)}
    assert {row["k"]: row for row in await api.execute(everything)} == by_key
    assert {row["k"]: row async for row in api.stream(everything, fetch_size=2)} == by_key
    result = await api.execute_many(_SELECT, [[2], [4]])
    assert [*result.rows(0), *result.rows(1)] == [_expected(2), _expected(4)]
    assert await api.execute_one("SELECT ip FROM coded WHERE k = 1") == _row(1).ip
    traced = await api.execute(_SELECT, [3], options=RequestOptions(trace=True))
    assert traced == [_expected(3)]
    page = await api.execute(everything, fetch_size=2)
    following = await api.execute(everything, fetch_size=2, paging_state=page.cursor)
    assert [*page, *following] == [_expected(row["k"]) for row in (*page, *following)]
    claim = _INSERT + " IF NOT EXISTS"
    (refused,) = await api.execute(claim, _row(1))
    assert refused == {"[applied]": False, **_expected(1)}
    found = await api.execute("SELECT k FROM coded WHERE ip = ? ALLOW FILTERING", [_row(1).ip])
    assert sorted(found.scalars() if found else [row["k"] for row in found]) == [1, 2, 3, 4, 5]


async def test_row_shapes(api: Api) -> None:
    """A class's annotations select codecs, in containers, too."""
    await api.execute(_INSERT, _row(1))
    select = "SELECT k, status, history, notes, ip FROM coded WHERE k = ?"
    expected = Order(1, Status.OPEN, [Status.OPEN, Status.PAID], {"a": Status.PAID}, _row(1).ip)
    for _ in range(3):
        assert await api.execute(select, [1], rows=Order) == [expected]
    assert await api.execute("SELECT ip, at, status FROM coded WHERE k = 1", rows=tuple) == [
        (_row(1).ip, _row(1).at, Status.OPEN)
    ]
    assert await api.execute("SELECT ip FROM coded WHERE k = 1", rows="scalar") == [_row(1).ip]
    claim = "UPDATE coded SET status = ? WHERE k = 1 IF status = ?"
    rows = await api.execute(claim, [Status.PAID, Status.PAID], rows=lambda status: status)
    assert (rows.applied, rows.first()) == (False, Status.OPEN)

    def plain(ip: str, status: str, at: Any) -> tuple[Any, ...]:
        return ip, status, at.tzinfo

    found = await api.execute("SELECT ip, status, at FROM coded WHERE k = 1", rows=plain)
    assert found == [("192.0.2.1", "open", _BERLIN)]


def test_scans(coded: Any) -> None:
    """A scan and its checkpoints have converted rows, the key included."""
    coded.execute("CREATE TABLE IF NOT EXISTS by_ip (ip inet PRIMARY KEY, status text)")
    addresses = [ip_address(f"192.0.2.{n}") for n in range(20)]
    coded.execute_many("INSERT INTO by_ip (ip, status) VALUES (?, ?)", [[one, "open"] for one in addresses])

    def take(ip: Any, status: Status) -> tuple[Any, Status]:
        return ip, status

    makers: dict[Any, Any] = {
        take: lambda ip: (ip, Status.OPEN),
        dict: lambda ip: {"ip": ip, "status": Status.OPEN},
    }
    for rows, make in makers.items():
        scan = coded.scan("by_ip", rows=rows)
        found = [next(scan) for _ in range(7)]
        checkpoint = scan.checkpoint()
        scan.close()
        found += coded.scan("by_ip", rows=rows, checkpoint=checkpoint)
        expected = [make(one) for one in addresses]
        assert sorted(found, key=str) == sorted(expected, key=str)


async def test_errors_name_the_codec(api: Api) -> None:
    """An exception of a codec is the cause of an error with the parameter or column, and the codec."""
    with pytest.raises(ParameterError) as wrong:
        await api.execute("INSERT INTO coded (k, history) VALUES (1, ?)", [[bytearray(b"\xff")]])
    problem = "in an element: Codec('text', bytearray) raised UnicodeDecodeError."
    assert str(wrong.value).startswith(f"Parameter 1 ('history', list<text>), {problem}")
    assert isinstance(wrong.value.__cause__, UnicodeDecodeError)
    await api.execute("INSERT INTO coded (k, status) VALUES (9, 'lost')")
    for rows in (dict, tuple, Order):
        columns = "k, status, history, notes, ip" if rows is Order else "status"
        message = r"Codec\('text', Status\) raised ValueError for a value of the column 'status' \(text\)"
        with pytest.raises(RequestError, match=message) as odd:
            await api.execute(f"SELECT {columns} FROM coded WHERE k = 9", rows=rows)
        assert isinstance(odd.value.__cause__, ValueError)
    await api.execute("DELETE FROM coded WHERE k = 9")


async def test_tables_of_the_server(api: Api, keyspace: str) -> None:
    """Codecs don't apply to system tables, but to those of a user's keyspace with a similar name."""
    (row,) = await api.execute("SELECT rpc_address FROM system.local")
    assert type(row["rpc_address"]) is str
    mine = f"system_{keyspace}"
    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    await api.execute(f"CREATE KEYSPACE IF NOT EXISTS {mine} WITH replication = {replication}")
    await api.execute(f"CREATE TABLE IF NOT EXISTS {mine}.hosts (k int PRIMARY KEY, ip inet)")
    await api.execute(f"INSERT INTO {mine}.hosts (k, ip) VALUES (1, '10.0.0.1')")
    for _ in range(2):  # the second time, on the fast path
        (row,) = await api.execute(f"SELECT ip FROM {mine}.hosts WHERE k = ?", [1])
        assert row["ip"] == IPv4Address("10.0.0.1")
    await api.execute(f"DROP KEYSPACE {mine}")


@pytest.mark.needs("vectors")
def test_a_file_names_codecs(
    cassandra_node: Any, backend: str, keyspace: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """A URL and a file name a module's attribute; anything else is an error."""
    from coodie import ConfigurationError, connect

    host, port = cassandra_node.host, cassandra_node.port
    url = f"{backend}://{host}:{port}/{keyspace}?connect_timeout=30&codecs="
    with connect(f"{url}tests.integration.test_codecs:CODECS") as driver:
        assert driver.execute("SELECT ip FROM coded WHERE k = 1").scalars() in ([_row(1).ip], [])
    with pytest.raises(ConfigurationError, match="codec 'nowhere:CODECS' can't be found"):
        connect(f"{url}nowhere:CODECS")
