"""The published path of ``ManyResult``, which lives in ``coodie.rows``."""

from __future__ import annotations

from coodie.rows import ManyResult

__all__ = ["ManyResult"]
