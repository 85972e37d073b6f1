"""The conformance kit: subclass ``DriverConformance``, say how your driver is opened, and run pytest."""

from __future__ import annotations

from coodie.testing.api import Api
from coodie.testing.checking import Check, check, overrides_check
from coodie.testing.conformance import DriverConformance
from coodie.testing.proxy import Proxy
from coodie.testing.suite import Server
from coodie.testing.workspace import Workspace

__all__ = ["Api", "Check", "DriverConformance", "Proxy", "Server", "Workspace", "check", "overrides_check"]
