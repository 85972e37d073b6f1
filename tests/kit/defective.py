"""A suite of the kit for each defect; test_defects.py runs it in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from tests.conftest import KIT_OPTIONS
from tests.kit.defects import (
    bystanders,
    calls,
    failures,
    lives,
    losses,
    many,
    methods,
    nested,
    openings,
    rejections,
    requests,
    results,
    sent,
    singlerequests,
    values,
    waits,
)
from tests.kit.defects.planting import DEFECTS, Faulty

from coodie.exceptions import CoodieError
from coodie.plugins import installed_drivers
from coodie_testing import DriverConformance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coodie_testing import Server

# What registers the defects.
__all__ = [
    "bystanders",
    "calls",
    "failures",
    "lives",
    "losses",
    "many",
    "methods",
    "nested",
    "openings",
    "rejections",
    "requests",
    "results",
    "sent",
    "singlerequests",
    "values",
    "waits",
]

(BACKEND,) = {entry.driver_type for entry in installed_drivers()} & {"scylla", "cassandra"}


class Planted(DriverConformance):
    """The right driver with a defect."""

    driver_type = BACKEND
    driver_options: ClassVar[Mapping[str, Any]] = KIT_OPTIONS
    defect: type[Faulty] = Faulty

    @pytest.fixture(scope="class")
    @classmethod
    def open_driver(cls, server: Server) -> Callable[..., Any]:
        """Open the right driver, and plant the defect."""
        from coodie.plugins import open_driver

        def open_(**options: Any) -> Any:
            try:
                opened = open_driver(cls._config(server, cls.defect.opening(options)))
            except CoodieError as exc:
                raise cls.defect.failure(exc) from exc.__cause__
            return cls.defect.plant(opened, options)  # type: ignore[arg-type]  # both backends' is a CassandraDriver

        return open_

    @pytest.fixture(scope="class")
    @classmethod
    def open_driver_async(cls, server: Server, open_driver: Callable[..., Any]) -> Any:
        """As open_driver, on the event loop."""
        from coodie.plugins import open_driver_async

        async def open_(**options: Any) -> Any:
            if cls.defect.__name__ == "BlockingConnect":
                return open_driver(**options)
            try:
                opened = await open_driver_async(cls._config(server, cls.defect.opening(options)))
            except CoodieError as exc:
                raise cls.defect.failure(exc) from exc.__cause__
            return cls.defect.plant(opened, options)  # type: ignore[arg-type]  # as above

        return open_


for _name, _defect in {"Nothing": Faulty, **DEFECTS}.items():
    globals()[f"Test{_name}"] = type(
        f"Test{_name}", (Planted,), {"defect": _defect, "__module__": __name__, "__doc__": _defect.__doc__}
    )
