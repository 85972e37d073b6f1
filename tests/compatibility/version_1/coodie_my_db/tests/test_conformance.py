"""The conformance kit of coodie, on a real Cassandra."""

from __future__ import annotations

from coodie_testing import DriverConformance


class TestMyDb(DriverConformance):
    """driver_type "my-db" keeps the contract.

    Checks for capabilities that aren't declared are skipped. One that can't hold for your client is
    waived, with the reason: ``waived = {"test_type_duration": "the client has no durations"}``.
    """

    driver_type = "my-db"
