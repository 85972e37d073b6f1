"""The class that a driver's tests subclass: all checks, by themes."""

from __future__ import annotations

from typing import Any

from coodie.testing.checking import faults_of
from coodie.testing.checks.batches import BatchesChecks
from coodie.testing.checks.cancelling import CancellingChecks
from coodie.testing.checks.closing import ClosingChecks
from coodie.testing.checks.connecting import ConnectingChecks
from coodie.testing.checks.contract import ContractChecks
from coodie.testing.checks.ddl import DdlChecks
from coodie.testing.checks.encryption import EncryptionChecks
from coodie.testing.checks.errors import ErrorsChecks
from coodie.testing.checks.leaks import LeaksChecks
from coodie.testing.checks.many import ManyChecks
from coodie.testing.checks.observed import ObservedChecks
from coodie.testing.checks.paging import PagingChecks
from coodie.testing.checks.parameters import ParametersChecks
from coodie.testing.checks.prepared import PreparedChecks
from coodie.testing.checks.rows import RowsChecks
from coodie.testing.checks.sharing import SharingChecks
from coodie.testing.checks.tables import TablesChecks
from coodie.testing.checks.timeouts import TimeoutsChecks
from coodie.testing.checks.transactions import TransactionsChecks
from coodie.testing.checks.types import TypesChecks
from coodie.testing.suite import Suite

__all__ = ["DriverConformance"]


class DriverConformance(
    ContractChecks,
    ConnectingChecks,
    EncryptionChecks,
    RowsChecks,
    ParametersChecks,
    TypesChecks,
    PagingChecks,
    ManyChecks,
    TransactionsChecks,
    BatchesChecks,
    DdlChecks,
    TablesChecks,
    PreparedChecks,
    ErrorsChecks,
    TimeoutsChecks,
    CancellingChecks,
    SharingChecks,
    ClosingChecks,
    LeaksChecks,
    ObservedChecks,
    Suite,
):
    """Every check of the kit; subclass it, and say how your driver is opened.

    Set ``driver_type``, or override the fixture ``open_driver``. A check for what the driver doesn't
    declare in its ``capabilities`` is skipped; one that is deleted or overridden without a reason fails
    the suite.
    """

    def test_every_check_stands(self) -> None:
        """No check of the kit was deleted, or overridden without a reason."""
        faults = faults_of(type(self), DriverConformance, self.waived)
        assert not faults, "\n".join(["This suite leaves out checks without saying why:", *faults])

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put back the one test that nobody may replace."""
        super().__init_subclass__(**kwargs)
        cls.test_every_check_stands = DriverConformance.test_every_check_stands  # type: ignore[method-assign]  # that is the point
