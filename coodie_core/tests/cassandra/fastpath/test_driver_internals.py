"""What the fast path uses of the drivers' insides exists, in one module; what it doesn't know it refuses."""

from __future__ import annotations

import ast
import importlib
import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import cassandra
import pytest
from cassandra import protocol
from cassandra.cluster import Cluster, ResponseFuture, Session
from cassandra.connection import Connection, DefaultEndPoint
from cassandra.policies import RoundRobinPolicy, TokenAwarePolicy
from cassandra.query import PreparedStatement

from coodie.drivers._lifecycle import Lifecycle
from coodie.drivers.cassandra import fastpath
from coodie.drivers.cassandra._connection import attentive
from coodie.drivers.cassandra._nonblocking import SendListener
from coodie.drivers.cassandra.fastpath import driver_internals
from coodie.drivers.cassandra.fastpath.dispatcher import FastPath
from coodie.drivers.cassandra.fastpath.driver_internals import UnsupportedServerError, unsupported_reason
from coodie.drivers.cassandra.fastpath.driver_probe import ATTRIBUTES, CALLS, SHARD_ATTRIBUTES, SHARD_CALLS
from coodie.drivers.cassandra.fastpath.sockets import Handshakes
from coodie.drivers.cassandra.values.codecs import ValueOptions
from coodie.drivers.cassandra.values.lenient_decoding import exact_protocol_handler

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOM = Path(fastpath.__file__).parent
_MODULES = sorted(path.name for path in _ROOM.glob("*.py"))

#: Names with an underscore in front that are public: of named tuples.
_PUBLIC = {"_replace", "_asdict", "_fields", "_make"}


def _private(module: str) -> Iterator[tuple[str, int]]:
    """Find attributes with an underscore that are taken of something, and their lines."""
    for node in ast.walk(ast.parse((_ROOM / module).read_text())):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            yield ast.unparse(node.value) + "." + node.attr, node.lineno
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr", "setattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and re.match("_(?!_)", str(name.value)):
                yield ast.unparse(node.args[0]) + "." + str(name.value), node.lineno


