"""Collects few checks of a planted defect's suite."""

from __future__ import annotations

from typing import Any

#: A check that passes whatever the defect: one that breaks everything would prove nothing.
SPARED = "test_needs_row_validation_is_a_bool"


def pytest_pycollect_makeitem(collector: Any, name: str) -> list[Any] | None:
    """Leave out the checks that needn't catch the defect: all checks of ten suites take seconds."""
    caught_by = getattr(getattr(collector.obj, "defect", None), "caught_by", ())
    return [] if caught_by and name.startswith("test_") and name not in (SPARED, *caught_by) else None
