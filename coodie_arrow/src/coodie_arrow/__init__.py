"""Results of coodie's drivers as Arrow record batches; data frames as parameters."""

from __future__ import annotations

from coodie_arrow.batch import RecordBatch
from coodie_arrow.parameters import parameter_rows
from coodie_arrow.shape import ArrowShape

__all__ = ["ArrowShape", "RecordBatch", "__version__", "parameter_rows"]

__version__ = "0.1.0"
