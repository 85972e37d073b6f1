"""The backend of this environment passes the kit."""

from __future__ import annotations

import pytest

from coodie.plugins import installed_drivers
from coodie.testing import DriverConformance

pytestmark = pytest.mark.server

(BACKEND,) = {entry.driver_type for entry in installed_drivers()} & {"scylla", "cassandra"}


class TestBackend(DriverConformance):
    """The driver that users get from init_coodie."""

    driver_type = BACKEND
