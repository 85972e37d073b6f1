"""Where a test stands in the report: which check of which suite it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie_testing.checking import check_of, checks_of, override_of
from coodie_testing.conformance import DriverConformance

if TYPE_CHECKING:
    import pytest

__all__ = ["check_location"]

#: The guard's place: no check of a driver, but what makes the others count.
_GUARD = "test_every_check_stands"


def check_location(item: pytest.Item) -> dict[str, Any] | None:
    """Say which check of which suite a test is, in values that travel between processes.

    Returns:
        None for a test that is none of the kit's.
    """
    suite = getattr(item, "cls", None)
    if suite is None or not issubclass(suite, DriverConformance):
        return None
    name = getattr(item, "originalname", item.name)
    described = checks_of(DriverConformance).get(name)
    if described is None and name != _GUARD:
        return None
    driver = getattr(item, "funcargs", {}).get("driver")
    function = getattr(item, "function", None)
    # A driver may declare nonsense, which is for a check to say, not for the report to fall over.
    declared = [] if driver is None else [getattr(need, "name", str(need)) for need in driver.capabilities]
    return {
        "suite": item.nodeid.rpartition("::")[0],
        "driver": None if driver is None else type(driver).__name__,
        "declared": None if driver is None else sorted(declared),
        "check": name,
        "mode": _mode(item),
        "override": None if check_of(function) is not None else override_of(function),
        "waived": dict(suite.waived),
    }


def _mode(item: pytest.Item) -> str:
    """Say which of a driver's methods a test uses."""
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "api" in callspec.params:
        return str(callspec.params["api"])
    fixtures = getattr(item, "fixturenames", ())
    return "async" if "async_api" in fixtures else "sync" if "sync_api" in fixtures else "once"
