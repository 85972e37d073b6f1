"""The options of a sync."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError
from coodie.requests import check_timeout
from coodie.schema.replication import parse_replication

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coodie.schema.replication import NetworkTopologyStrategy, SimpleStrategy

__all__ = ["SyncOptions", "check_sync_options"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncOptions:
    """Options of one sync.

    Args:
        create_keyspace: Create the keyspace with this replication if it doesn't exist: a ``SimpleStrategy``,
            a ``NetworkTopologyStrategy``, or a dict as in CQL's ``replication =``. An existing keyspace is
            never altered; if its replication differs, the result has a warning.
        wait_for_indexes: Seconds to wait until the desired indexes are built, on every node that the driver
            can query; None doesn't wait.
        timeout: Seconds for each request; None for the connection's default.
        agreement_timeout: Seconds to wait for schema agreement; 0 doesn't wait, None for the backend's
            setting, or else 10.

    Raises:
        ConfigurationError: A value is invalid.
    """

    create_keyspace: SimpleStrategy | NetworkTopologyStrategy | Mapping[str, Any] | None = None
    wait_for_indexes: float | None = None
    timeout: float | None = None
    agreement_timeout: float | None = None

    def __post_init__(self) -> None:
        """Validate the options, so that drivers needn't."""
        check_timeout(self.wait_for_indexes, "wait_for_indexes")
        check_timeout(self.timeout)
        if self.agreement_timeout != 0 or self.agreement_timeout is False:
            check_timeout(self.agreement_timeout, "agreement_timeout")
        if self.create_keyspace is not None:
            object.__setattr__(self, "create_keyspace", parse_replication(self.create_keyspace))


_DEFAULTS = SyncOptions()


def check_sync_options(options: SyncOptions | None) -> SyncOptions:
    """Return the options; the defaults for None.

    Raises:
        ConfigurationError: The argument has another type.
    """
    if options is None:
        return _DEFAULTS
    if not isinstance(options, SyncOptions):
        message = f"options: expected coodie.schema.SyncOptions, got {type(options).__name__}."
        raise ConfigurationError(message, option="options")
    return options
