"""The costs of vectors and row shapes: ratios of CPU time, in one run, with and without the accelerator.

- Vectors of 1,536 floats: validated and converted one element at a time with the driver's classes, and by
  coodie, from and to lists and arrays.
- Rows of five columns (as in ``codec.py``) as dicts, tuples, named tuples and dataclasses.

The benchmark decodes rows and encodes values, without a server or a connection. Contestants take turns; each
time is the minimum of all turns.

    python benchmarks/values.py
"""

from __future__ import annotations

import random
from array import array
from dataclasses import dataclass
from struct import pack
from typing import TYPE_CHECKING, Any, NamedTuple

from cassandra import cqltypes

from codec import cells, contest, make_rows, metadata, use_accelerator
from coodie.codec_registry import Codecs
from coodie.codecs import vector_codec
from coodie.drivers.cassandra.fastpath.reader import ResultReader, _reader
from coodie.drivers.cassandra.values.codecs import ValueOptions
from coodie.drivers.cassandra.values.collections import binder
from coodie.drivers.cassandra.values.vectors import vector_type
from coodie.protocol._accelerator import accelerator
from coodie.row_shapes import parse_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

_SIZE = 1536
_ROWS = 1000


@dataclass(slots=True)
class Slotted:
    """A row as a slotted dataclass."""

    pk: int
    ck: int
    name: str
    score: float
    token: UUID


class Named(NamedTuple):
    """A row as a named tuple."""

    pk: int
    ck: int
    name: str
    score: float
    token: UUID


def vectors() -> dict[str, dict[str, Callable[[], Any]]]:
    """Return the contestants that encode and decode a vector."""
    source = random.Random(5)
    numbers = array("f", [source.random() for _ in range(_SIZE)])
    listed = numbers.tolist()
    typ = vector_type(cqltypes.FloatType, _SIZE)
    theirs = cqltypes.VectorType.apply_parameters((cqltypes.FloatType, _SIZE), None)
    bind, bind_each = binder(typ), binder(cqltypes.ListType.apply_parameters((cqltypes.FloatType,)))
    data = theirs.serialize(listed, 4)
    body = pack(">ii", 1, len(data)) + data

    def reader(values: ValueOptions) -> Callable[[], Any]:
        read = _reader(("v",), [typ], 4, values)
        return lambda: read(body, 4, 1)

    def coded(kind: type) -> Callable[[], Any]:
        return reader(ValueOptions(codecs=Codecs([vector_codec(kind)])))

    return {
        "encoding": {
            "element by element": lambda: theirs.serialize(bind_each(listed), 4),
            "a list": lambda: typ.serialize(bind(listed), 4),
            "an array": lambda: typ.serialize(bind(numbers), 4),
            "a memoryview": lambda: typ.serialize(bind(memoryview(numbers)), 4),
        },
        "decoding": {
            "element by element": lambda: theirs.deserialize(data, 4),
            "a list": reader(ValueOptions()),
            "an array": coded(array),
            "a memoryview": coded(memoryview),
        },
    }


def shapes() -> dict[str, Callable[[], Any]]:
    """Return the contestants that decode rows to different shapes."""
    body = pack(">iii", 2, 1, 5) + metadata() + cells(make_rows(_ROWS))

    def reader(rows: Any) -> Callable[[], Any]:
        results = ResultReader(4, {}, ValueOptions(), parse_rows(rows))
        results.read(body)
        return lambda: results.read_single_page(body)

    kinds: dict[str, Any] = {"tuple": tuple, "dict": dict, "dataclass": Slotted, "named tuple": Named}
    return {name: reader(rows) for name, rows in kinds.items()}


def main() -> None:
    """Print times, and ratios to the first contestant."""
    for used in (False, True):
        use_accelerator(used=used)
        if used and accelerator() is None:
            print("The accelerator isn't installed.")
            continue
        works = {f"{kind} 1,536 floats": some for kind, some in vectors().items()}
        works[f"reading {_ROWS} rows"] = shapes()
        for title, contestants in works.items():
            print(f"{title}, {'with' if used else 'without'} the accelerator:")
            best = contest(contestants)
            first = next(iter(best.values()))
            for name, seconds in best.items():
                print(f"  {name:20} {seconds * 1e6:9.1f} µs  {seconds / first:.3f}")


if __name__ == "__main__":
    main()
