"""The compiled accelerator of coodie: streams, futures, rows to dicts, parameters to bytes, checksums.

coodie's drivers find it by themselves; programs don't import it. It knows the native protocol's values
and neither coodie nor a database driver.
"""

from __future__ import annotations

from coodie_accel._native import (
    BoundTemplate,
    ColumnDecoder,
    ExecuteTemplate,
    Gate,
    ParameterEncoder,
    RowDecoder,
    RowStream,
    Streams,
    Waiter,
    Window,
    crc24,
    cut_answers,
    deliver,
    open_segments,
    pack_numbers,
    seal_segment,
)

__all__ = [
    "BoundTemplate",
    "ColumnDecoder",
    "ExecuteTemplate",
    "Gate",
    "ParameterEncoder",
    "RowDecoder",
    "RowStream",
    "Streams",
    "Waiter",
    "Window",
    "__version__",
    "crc24",
    "cut_answers",
    "deliver",
    "open_segments",
    "pack_numbers",
    "seal_segment",
]

__version__ = "0.1.0"
