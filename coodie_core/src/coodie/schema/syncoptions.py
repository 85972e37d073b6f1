"""What one sync may ask for beside the table."""

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
    """How one sync is to be carried out; the defaults change nothing.

    Args:
        create_keyspace: Create the keyspace with this replication where it doesn't exist: a
            ``SimpleStrategy``, a ``NetworkTopologyStrategy``, or what CQL has behind ``replication =``
            as a dict. One that exists is never altered; where it differs, the result says so.
        wait_for_indexes: Seconds to wait until the desired indexes are built, on every node that the
            driver can ask; None doesn't wait.
        timeout: Seconds for each request; None means the connection's default.
        agreement_timeout: Seconds to wait until the nodes agree on the schema; 0 doesn't wait, None
            means the backend's own setting, or else 10.

    Raises:
        ConfigurationError: A value is of the wrong kind.
    """

    create_keyspace: SimpleStrategy | NetworkTopologyStrategy | Mapping[str, Any] | None = None
    wait_for_indexes: float | None = None
    timeout: float | None = None
    agreement_timeout: float | None = None

    def __post_init__(self) -> None:
        """Validate once, here, so that no driver has to."""
        check_timeout(self.wait_for_indexes, "wait_for_indexes")
        check_timeout(self.timeout)
        if self.agreement_timeout != 0 or self.agreement_timeout is False:
            check_timeout(self.agreement_timeout, "agreement_timeout")
        if self.create_keyspace is not None:
            object.__setattr__(self, "create_keyspace", parse_replication(self.create_keyspace))


def check_sync_options(options: SyncOptions | None) -> SyncOptions:
    """Return the options, the default ones for None.

    Raises:
        ConfigurationError: It is something else.
    """
    if options is None:
        return SyncOptions()
    if not isinstance(options, SyncOptions):
        message = f"options is of type {type(options).__name__}."
        raise ConfigurationError(message, hint="Give a coodie.schema.SyncOptions.", option="options")
    return options
