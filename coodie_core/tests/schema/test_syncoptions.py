"""SyncOptions: what can't be meant is refused where it is written."""

from __future__ import annotations

from typing import Any

import pytest

from coodie.exceptions import ConfigurationError
from coodie.schema import ColumnDefinition as Col
from coodie.schema import SyncOptions, plan_table


@pytest.mark.parametrize("name", ["wait_for_indexes", "timeout", "agreement_timeout"])
@pytest.mark.parametrize("value", [-1, "5", True, False, float("nan"), float("inf"), 10**9])
def test_what_is_no_number_of_seconds(name: str, value: Any) -> None:
    """The error names the option."""
    with pytest.raises(ConfigurationError, match=f"{name}=.* isn't a positive number of seconds") as caught:
        SyncOptions(**{name: value})
    assert caught.value.option == name


def test_zero_seconds() -> None:
    """No time at all makes sense for the nodes' agreement alone."""
    assert SyncOptions(agreement_timeout=0).agreement_timeout == 0
    for name in ("wait_for_indexes", "timeout"):
        with pytest.raises(ConfigurationError):
            SyncOptions(**{name: 0})  # type: ignore[arg-type]  # a name that mypy doesn't see


def test_something_else() -> None:
    """A dict of options isn't taken for them."""
    plan = plan_table("t", "ks", [Col("id", "int", primary_key=True)], options={"timeout": 1})  # type: ignore[arg-type]  # as a caller without a type checker may
    with pytest.raises(ConfigurationError, match=r"options: expected coodie\.schema\.SyncOptions, got dict"):
        next(plan)
