"""The hooks that a backend implements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.hooks import DriverDescription, OptionDescription, hookspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from coodie.contract.driver import AbstractDriver
    from coodie.options.connection import ConnectionConfig

__all__ = ["DriverDescription", "DriverHooks", "OptionDescription"]


class DriverHooks:
    """The hook specifications; only ``coodie_open_driver`` must be implemented."""

    @hookspec(firstresult=True)
    def coodie_describe_driver(self) -> DriverDescription:
        """Return what the backend is and takes; without this hook it takes no options of its own."""
        raise AssertionError

    @hookspec(firstresult=True)
    def coodie_check_config(self, config: ConnectionConfig) -> None:
        """Raise a ConfigurationError for what can't be honoured, without connecting.

        Called before the driver is opened, and when a LazyDriver is created.
        """

    @hookspec(firstresult=True)
    def coodie_open_driver(self, config: ConnectionConfig) -> AbstractDriver:  # noqa: ARG002 - names it for pluggy
        """Connect, and return a driver that is ready; on failure leave nothing behind.

        May block: async callers run it in a thread of its own, and close a driver that comes when
        nobody waits for it any more.
        """
        raise AssertionError

    @hookspec(firstresult=True)
    def coodie_open_driver_async(self, config: ConnectionConfig) -> Awaitable[AbstractDriver]:  # noqa: ARG002 - as above
        """As coodie_open_driver, natively async; without this hook a thread runs the sync one."""
        raise AssertionError

    @hookspec(firstresult=True)
    def coodie_inspect_driver(self, driver: AbstractDriver | None) -> Mapping[str, str]:  # noqa: ARG002 - as above
        """Return what is in use, name → value, for ``coodie doctor``: the reactor, the protocol.

        Given a driver that this backend opened, of its connection; given None, what it would use here.
        """
        raise AssertionError
