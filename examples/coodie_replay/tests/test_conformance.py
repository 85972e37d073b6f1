"""The conformance kit on a driver that records; values of all CQL types are then replayed."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID, uuid1

import pytest

import coodie
from coodie.plugins import ConnectionConfig, open_driver, open_driver_async
from coodie.registry import DriverRegistry, using_registry
from coodie.types import Date, Duration, Time, Timestamp
from coodie_testing import DriverConformance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NUMBERS = itertools.count()


class TestRecording(DriverConformance):
    """driver_type "replay" keeps the contract while it records; each driver has a file of its own."""

    driver_type = "replay"
    waived: ClassVar[Mapping[str, str]] = {
        "test_codecs": "results of codecs can't be recorded",
        "test_codecs_get_no_null": "as above",
        "test_the_description_has_the_capabilities": "they are those of the recorded backend",
    }

    @pytest.fixture(scope="class")
    @classmethod
    def open_driver(cls, server: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
        """Return a function that opens a driver."""
        directory = tmp_path_factory.mktemp("recordings")
        return lambda **options: open_driver(cls._recording(server, directory, options))

    @pytest.fixture(scope="class")
    @classmethod
    def open_driver_async(cls, server: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
        """Return an async function that opens a driver."""
        directory = tmp_path_factory.mktemp("recordings")
        return lambda **options: open_driver_async(cls._recording(server, directory, options))

    @classmethod
    def _recording(cls, server: Any, directory: Any, options: Mapping[str, Any]) -> ConnectionConfig:
        own = {"backend": "scylla", "mode": "record", "file": directory / f"{next(_NUMBERS)}.jsonl"}
        known = ConnectionConfig.__dataclass_fields__.keys()
        rest = {
            name: value
            for name, value in options.items()
            if name not in known and not name.startswith("ssl_")
        }
        given = {name: value for name, value in options.items() if name not in rest}
        return cls._config(server, {**given, **own, "backend_options": rest})


COLUMNS = {
    "ascii": "x",
    "bigint": -(2**63),
    "blob": b"\0\xff",
    "boolean": True,
    "date": dt.date(2026, 1, 2),
    "decimal": Decimal("-1.50"),
    "double": -0.0,
    "duration": Duration(1, 2, 3),
    "float": 0.1,
    "inet": "2001:db8::1",
    "int": 7,
    "smallint": -7,
    "text": "Größe\n",
    "time": dt.time(1, 2, 3, 4),
    "timestamp": dt.datetime(2026, 1, 2, 3, 4, 5, 678000),
    "timeuuid": uuid1(),
    "tinyint": 1,
    "uuid": UUID(int=5),
    "varint": 2**100,
    "vector<float, 2>": [0.5, -1.5],
    "list<int>": [3, 1],
    "set<uuid>": {UUID(int=1), UUID(int=2)},
    "map<text, frozen<list<date>>>": {"a": [dt.date(1, 1, 1)], "b": []},
    "tuple<int, text, decimal>": (1, None, Decimal("0E-3")),
    "frozen<set<frozen<tuple<int, text>>>>": {(1, "a"), (2, None)},
    "frozen<place>": {"name": "x", "at": [1.5, 2.5], "tags": {"a"}},
    "map<frozen<place>, int>": [({"name": "x", "at": None, "tags": None}, 1)],
    "list<frozen<map<int, blob>>>": [{1: b"x"}],
}
FAR = {"date": Date(-(2**31)), "timestamp": Timestamp(2**62), "time": Time(1)}


def exactly(value: Any) -> Any:
    """Return a value with its type, and the types of what is in it; a float as its digits."""
    if isinstance(value, dict):
        return type(value), [(exactly(key), exactly(item)) for key, item in value.items()]
    if hasattr(value, "_asdict"):  # a named tuple, whose class is made when it is read
        return type(value).__name__, exactly(value._asdict())
    if isinstance(value, (list, tuple)):
        return type(value), [exactly(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(repr(exactly(item)) for item in value)
    return type(value), repr(value)


@pytest.mark.parametrize("aware", [False, True])
def test_all_types_come_back(
    cassandra_driver: Any, cassandra_keyspace: str, cassandra_node: Any, tmp_path: Any, *, aware: bool
) -> None:
    """As a server returns them: each value in its type, nulls, values out of Python's range, the columns."""
    space, table = cassandra_keyspace, f"kinds_{aware}".lower()
    execute = cassandra_driver.execute
    fields = "name text, at frozen<list<double>>, tags frozen<set<text>>"
    execute(f"CREATE TYPE IF NOT EXISTS {space}.place ({fields})", [])
    names = [f"c{number}" for number in range(len(COLUMNS))]
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, COLUMNS, strict=True))
    execute(f"CREATE TABLE {space}.{table} (k int PRIMARY KEY, {columns})", [])
    insert = f"INSERT INTO {space}.{table} (k, {', '.join(names)}) VALUES (?{', ?' * len(names)})"
    far = [FAR.get(kind) for kind in COLUMNS]
    wrapped = {"backend": "scylla", "backend_options": {"aware_timestamps": aware}}
    found = []
    for mode in ("record", "replay"):
        options = {**wrapped, "mode": mode, "file": tmp_path / "kinds.jsonl", "keyspace": space}
        with (
            using_registry(DriverRegistry()),
            coodie.init_coodie(
                driver_type="replay", **cassandra_node.connection_options(), **options
            ) as driver,
        ):
            for key, values in enumerate([list(COLUMNS.values()), far]):
                driver.execute(insert, [key, *values])
            rows = driver.execute(f"SELECT * FROM {table}", [])
            found.append((exactly(list(rows)), rows.columns, driver.describe(table).columns))
    assert found[0] == found[1]
    assert len(rows) == 2
