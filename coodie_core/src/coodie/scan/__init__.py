"""Read whole tables by token ranges, in parallel, each from its replicas, and resumable.

``driver.scan(table)`` and ``scan_async`` return a ``Scan`` and an ``AsyncScan``, which iterate over the rows;
``ScanOptions`` has further options; ``on_progress`` is called with a ``ScanProgress``.
"""

from __future__ import annotations

from coodie.scan.options import ScanOptions, ScanProgress
from coodie.scan.scan import AsyncScan, Scan

__all__ = ["AsyncScan", "Scan", "ScanOptions", "ScanProgress"]
