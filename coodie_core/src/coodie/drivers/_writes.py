"""Classify writes, for whether a failed request may have been applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.cql import Kind
from coodie.protocol.error_codes import Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coodie.cql import StatementShape

__all__ = ["batch_write", "statement_write"]


def statement_write(shape: StatementShape) -> Write:
    """Return a statement's kind of write."""
    if shape.kind is Kind.READ:
        return Write.NONE
    if shape.conditional:
        return Write.CONDITIONAL
    if shape.parted:
        return Write.PARTS
    if shape.kind not in {Kind.WRITE, Kind.BATCH}:
        return Write.OTHER
    return Write.LOGGED if shape.kind is Kind.BATCH else Write.SINGLE


def batch_write(shapes: Sequence[StatementShape], batch_type: str) -> Write:
    """Return a batch's kind of write; whether its statements share a partition isn't known."""
    if any(shape.conditional for shape in shapes):
        return Write.CONDITIONAL
    if len(shapes) == 1:
        return statement_write(shapes[0])
    return Write.LOGGED if batch_type == "LOGGED" else Write.PARTS
