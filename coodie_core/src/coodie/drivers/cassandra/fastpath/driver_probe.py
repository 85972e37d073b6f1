"""Probe the installed driver for the private names that ``driver_internals`` uses, and their signatures.

A patch release may change private names. The fast path probes all of them when it opens, and turns itself
off if one is missing, so that no request fails because of it.
"""

from __future__ import annotations

from functools import cache, lru_cache
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

import cassandra
from cassandra.cluster import ResponseFuture
from cassandra.connection import Connection, DefaultEndPoint
from cassandra.pool import HostConnection
from cassandra.protocol import PrepareMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cassandra.cluster import Session

__all__ = ["ATTRIBUTES", "CALLS", "SHARD_ATTRIBUTES", "SHARD_CALLS", "Call", "unknown_internals"]


class Call(NamedTuple):
    """A function of a driver, and the arguments that it is called with.

    Attributes:
        owner: The name of its class or object, see ``_owners``.
        name: The function's name.
        positional: The number of positional arguments, without ``self``.
        keywords: The names of the keyword arguments.
    """

    owner: str
    name: str
    positional: int
    keywords: tuple[str, ...] = ()


#: Attributes by owner.
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "Cluster": ("_config_mode", "_lock", "_user_types"),
    "Session": ("_lock", "_request_init_callbacks"),
    "ResponseFuture": ("_final_result", "_timer"),
    "Connection": (
        "_iobuf",
        "_is_checksumming_enabled",
        "_socket",
        "compressor",
        "connect_timeout",
        "connected_event",
        "decompressor",
        "lock",
        "protocol_version",
    ),
}

CALLS: tuple[Call, ...] = (
    Call("Cluster", "_make_connection_kwargs", 2),
    Call("ResponseFuture", "__init__", 3, ("query", "timeout", "host")),
    Call("ResponseFuture", "send_request", 1),
    Call("ResponseFuture", "result", 1),
    Call("ResponseFuture", "clear_callbacks", 1),
    Call("PrepareMessage", "__init__", 1, ("query",)),
    Call("Connection", "_connect_socket", 0),
    Call("Connection", "_send_options_message", 0),
    Call("Connection", "defunct", 1),
    Call("Connection", "factory", 2),
    Call("Connection", "process_io_buffer", 0),
)

#: Attributes and calls of scylla-driver for nodes with shards.
SHARD_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "Metadata": ("_tablets",),
    "ProtocolFeatures": ("shard_id", "sharding_info"),
    "Tablet": ("replicas",),
}

SHARD_CALLS: tuple[Call, ...] = (
    Call("HostConnection", "_get_shard_aware_endpoint", 1),
    Call("Tablets", "get_tablet_for_key", 4),
    Call("Tablets", "add_tablet", 4),
    Call("Tablets", "table_has_tablets", 3),
    Call("Tablet", "from_row", 3),
)


def unknown_internals(session: Session) -> str | None:
    """Return the first difference of the installed driver; None if it has all that is used.

    Args:
        session: The backend's session.
    """
    owners: dict[str, Any] = {"Cluster": session.cluster, "Session": session, **_owners()}
    attributes, calls = ATTRIBUTES, CALLS
    shards = _shard_owners()
    if shards is not None:
        owners |= {"Metadata": session.cluster.metadata, **shards}
        attributes, calls = {**attributes, **SHARD_ATTRIBUTES}, (*calls, *SHARD_CALLS)
    problem = next(_problems(owners, attributes, calls), None)
    if problem is None and not _takes(
        session.client_protocol_handler.decode_message, 8 if shards is None else 9, ()
    ):
        problem = "ProtocolHandler.decode_message has other parameters"
    return (
        None if problem is None else f"in version {cassandra.__version__} of the package cassandra {problem}"
    )


def _problems(
    owners: Mapping[str, Any], attributes: Mapping[str, Iterable[str]], calls: Iterable[Call]
) -> Iterator[str]:
    for owner, names in attributes.items():
        yield from [f"{owner} has no {name}" for name in names if not hasattr(owners[owner], name)]
    for owner, name, positional, keywords in calls:
        function = getattr(owners[owner], name, None)
        if function is None:
            yield f"{owner} has no {name}"
        elif not _takes(function, positional, keywords):
            yield f"{owner}.{name} takes other arguments"


def _takes(function: Callable[..., Any], positional: int, keywords: tuple[str, ...]) -> bool:
    """Return whether a function accepts these arguments; True if it has no signature."""
    # The same for each session: remember it for the function, since a method would keep its session alive.
    unbound = getattr(function, "__func__", None)
    if unbound is None:
        return _accepts(function, positional, keywords)
    return _accepts(unbound, positional + 1, keywords)


@lru_cache(maxsize=64)
def _accepts(function: Callable[..., Any], positional: int, keywords: tuple[str, ...]) -> bool:
    try:
        found = signature(function)
    except (TypeError, ValueError):  # compiled, and without a signature
        return True
    try:
        found.bind(*[None] * positional, **dict.fromkeys(keywords))
    except TypeError:
        return False
    return True


@cache
def _owners() -> dict[str, Any]:
    """Return the owners that both drivers have; the connection is never opened."""
    return {
        "Connection": Connection(DefaultEndPoint("127.0.0.1")),
        "PrepareMessage": PrepareMessage,
        "ResponseFuture": ResponseFuture,
    }


@cache
def _shard_owners() -> dict[str, Any] | None:
    """Return scylla-driver's owners for shards; None for cassandra-driver."""
    try:
        from cassandra.protocol_features import ProtocolFeatures
        from cassandra.tablets import Tablet, Tablets
    except ImportError:
        return None
    return {
        "HostConnection": HostConnection,
        "ProtocolFeatures": ProtocolFeatures(),
        "Tablet": Tablet(0, 0, []),
        "Tablets": Tablets,
    }
