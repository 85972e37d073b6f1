"""What a caller wants to run: checked once, and compared with what runs."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError
from coodie_local._certificates import check_cryptography
from coodie_local._places import check_name, node_directory
from coodie_local._plan import PROFILES
from coodie_local._releases import find_release
from coodie_local.errors import NodeInUseError

if TYPE_CHECKING:
    import os

    from coodie_local._plan import Profile
    from coodie_local._state import ClusterState

__all__ = ["MOST_NODES", "StartRequest", "build_request", "check_matches"]

#: More would only compete for one machine's memory and processors.
MOST_NODES = 9

_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What a caller wants to run; None leaves it to what runs already, or to us."""

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
    stop_with_process: bool
    timeout: float


def build_request(
    name: str,
    *,
    directory: str | os.PathLike[str] | None,
    nodes: int | None,
    host: str | None,
    port: int | None,
    profile: Profile | None,
    version: str | None,
    tls: bool | None,
    mtls: bool | None,
    auth: bool | None,
    stop_with_process: bool,
    timeout: float,
) -> StartRequest:
    """Check the arguments and freeze them.

    Raises:
        ConfigurationError: One can't be honoured.
    """
    check_name(name)
    if nodes is not None and (not _is_int(nodes) or not 0 < nodes <= MOST_NODES):
        raise _refused("nodes", nodes, "isn't a number of nodes.", f"Give 1 to {MOST_NODES}.")
    if profile is not None and profile not in PROFILES:
        raise _refused("profile", profile, "isn't one.", f"Give {' or '.join(map(repr, PROFILES))}.")
    if port is not None and (not _is_int(port) or not 0 < port <= _LAST_PORT):
        raise _refused("port", port, "isn't a TCP port.", "Give 1 to 65535, or leave it out.")
    if timeout <= 0:
        raise _refused("timeout", timeout, "leaves no time to start.", "Give seconds above 0.")
    _check_security(tls=tls, mtls=mtls, auth=auth)
    if version is not None:
        find_release(version)
    if host is not None:
        _check_host(host, nodes or 1)
    return StartRequest(
        name=name,
        directory=node_directory(name) if directory is None else Path(directory).expanduser().absolute(),
        nodes=nodes,
        host=host,
        port=port,
        profile=profile,
        version=version,
        tls=True if mtls else tls,
        mtls=mtls,
        auth=auth,
        stop_with_process=stop_with_process,
        timeout=timeout,
    )


def check_matches(request: StartRequest, state: ClusterState) -> None:
    """Make sure that what runs is what was asked for.

    Args:
        request: What is wanted.
        state: What runs.

    Raises:
        NodeInUseError: It differs.
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
    ):
        if wanted is not None and wanted != found:
            msg = f"The node {request.name!r} runs already with {option}={found!r}; {wanted!r} was asked for."
            hint = f"Stop it first, leave {option}= out, or give the node another name or directory."
            raise NodeInUseError(msg, hint=hint, option=option)
    # the other way round is fine: a node that was found keeps the way in which it was started
    if state.stop_with_process and not request.stop_with_process:
        msg = f"The node {request.name!r} runs already, and ends with the process that started it."
        hint = "Stop it first, don't ask for one that goes on, or give the node another name or directory."
        raise NodeInUseError(msg, hint=hint, option="stop_with_process")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _refused(option: str, value: object, why: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"{option}={value!r} {why}", hint=hint, option=option)


def _check_security(*, tls: bool | None, mtls: bool | None, auth: bool | None) -> None:
    for option, value in (("tls", tls), ("mtls", mtls), ("auth", auth)):
        if value is not None and not isinstance(value, bool):
            raise _refused(option, value, "can't be used.", "Give True, False or nothing.")
    if mtls and tls is False:
        raise _refused("mtls", mtls, "is a kind of TLS, which tls=False excludes.", "Leave tls= out.")
    if tls or mtls:
        check_cryptography("mtls" if mtls else "tls")


def _check_host(host: str, nodes: int) -> None:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError as exc:
        raise _refused("host", host, "isn't an IPv4 address.", "Give one such as 127.0.0.1.") from exc
    if not (address.is_loopback and (address + nodes - 1).is_loopback):
        why = "is reachable from other machines; a local node has no protection against them."
        raise _refused("host", host, why, "Give a loopback address, 127.x.y.z.")
