"""The keyword arguments of the functions that open a driver, for type checkers and editors.

Only type checkers import this module. A test compares it with the declared options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from ssl import SSLContext

    from coodie.options.credentials import CredentialsProvider
    from coodie.options.profiles import RequestProfile

__all__ = ["ConnectOptions", "OpenAsyncOptions", "OpenOptions"]


class _Common(TypedDict, total=False):
    """What both forms take beside their published parameters."""

    distribution: str | None
    port: int | None
    bundle: str | PathLike[str] | None
    address_map: Mapping[str, str] | None
    username: str | None
    password: str | None
    credentials: CredentialsProvider | str | None
    ssl_key_password: str | None
    ssl_hostname: str | None
    local_dc: str | None
    local_rack: str | None
    application: str | None
    request_timeout: float | None
    consistency: str | None
    serial_consistency: str | None
    retry_policy: Any
    protocol_version: int | None
    profiles: Mapping[str, RequestProfile | Mapping[str, Any]] | None
    rows: Any


class OpenOptions(_Common, total=False):
    """The keyword arguments of ``init_coodie``."""

    ssl_enabled: bool | None
    ssl_trusted_cert: str | None
    ssl_cert: str | None
    ssl_private_key: str | None
    ssl_verify_flags: int | None


class OpenAsyncOptions(_Common, total=False):
    """The keyword arguments of ``init_coodie_async``."""

    lazy: bool
    compression: str | bool | None
    speculative_execution_policy: Any


class ConnectOptions(OpenOptions, total=False):
    """The keyword arguments of ``connect`` and ``connect_async``."""

    name: str
    lazy: bool
    keyspace: str | None
    ssl_context: SSLContext | None
    compression: str | bool | None
    speculative_execution_policy: Any
