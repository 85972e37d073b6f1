"""Read whole tables by token ranges, in parallel, each from its replicas, and resumable.

``driver.scan(table)`` and ``scan_async`` return a ``Scan`` and an ``AsyncScan``, which iterate over the rows;
``ScanOptions`` has further options; ``on_progress`` is called with a ``ScanProgress``. ``driver.scan_splits``
splits a table into parts, which ``read_split`` and ``read_split_async`` read in any process.
"""

from __future__ import annotations

from coodie.scan.options import ScanOptions, ScanProgress
from coodie.scan.scan import AsyncScan, Scan
from coodie.scan.splits import ScanSplit, read_split, read_split_async

__all__ = [
    "AsyncScan",
    "Scan",
    "ScanOptions",
    "ScanProgress",
    "ScanSplit",
    "read_split",
    "read_split_async",
]
