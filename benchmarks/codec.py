"""The speedup by the accelerator: ratios of CPU time with and without it, in one run.

The benchmark decodes rows with five columns (int, int, text, double, uuid), and encodes the parameters of an
INSERT of such a row, without a server or a connection. Contestants take turns in one process; each time is
the minimum of all turns. All contestants' rows and bytes are compared first.

- ``driver``: the driver's compiled decoder with ``dict_factory``; ``bind`` and the encoding of EXECUTE;
- ``coodie``: the fast path without the accelerator;
- ``coodie, accelerator``: the fast path with it.

    python -m pip install ./coodie_accel
    python benchmarks/codec.py --rows 1,100,5000
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import random
import sys
import time
import timeit
from io import BytesIO
from struct import pack
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cassandra import cqltypes
from cassandra.protocol import ProtocolHandler, ResultMessage, write_value
from cassandra.query import PreparedStatement, dict_factory

from coodie.cql import inspect_statement
from coodie.drivers.cassandra._dependencies import Dependencies
from coodie.drivers.cassandra._prepared import SessionStatement
from coodie.drivers.cassandra.fastpath.encoder import encoder
from coodie.drivers.cassandra.fastpath.reader import ResultReader
from coodie.drivers.cassandra.values.binding import binders
from coodie.drivers.cassandra.values.codecs import ValueOptions
from coodie.protocol._accelerator import accelerator

if TYPE_CHECKING:
    from collections.abc import Callable

_VERSION = 4
_KEYSPACE, _TABLE = "bench", "rows"
_INSERT = f"INSERT INTO {_KEYSPACE}.{_TABLE} (pk, ck, name, score, token) VALUES (?, ?, ?, ?, ?)"

#: Names, the driver's types, and the protocol's type ids (native_protocol_v5.spec, section 4.2.5.2).
_COLUMNS = (
    ("pk", cqltypes.Int32Type, 0x9),
    ("ck", cqltypes.Int32Type, 0x9),
    ("name", cqltypes.UTF8Type, 0xD),
    ("score", cqltypes.DoubleType, 0x7),
    ("token", cqltypes.UUIDType, 0xC),
)

_RESULT_OF_ROWS = 2
_GLOBAL_TABLE = 0x1
_NO_METADATA = 0x4

_TURNS = 15
#: The target duration of one contestant's turn, in seconds.
_TURN = 0.02
_ACCELERATOR = "coodie_accel"

Row = tuple[int, int, str, float, UUID]


def make_rows(count: int) -> list[Row]:
    """Create rows, the same in each run."""
    source = random.Random(5)
    return [
        (1, number, f"name of row {number}", source.random(), UUID(int=source.getrandbits(128), version=4))
        for number in range(count)
    ]


def cells(rows: list[Row]) -> bytes:
    """Encode rows as in a result, beginning with their count."""
    parts = [pack(">i", len(rows))]
    for row in rows:
        for value, (_, typ, _) in zip(row, _COLUMNS, strict=True):
            data = typ.serialize(value, _VERSION)
            parts += (pack(">i", len(data)), data)
    return b"".join(parts)


def metadata() -> bytes:
    """Encode the metadata of the columns, as in a result."""

    def string(text: str) -> bytes:
        return pack(">H", len(text)) + text.encode()

    columns = [string(name) + pack(">H", number) for name, _, number in _COLUMNS]
    return string(_KEYSPACE) + string(_TABLE) + b"".join(columns)


def driver_reader() -> Callable[[bytes], list[dict[str, Any]]]:
    """Return the driver's decoder of a prepared statement's result, with known metadata."""
    message_class = ProtocolHandler.message_types_by_opcode[ResultMessage.opcode]
    columns = [(_KEYSPACE, _TABLE, name, typ) for name, typ, _ in _COLUMNS]

    def read(body: bytes) -> list[dict[str, Any]]:
        message = message_class(_RESULT_OF_ROWS)
        message.recv_results_rows(BytesIO(body[4:]), _VERSION, {}, columns, None)
        names = message.column_names
        rows: list[dict[str, Any]] = dict_factory(names, message.parsed_rows)
        return rows

    return read


def driver_encoder(prepared: Any) -> Callable[[Any], bytes]:
    """Return the driver's encoder of the parameters of EXECUTE."""

    def encode(params: Any) -> bytes:
        stream = BytesIO()
        for value in prepared.bind(params).values:
            write_value(stream, value)
        return stream.getvalue()

    return encode


