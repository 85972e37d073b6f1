"""The hooks that a backend implements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.hooks import DriverDescription, OptionDescription, hookspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping

    from coodie.codecs import Codec
    from coodie.contract.driver import AbstractDriver
    from coodie.options.connection import ConnectionConfig

__all__ = ["DriverDescription", "DriverHooks", "OptionDescription"]


class DriverHooks:
    """The hook specifications; only ``coodie_open_driver`` must be implemented."""

    @hookspec(firstresult=True)
    def coodie_describe_driver(self) -> DriverDescription:
        """Return a description of the backend; without this hook, it has no options of its own."""
        raise AssertionError

    @hookspec(firstresult=True)
    def coodie_check_config(self, config: ConnectionConfig) -> None:
        """Raise a ConfigurationError for an unsupported configuration, without connecting.

        Called before a driver is opened, and when a LazyDriver is created.
        """

    @hookspec(firstresult=True)
    def coodie_open_driver(self, config: ConnectionConfig) -> AbstractDriver:  # noqa: ARG002 - names it for pluggy
        """Connect, and return a driver; release all resources on failure.

        May block: async callers run it in a thread, which closes the driver if the caller was cancelled.
        """
        raise AssertionError

    @hookspec(firstresult=True)
    def coodie_open_driver_async(self, config: ConnectionConfig) -> Awaitable[AbstractDriver]:  # noqa: ARG002 - as above
        """Async version of coodie_open_driver; without this hook, the sync one runs in a thread."""
        raise AssertionError

    @hookspec(firstresult=True)
    def coodie_codecs(self, config: ConnectionConfig) -> Iterable[Codec]:  # noqa: ARG002 - as above
        """Return codecs for the backend's drivers, in addition to those of the option ``codecs``.

        Called before a driver is opened; the hook that opens it finds all of them in
        ``config.options["codecs"]``. If a codec conflicts with one of the option, that of the option is used.
        The backend's description must have the option.
        """
        raise AssertionError

    @hookspec(firstresult=True)
    def coodie_inspect_driver(self, driver: AbstractDriver | None) -> Mapping[str, str]:  # noqa: ARG002 - as above
        """Return facts by name for ``coodie doctor``, such as the reactor or the protocol version.

        With a driver of this backend, about its connections; with None, about the installed packages.
        """
        raise AssertionError