def _imported_privately(module: str) -> Iterator[str]:
    """Find what is imported of the drivers by a private name."""
    for node in ast.walk(ast.parse((_ROOM / module).read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cassandra":
            yield from [alias.name for alias in node.names if alias.name.startswith("_")]


@pytest.mark.parametrize("module", [name for name in _MODULES if name != "driver_internals.py"])
def test_one_module_touches_what_is_private(module: str) -> None:
    """All others use of the drivers, and of one another, only what has a public name."""
    found = [
        f"line {line}: {what}"
        for what, line in _private(module)
        if what.split(".")[0] not in ("self", "cls") or what.count(".") > 1
        if what.rpartition(".")[2] not in _PUBLIC
    ]
    assert found == []
    assert list(_imported_privately(module)) == []


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster as users make it, not connected."""
    made = Cluster(["127.0.0.1"], protocol_version=5, connection_class=_known_class())
    yield made
    made.shutdown()


def _known_class() -> Any:
    """Return the driver's default connection class, as our backends have it."""
    from cassandra.cluster import Cluster as Default

    return attentive(Default.connection_class)


def _session(cluster: Cluster, **changed: Any) -> Any:
    """Return what is looked at of a session; no server is asked."""
    found = {
        "client_protocol_handler": exact_protocol_handler(),
        "_request_init_callbacks": [],
        "_lock": None,
    }
    return SimpleNamespace(cluster=cluster, **(found | changed))


#: What driver_internals.py uses, by what it takes it of.
_USED = {
    "cluster": {"_config_mode", "_user_types", "_make_connection_kwargs"},
    "session": {"_request_init_callbacks"},
    "response": {"_final_result", "_timer"},
    "connection": {"_iobuf", "_socket", "_is_checksumming_enabled"},
    "self": {
        "_agreed",
        "_connect_socket",
        "_deadline",
        "_iobuf",
        "_receive",
        "_send_options_message",
        "_socket",
        "_tls_sessions",
    },
    # Only the driver calls it.
    "super()": {"_wrap_socket_from_context"},
    # In forked children: of clusters and their sessions, and of what drives their connections.
    "part": {"_lock"},
    "sys.modules.get(reactor)": {"_global_loop"},
    "loop": {"_pid", "_thread"},
    "connection_class": {"_lock", "_loop", "_loop_thread", "_pid"},
    "policy": {"_child_policy"},
    # Of scylla-driver alone, tested in test_shards.py.
    "pool": {"_get_shard_aware_endpoint"},
    "metadata": {"_tablets"},
}


def test_all_private_names_are_checked_below() -> None:
    """Whatever driver_internals.py comes to use is added to the list that the next test looks for."""
    found: dict[str, set[str]] = {}
    for what, _ in _private("driver_internals.py"):
        of, _, name = what.rpartition(".")
        shorter = {"session.cluster": "session", "session.cluster.metadata": "metadata"}
        found.setdefault(shorter.get(of, of), set()).add(name)
    known = {*_USED["cluster"], *_USED["session"]}
    assert found.pop("session", set()) <= known
    for of, names in found.items():
        assert names <= _USED.get(of, set()), f"of {of}"


def test_all_are_looked_for_when_the_path_opens() -> None:
    """But for what forked children alone use."""
    looked_for = {call.name for call in (*CALLS, *SHARD_CALLS)}
    looked_for.update(*ATTRIBUTES.values(), *SHARD_ATTRIBUTES.values())
    ours = {"_agreed", "_deadline", "_receive", "_tls_sessions"}
    for owner in ("cluster", "session", "response", "connection", "self", "part", "pool", "metadata"):
        assert _USED[owner] - ours <= looked_for, owner


def test_the_installed_driver_has_them(cluster: Cluster) -> None:
    """Each private attribute exists where it is looked for."""
    for name in _USED["cluster"]:
        assert hasattr(cluster, name), name
    for name in _USED["response"]:
        assert hasattr(ResponseFuture, name), name
    connection = _unconnected(cluster)
    for name in (*_USED["connection"], "_connect_socket", "_send_options_message"):
        assert hasattr(connection, name), name
    for name in (
        "lock",
        "connected_event",
        "connect_timeout",
        "compressor",
        "decompressor",
        "protocol_version",
    ):
        assert hasattr(connection, name), name
    assert callable(connection.process_io_buffer)
    assert callable(connection.defunct)
    for name in _USED["policy"]:
        assert hasattr(TokenAwarePolicy(RoundRobinPolicy()), name), name
    for name in _USED["part"]:
        assert hasattr(cluster, name), name
        assert hasattr(Session, name), name
    assert hasattr(Cluster, "is_shutdown")
    assert hasattr(Session, "is_shutdown")
    reactor = importlib.import_module("cassandra.io.libevreactor")
    assert hasattr(reactor, "_global_loop")
    for name in _USED["loop"]:
        assert hasattr(reactor.LibevLoop(), name), name
    for name in _USED["connection_class"]:
        connection_class = importlib.import_module("cassandra.io.asyncioreactor").AsyncioConnection
        assert hasattr(connection_class, name), name
    prepared = PreparedStatement([], b"id", None, "stmt", "ks", 5, None, b"meta")
    assert (prepared.result_metadata, prepared.result_metadata_id) == (None, b"meta")
    assert callable(protocol.ProtocolHandler.decode_message)


def _unconnected(cluster: Cluster) -> Any:
    """Return a connection that was never opened."""
    endpoint = DefaultEndPoint("127.0.0.1")
    options = cluster._make_connection_kwargs(endpoint, {})
    return Connection(endpoint, connect_timeout=1, **options)


def test_a_usual_session_is_served(cluster: Cluster) -> None:
    """With the protocol versions 4 and 5, and with the handler that is ours or the driver's."""
    for version in (4, 5):
        cluster.protocol_version = version
        assert unsupported_reason(_session(cluster)) is None
        plain = _session(cluster)
        plain.client_protocol_handler = protocol.ProtocolHandler
        assert unsupported_reason(plain) is None


class _OwnHandler(protocol.ProtocolHandler):  # type: ignore[misc]  # the driver has no types
    """A user's."""


class _OwnConnection(Connection):  # type: ignore[misc]  # the driver has no types
    """A user's."""


def test_what_is_refused(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each unknown version and unusual setting has a reason of its own."""

    def reason(**changed: Any) -> str:
        with monkeypatch.context() as patch:
            for name, value in changed.items():
                patch.setattr(cluster, name, value, raising=False)
            found = unsupported_reason(_session(cluster))
        assert found is not None
        return found

    assert reason(protocol_version=3) == "protocol version 3 isn't known"
    assert reason(protocol_version=66) == "protocol version 66 isn't known"
    assert "beta" in reason(allow_beta_protocol_version=True)
    assert "legacy parameters" in reason(_config_mode=1)
    assert "metrics" in reason(metrics_enabled=True)
    assert reason(connection_class=_OwnConnection).startswith("connection_class=_OwnConnection ")
    session = _session(cluster)
    session.client_protocol_handler = _OwnHandler
    assert "custom protocol handler" in str(unsupported_reason(session))
    with monkeypatch.context() as patch:
        patch.delattr("select.poll")
        assert unsupported_reason(_session(cluster)) == "this platform has no select.poll"
    monkeypatch.setattr(cassandra, "__version__", "4.0.1")
    assert unsupported_reason(_session(cluster)) == "version 4.0.1 of the package cassandra isn't known"


@pytest.mark.parametrize("version", ["3.29.11", "3.30.0", "3.30.1.dev3"])
def test_the_known_releases(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Patches and builds of the releases whose insides are known are served."""
    monkeypatch.setattr(cassandra, "__version__", version)
    assert unsupported_reason(_session(cluster)) is None


@pytest.mark.filterwarnings("ignore:Legacy execution parameters:DeprecationWarning")
def test_the_legacy_mode_is_the_drivers() -> None:
    """The number that marks it is what a cluster with legacy parameters has."""
    from cassandra.policies import RoundRobinPolicy

    made = Cluster(["127.0.0.1"], load_balancing_policy=RoundRobinPolicy())
    try:
        assert made._config_mode == driver_internals._LEGACY
    finally:
        made.shutdown()


def test_a_reason_is_logged_once(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    """However often it is refused, the first reason stands, in one line of the log."""
    cluster.protocol_version = 3
    with caplog.at_level(logging.INFO, logger="coodie.drivers.cassandra.fastpath"):
        path = FastPath(_session(cluster, keyspace=None), Lifecycle(), Mock(), Mock(), ValueOptions())
        path.disable("another reason")
        path.close()
    assert path.disabled_reason == "protocol version 3 isn't known"
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert "fast path is off" in record.getMessage()
    assert "protocol version 3 isn't known" in record.getMessage()


def test_a_session_with_listeners_is_watched() -> None:
    """Who wants to see each request as the driver's object gets it: such requests go the driver's way."""
    session = Session.__new__(Session)
    session._request_init_callbacks = []
    listeners = driver_internals.request_listeners(session)
    assert driver_internals.are_ours(listeners)
    session.add_request_init_listener(SendListener())
    assert driver_internals.are_ours(listeners)
    session.add_request_init_listener(print)
    assert not driver_internals.are_ours(listeners)


@pytest.mark.parametrize("error", [AttributeError("no attribute"), TypeError("takes 2 arguments")])
def test_a_handshake_that_is_another(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Where the driver's code has changed, that is the reason; it isn't tried again as an outage would be."""

    def fails(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(driver_internals._Handshake, "factory", fails)
    with pytest.raises(UnsupportedServerError, match="handshake differs from the expected one") as caught:
        driver_internals.establish(cluster, DefaultEndPoint("127.0.0.1"), Handshakes())
    assert str(error) in str(caught.value)
