"""The conformance kit: subclass ``DriverConformance``, say how your driver is opened, and run pytest.

``FakeCluster`` is for tests of programs: a server in memory.

Names are imported when they are first used: pytest imports this package in every run, for its plug-in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie._lazy_imports import lazy_attributes

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.checking import Check, check, overrides_check
    from coodie_testing.conformance import DriverConformance
    from coodie_testing.fake.cluster import FakeCluster
    from coodie_testing.fake.script import ANY, FakeRequest, Stub
    from coodie_testing.suite import Server
    from coodie_testing.workspace import Workspace

__all__ = [
    "ANY",
    "Api",
    "Check",
    "DriverConformance",
    "FakeCluster",
    "FakeRequest",
    "Server",
    "Stub",
    "Workspace",
    "check",
    "overrides_check",
]

if not TYPE_CHECKING:  # with it, any name would pass for one of ours
    __getattr__, __dir__ = lazy_attributes(
        globals(),
        {
            "ANY": "fake.script",
            "Api": "api",
            "Check": "checking",
            "DriverConformance": "conformance",
            "FakeCluster": "fake.cluster",
            "FakeRequest": "fake.script",
            "Server": "suite",
            "Stub": "fake.script",
            "Workspace": "workspace",
            "check": "checking",
            "overrides_check": "checking",
        },
        (),
    )