def coodie_reader(body: bytes) -> Callable[[bytes], list[dict[str, Any]]]:
    """Return the fast path's decoder of a statement's results, with known metadata."""
    results = ResultReader(_VERSION, {}, ValueOptions())
    results.read(body)

    def read(body: bytes) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = results.read_single_page(body)  # type: ignore[assignment]  # the only page
        return rows

    return read


def use_accelerator(*, used: bool) -> None:
    """Enable or disable the accelerator for new readers and encoders."""
    if used:
        sys.modules.pop(_ACCELERATOR, None)
    else:
        sys.modules[_ACCELERATOR] = None  # type: ignore[assignment]  # so that importing it fails
    accelerator.cache_clear()


def contest(contestants: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the seconds of one call of each contestant: the minimum of all turns, which alternate."""
    best = dict.fromkeys(contestants, float("inf"))
    times = {}
    for name, work in contestants.items():
        # The first one is a warm-up.
        shortest = min(timeit.repeat(work, repeat=5, number=1))
        times[name] = max(1, int(_TURN / shortest))
    for _ in range(_TURNS):
        for name, work in contestants.items():
            gc.collect()
            begun = time.process_time()
            for _ in range(times[name]):
                work()
            best[name] = min(best[name], (time.process_time() - begun) / times[name])
    return best


def decoding(count: int) -> dict[str, Callable[[], Any]]:
    """Return the contestants that decode a number of rows, after comparing their results."""
    rows = cells(make_rows(count))
    bare = pack(">iii", _RESULT_OF_ROWS, _NO_METADATA, len(_COLUMNS)) + rows
    described = pack(">iii", _RESULT_OF_ROWS, _GLOBAL_TABLE, len(_COLUMNS)) + metadata() + rows
    by_driver = driver_reader()
    use_accelerator(used=False)
    plain = coodie_reader(described)
    use_accelerator(used=True)
    accelerated = coodie_reader(described)
    if not by_driver(bare) == list(plain(described)) == list(accelerated(described)):
        raise SystemExit("The decoded rows differ; nothing was measured.")
    return {
        "driver": lambda: by_driver(bare),
        "coodie": lambda: plain(described),
        "coodie, accelerator": lambda: accelerated(described),
    }


def encoding() -> dict[str, Callable[[], Any]]:
    """Return the contestants that encode a row's parameters, after comparing their results."""
    from cassandra.protocol import ColumnMetadata

    (row,) = make_rows(1)
    columns = [ColumnMetadata(_KEYSPACE, _TABLE, name, typ) for name, typ, _ in _COLUMNS]
    prepared = PreparedStatement(columns, b"id", [0], _INSERT, _KEYSPACE, _VERSION, None, None)
    entry = SessionStatement(
        _INSERT, prepared, inspect_statement(_INSERT), columns, binders(columns), Dependencies()
    )
    by_driver = driver_encoder(prepared)
    use_accelerator(used=False)
    plain = encoder(entry)
    use_accelerator(used=True)
    accelerated = encoder(entry)
    if not by_driver(row) == plain(row) == accelerated(row):
        raise SystemExit("The encoded parameters differ; nothing was measured.")
    return {
        "driver": lambda: by_driver(row),
        "coodie": lambda: plain(row),
        "coodie, accelerator": lambda: accelerated(row),
    }


def main() -> None:
    """Measure, and print times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", default="1,100,5000", help="rows per result, separated by commas")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    spec = importlib.util.find_spec(_ACCELERATOR)
    if spec is None or spec.origin is None:  # without an origin, it is the source directory
        raise SystemExit("coodie-accel isn't installed. Run:  python -m pip install ./coodie_accel")
    report: dict[str, Any] = {}
    works = {f"{count} rows": (count, decoding(count)) for count in map(int, options.rows.split(","))}
    works["parameters of one row"] = (1, encoding())
    for title, (count, contestants) in works.items():
        best = contest(contestants)
        report[title] = {
            name: {
                "us_per_row": seconds / count * 1e6,
                "of_driver": seconds / best["driver"],
                "of_coodie": seconds / best["coodie"],
            }
            for name, seconds in best.items()
        }
    if options.json:
        print(json.dumps(report, indent=2))
        return
    for title, figures in report.items():
        print(f"{title}:")
        for name, row in figures.items():
            print(
                f"  {name:20} {row['us_per_row']:7.2f} µs of CPU a row, "
                f"{row['of_driver']:.3f} of the driver, {row['of_coodie']:.3f} of coodie without"
            )


if __name__ == "__main__":
    main()
