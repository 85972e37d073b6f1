"""Write the package of a new driver: what `coodie new-driver` does, without a command line."""

from __future__ import annotations

from coodie.scaffold.names import DriverNames, driver_names
from coodie.scaffold.package import write_package

__all__ = ["DriverNames", "driver_names", "write_package"]
