"""The base class for the tests of a driver: all checks, by topic."""

from __future__ import annotations

from typing import Any

from coodie_testing.checking import problems_of
from coodie_testing.checks.addresses import AddressesChecks
from coodie_testing.checks.arguments import ArgumentsChecks
from coodie_testing.checks.arrays import ArraysChecks
from coodie_testing.checks.batches import BatchesChecks
from coodie_testing.checks.bystanders import BystandersChecks
from coodie_testing.checks.cancelling import CancellingChecks
from coodie_testing.checks.closing import ClosingChecks
from coodie_testing.checks.codecs import CodecsChecks
from coodie_testing.checks.connecting import ConnectingChecks
from coodie_testing.checks.contract import ContractChecks
from coodie_testing.checks.ddl import DdlChecks
from coodie_testing.checks.draining import DrainingChecks
from coodie_testing.checks.encryption import EncryptionChecks
from coodie_testing.checks.errors import ErrorsChecks
from coodie_testing.checks.forms import FormsChecks
from coodie_testing.checks.hashables import HashablesChecks
from coodie_testing.checks.laterpages import LaterPagesChecks
from coodie_testing.checks.leaks import LeaksChecks
from coodie_testing.checks.limits import LimitsChecks
from coodie_testing.checks.logins import LoginsChecks
from coodie_testing.checks.losses import LossesChecks
from coodie_testing.checks.many import ManyChecks
from coodie_testing.checks.methods import MethodsChecks
from coodie_testing.checks.nested import NestedChecks
from coodie_testing.checks.observed import ObservedChecks
from coodie_testing.checks.options import OptionsChecks
from coodie_testing.checks.paging import PagingChecks
from coodie_testing.checks.parameters import ParametersChecks
from coodie_testing.checks.prepared import PreparedChecks
from coodie_testing.checks.rejections import RejectionsChecks
from coodie_testing.checks.rows import RowsChecks
from coodie_testing.checks.servererrors import ServerErrorsChecks
from coodie_testing.checks.shapes import ShapesChecks
from coodie_testing.checks.sharing import SharingChecks
from coodie_testing.checks.shortpages import ShortPagesChecks
from coodie_testing.checks.singlerequests import SingleRequestsChecks
from coodie_testing.checks.tables import TablesChecks
from coodie_testing.checks.timeouts import TimeoutsChecks
from coodie_testing.checks.transactions import TransactionsChecks
from coodie_testing.checks.types import TypesChecks
from coodie_testing.checks.warming import WarmingChecks
from coodie_testing.suite import Suite

__all__ = ["DriverConformance"]


class DriverConformance(
    ContractChecks,
    ConnectingChecks,
    AddressesChecks,
    LoginsChecks,
    EncryptionChecks,
    RowsChecks,
    ShapesChecks,
    ParametersChecks,
    ArgumentsChecks,
    TypesChecks,
    FormsChecks,
    ArraysChecks,
    NestedChecks,
    HashablesChecks,
    RejectionsChecks,
    CodecsChecks,
    PagingChecks,
    ShortPagesChecks,
    LaterPagesChecks,
    ManyChecks,
    LimitsChecks,
    TransactionsChecks,
    BatchesChecks,
    DdlChecks,
    TablesChecks,
    PreparedChecks,
    ErrorsChecks,
    ServerErrorsChecks,
    TimeoutsChecks,
    LossesChecks,
    CancellingChecks,
    BystandersChecks,
    SharingChecks,
    ClosingChecks,
    DrainingChecks,
    LeaksChecks,
    ObservedChecks,
    OptionsChecks,
    SingleRequestsChecks,
    MethodsChecks,
    WarmingChecks,
    Suite,
):
    """All checks of the kit; subclass it, and define how your driver is opened.

    Set ``driver_type``, or override the fixture ``open_driver``. Checks of
    capabilities that the driver doesn't declare are skipped. A check that is deleted or overridden without
    a reason fails the suite.
    """

    def test_every_check_stands(self) -> None:
        """No check of the kit is deleted, or overridden without a reason."""
        problems = problems_of(type(self), DriverConformance, self.waived)
        assert not problems, "\n".join(["This suite leaves out checks without saying why:", *problems])

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put back the one test that nobody may replace."""
        super().__init_subclass__(**kwargs)
        cls.test_every_check_stands = DriverConformance.test_every_check_stands  # type: ignore[method-assign]  # that is the point
