"""The request to start a cluster: validated once, then compared with a running cluster."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError
from coodie_local._certificates import check_cryptography
from coodie_local._paths import check_name
from coodie_local._releases import find_release
from coodie_local._state import PROFILES
from coodie_local.errors import NodeInUseError

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._state import ClusterState, Profile

__all__ = ["MAX_NODES", "MIN_HEAP", "StartRequest", "check_matches"]

#: More nodes would compete for one machine's memory and processors.
MAX_NODES = 9

#: MiB; with less, Cassandra runs out of memory before it accepts requests.
MIN_HEAP = 256
_MAX_HEAP = 1 << 20

_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class StartRequest:
    """The requested options; None: as in the running cluster, or the default.

    Raises:
        ConfigurationError: An option is invalid or unsupported.
    """

    name: str
    directory: Path
    nodes: int | None
    host: str | None
    port: int | None
    profile: Profile | None
    version: str | None
    tls: bool | None
    mtls: bool | None
    auth: bool | None
    heap: int | None
    stop_with_process: bool
    timeout: float

    def __post_init__(self) -> None:
        """Validate the options, and make the directory's path absolute."""
        check_name(self.name)
        if self.nodes is not None and not _is_between(self.nodes, 1, MAX_NODES):
            raise _invalid("nodes", self.nodes, "isn't a valid number of nodes.", f"Use 1 to {MAX_NODES}.")
        if self.profile is not None and self.profile not in PROFILES:
            hint = f"Use {' or '.join(map(repr, PROFILES))}."
            raise _invalid("profile", self.profile, "isn't a profile.", hint)
        if self.port is not None and not _is_between(self.port, 1, _MAX_PORT):
            raise _invalid("port", self.port, "isn't a valid TCP port.", f"Use 1 to {_MAX_PORT}, or omit it.")
        if self.heap is not None and not _is_between(self.heap, MIN_HEAP, _MAX_HEAP):
            raise _invalid("heap", self.heap, "isn't a valid heap size in MiB.", f"Use {MIN_HEAP} or more.")
        if self.timeout <= 0:
            raise _invalid("timeout", self.timeout, "isn't a positive number.", "Use seconds above 0.")
        self._check_security()
        if self.version is not None:
            find_release(self.version)
        if self.host is not None:
            _check_host(self.host, self.nodes or 1)
        object.__setattr__(self, "directory", self.directory.expanduser().absolute())

    def _check_security(self) -> None:
        for option, value in (("tls", self.tls), ("mtls", self.mtls), ("auth", self.auth)):
            if value is not None and not isinstance(value, bool):
                raise _invalid(option, value, "isn't a bool.", "Use True, False or None.")
        if self.mtls and self.tls is False:
            raise _invalid("mtls", self.mtls, "can't be combined with tls=False.", "Omit tls=.")
        if self.tls or self.mtls:
            check_cryptography("mtls" if self.mtls else "tls")
        if self.mtls:
            object.__setattr__(self, "tls", True)


def check_matches(request: StartRequest, state: ClusterState) -> None:
    """Check that a running cluster has the requested options.

    Raises:
        NodeInUseError: An option differs.
    """
    for option, wanted, found in (
        ("nodes", request.nodes, len(state.hosts)),
        ("profile", request.profile, state.profile),
        ("port", request.port, state.ports.native),
        ("host", request.host, state.hosts[0]),
        ("version", request.version, state.version),
        ("tls", request.tls, state.security.tls),
        ("mtls", request.mtls, state.security.mtls),
        ("auth", request.auth, state.security.auth),
        ("heap", request.heap, state.heap),
    ):
        if wanted is not None and wanted != found:
            msg = f"The node {request.name!r} is already running with {option}={found!r}, not {wanted!r}."
            hint = f"Stop it first, omit {option}=, or use another name or directory."
            raise NodeInUseError(msg, hint=hint, option=option)
    # the reverse is fine: a node that doesn't stop with its starter keeps running
    if state.stop_with_process and not request.stop_with_process:
        msg = f"The node {request.name!r} is already running, and stops with the process that started it."
        hint = "Stop it first, omit stop_with_process=False, or use another name or directory."
        raise NodeInUseError(msg, hint=hint, option="stop_with_process")


def _is_between(value: object, lowest: int, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def _invalid(option: str, value: object, why: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"{option}={value!r} {why}", hint=hint, option=option)


def _check_host(host: str, nodes: int) -> None:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError as exc:
        raise _invalid("host", host, "isn't an IPv4 address.", "Use one such as 127.0.0.1.") from exc
    if not (address.is_loopback and (address + nodes - 1).is_loopback):
        why = "isn't a loopback address: other machines could reach the node."
        raise _invalid("host", host, why, "Use a loopback address, 127.x.y.z.")
