"""The declarations of all options of coodie-core.

Validation, the forms in URLs, files and variables, the reference documentation, ``--help`` and the JSON
schema are generated from this table. A backend declares its own options (``OptionDescription``).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from coodie.capabilities import Capability
from coodie.options.option import Option, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OPTIONS", "options_for"]


def _connection(name: str, kind: str, **said: Any) -> Option:
    """Declare an option of connections, with the defaults for most of them."""
    usual: dict[str, Any] = {
        "unit": "",
        "scope": Scope.CONNECTION,
        "capability": None,
        "secret": kind == "secret",
        "connecting": True,
        "key": name,
        "instead": "",
    }
    return Option(name=name, type=kind, **(usual | said))


#: Declares an option of encrypted connections.
_tls = partial(_connection, capability=Capability.TLS)


def _request(name: str, kind: str, **said: Any) -> Option:
    """Declare an option of requests, with the defaults for most of them."""
    usual: dict[str, Any] = {
        "url": f"?profiles.reports.{said.pop('example')}" if "example" in said else "",
        "unit": "",
        "scope": Scope.REQUEST,
        "capability": None,
        "secret": False,
        "connecting": False,
        "key": name,
        "instead": "",
    }
    return Option(name=name, type=kind, **(usual | said))


def _file(name: str, kind: str, **said: Any) -> Option:
    """Declare an option of a whole configuration file."""
    return Option(
        name=name,
        type=kind,
        unit="",
        scope=Scope.FILE,
        capability=None,
        secret=False,
        connecting=False,
        key=name,
        url="",
        **said,
    )


_DECLARED = (
    _file(
        "default",
        "str",
        default='the connection named "default", or else the first',
        help="The connection that get_driver() returns.",
        instead="register_driver(…, default=True)",
    ),
    _file(
        "allow",
        "names",
        default="all installed ones",
        help="The only distributions that may provide backends.",
        instead="COODIE_ALLOW, or coodie.plugins.allow_only(…)",
    ),
    _file(
        "block",
        "names",
        default="none",
        help="Distributions that may not provide backends.",
        instead="COODIE_BLOCK, or coodie.plugins.block(…)",
    ),
    _file(
        "observers",
        "names",
        default="none",
        help="Observers to activate: requestlog, counters, otel, a plug-in's name, or module:attribute.",
        instead="register_observer(…)",
    ),
    _connection(
        "url",
        "secret",
        default="none",
        help="The connection's URL; other keys override its parts.",
        connecting=False,
        url="",
        instead="coodie.connect(url)",
    ),
    _connection(
        "driver_type",
        "str",
        default='"scylla"',
        help="The backend's name; optionally @ and the distribution that provides it.",
        connecting=False,
        key="driver",
        url="scylla://db1",
    ),
    _connection(
        "distribution",
        "str",
        default="the one with this backend",
        help="The distribution that has to provide the backend.",
        connecting=False,
        url="?distribution=coodie-scylla",
    ),
    _connection(
        "hosts",
        "hosts",
        default="required, unless session is set or the backend starts its own server",
        help="Contact points: names or addresses, each optionally with a port, or paths of Unix sockets.",
        url="scylla://db1:9042,[2001:db8::1]:9043",
    ),
    _connection(
        "port",
        "port",
        default="9042",
        help="The port of the native protocol, on hosts without a port of their own.",
        url="scylla://db1:9142",
    ),
    _connection(
        "bundle",
        "path",
        default="none",
        help="A cloud's secure connect bundle, instead of hosts and TLS options: the path of a zip file.",
        capability=Capability.CLOUD_BUNDLE,
        url="?bundle=secure-connect-shop.zip",
    ),
    _connection(
        "address_map",
        "addresses",
        default="nodes are connected to at the addresses that they announce",
        help="Announced addresses of nodes, and the ones to connect to.",
        capability=Capability.ADDRESS_MAP,
        url="?address_map=10.0.0.1=db1:9043,10.0.0.2=db1:9044",
    ),
    _connection(
        "keyspace",
        "str",
        default="none",
        help="The default keyspace, without quotes.",
        connecting=False,
        url="scylla://db1/shop",
    ),
    _connection(
        "username",
        "str",
        default="no authentication",
        help="The user name for password authentication.",
        capability=Capability.AUTHENTICATION,
        url="scylla://ada:secret@db1",
    ),
    _connection(
        "password",
        "secret",
        default="no authentication",
        help="The password for password authentication.",
        capability=Capability.AUTHENTICATION,
        url="scylla://ada:secret@db1",
    ),
    _connection(
        "credentials",
        "provider",
        default="username and password",
        help="The name of a provider of current credentials, asked for each login; in Python, or a function.",
        capability=Capability.AUTHENTICATION,
        secret=True,
        url="?credentials=acme-vault",
    ),
    _connection(
        "local_dc",
        "str",
        default="the backend's default policy",
        help="The preferred data centre: token-aware routing, then round-robin.",
        url="?local_dc=dc1",
    ),
    _connection(
        "local_rack",
        "str",
        default="none",
        help="The preferred rack of local_dc: its replicas first.",
        capability=Capability.RACKS,
        url="?local_rack=rack1",
    ),
    _connection(
        "application",
        "application",
        default="none",
        help="The program's name, or its name and version, for the server's list of clients.",
        capability=Capability.APPLICATION,
        url="?application=shop/1.4.2",
    ),
    _connection(
        "lazy",
        "bool",
        default="false; true for connections of a file",
        help="Connect on the first request.",
        connecting=False,
        key="",
        url="?lazy=true",
        instead="the connections of a file are always lazy",
    ),
    _connection(
        "name",
        "str",
        default='"default"',
        help="The name for get_driver(name).",
        connecting=False,
        key="",
        url="?name=reports",
        instead="in a file, [connections.NAME]",
    ),
    _connection(
        "request_timeout",
        "seconds",
        default="the backend's default, 10",
        unit="seconds",
        help="The default timeout of a round trip.",
        connecting=False,
        url="?request_timeout=2.5",
    ),
    _connection(
        "consistency",
        "consistency",
        default="the backend's default, LOCAL_ONE",
        help="The consistency level; case-insensitive.",
        scope=Scope.BOTH,
        capability=Capability.CONSISTENCY,
        connecting=False,
        url="?consistency=LOCAL_QUORUM",
    ),
    _connection(
        "serial_consistency",
        "serial consistency",
        default="the backend's default, SERIAL",
        help="The consistency level of the Paxos phase of lightweight transactions.",
        scope=Scope.BOTH,
        capability=Capability.LIGHTWEIGHT_TRANSACTIONS,
        url="?serial_consistency=LOCAL_SERIAL",
    ),
    _connection(
        "retry_policy",
        "retry policy",
        default='"default"',
        help="Whether failed requests are retried, if that is safe.",
        scope=Scope.BOTH,
        capability=Capability.RETRY_POLICY,
        url="?retry_policy=never",
    ),
    _connection(
        "speculative_execution_policy",
        "speculation",
        default="no speculation",
        unit="seconds x hosts",
        help="When to send an idempotent request to further hosts.",
        scope=Scope.BOTH,
        capability=Capability.SPECULATIVE_EXECUTION,
        url="?speculative_execution_policy=0.1x2",
    ),
    _connection(
        "protocol_version",
        "version",
        default="negotiated",
        help="The version of the native protocol, such as 4 or 5.",
        capability=Capability.PROTOCOL_VERSION,
        url="?protocol_version=4",
    ),
    _connection(
        "compression",
        "compression",
        default="the backend's default: an installed one",
        help="The compression of frames: true (any), false, lz4 or snappy.",
        capability=Capability.COMPRESSION,
        url="?compression=lz4",
    ),
    _tls(
        "ssl_enabled",
        "bool",
        default="true if another ssl_… option is set, or else false",
        help="Whether to use TLS; the default is to trust the system's authorities.",
        url="?ssl_enabled=true",
    ),
    _tls(
        "ssl_trusted_cert",
        "PEM",
        default="the system's authorities",
        help="The trusted authorities' certificates: a path, or PEM text.",
        url="?ssl_trusted_cert=ca.pem",
    ),
    _tls(
        "ssl_cert",
        "PEM",
        default="none",
        help="The client's certificate chain: a path, or PEM text.",
        url="?ssl_cert=client.pem",
    ),
    _tls(
        "ssl_private_key",
        "PEM",
        default="none",
        help="The client's private key: a path, or PEM text.",
        secret=True,
        url="?ssl_private_key=client.key",
    ),
    _tls(
        "ssl_key_password",
        "secret",
        default="the key isn't encrypted",
        help="The passphrase of the client's private key.",
        url="?ssl_key_password=secret",
    ),
    _tls(
        "ssl_hostname",
        "str",
        default="a node's name in hosts, or else its address",
        help="The name that the certificates of all nodes have.",
        capability=Capability.TLS_NAME,
        url="?ssl_hostname=db.example.org",
    ),
    _tls(
        "ssl_verify_flags",
        "verification",
        default="3",
        help="0 verifies nothing, 1 the certificate, 3 the certificate and its name or address.",
        url="?ssl_verify_flags=1",
    ),
    _tls(
        "ssl_context",
        "object",
        default="none",
        help="An ssl.SSLContext, instead of the other ssl_… options.",
        secret=True,
        key="",
        url="",
        instead="the other ssl_… options",
    ),
    _connection(
        "session",
        "object",
        default="none: coodie connects",
        help="A connected session of the backend's driver.",
        capability=Capability.SESSION,
        secret=True,
        connecting=False,
        key="",
        url="",
        instead="only in Python: init_coodie(session=…)",
    ),
    _request(
        "timeout",
        "seconds",
        default="the connection's request_timeout",
        unit="seconds",
        help="The timeout of each round trip.",
        example="timeout=60",
    ),
    _request(
        "fetch_size",
        "count",
        default="1000 in stream; otherwise, all rows are returned",
        unit="rows",
        help="The number of rows of a page; in a profile, only for stream.",
        capability=Capability.PAGING,
        example="fetch_size=5000",
    ),
    _request(
        "idempotent",
        "bool",
        default="false",
        help="Applying the request twice has the same effect as once, so retries are safe.",
        example="idempotent=true",
    ),
    _request(
        "trace",
        "bool",
        default="false",
        help="Let the server trace the request; Rows.trace_id is the id.",
        capability=Capability.TRACING,
        example="trace=true",
    ),
    _request(
        "profile",
        "str",
        default="none",
        help="The connection's request profile, with defaults for the request's options.",
        key="",
        instead="only in Python: RequestOptions(profile=…)",
    ),
    _request(
        "rows",
        "rows",
        default="dict",
        help="The shape of rows: dict, tuple, 'scalar', 'arrow', a class or another callable.",
        scope=Scope.BOTH,
        key="",
        instead="only in Python: init_coodie(rows=…)",
    ),
    _request(
        "paging_state",
        "object",
        default="the first page",
        help="The Rows.paging_state of the previous page.",
        capability=Capability.PAGING,
        key="",
        instead="only in Python, for one request",
    ),
    _request(
        "custom_payload",
        "payload",
        default="none",
        help="Bytes by name, for the server's query handler.",
        capability=Capability.CUSTOM_PAYLOAD,
        key="",
        instead="only in Python: RequestOptions(custom_payload=…)",
    ),
    _request(
        "routing_token",
        "token",
        default="none",
        help="Send the request to a replica of this token first.",
        capability=Capability.ROUTING,
        key="",
        instead="only in Python, for one request",
    ),
    _request(
        "node",
        "str",
        default="none",
        help="The only node that may serve the request: its address, address:port or host id.",
        capability=Capability.NODE,
        key="",
        instead="only in Python: RequestOptions(node=…)",
    ),
    _request(
        "timestamp",
        "timestamp",
        default="the session's timestamp",
        unit="microseconds since 1970",
        help="The write timestamp.",
        capability=Capability.TIMESTAMP,
        key="",
        instead="only in Python: RequestOptions(timestamp=…)",
    ),
    _request(
        "keyspace",
        "str",
        default="the connection's keyspace",
        help="The keyspace of unqualified table names in the statement.",
        capability=Capability.KEYSPACE,
        key="",
        instead="only in Python: RequestOptions(keyspace=…)",
    ),
    _request(
        "total_timeout",
        "seconds",
        default="none",
        unit="seconds",
        help="The timeout of the whole result, with all pages and retries.",
        capability=Capability.TOTAL_TIMEOUT,
        key="",
        instead="only in Python: RequestOptions(total_timeout=…)",
    ),
)


def _by_name() -> dict[str, Option]:
    found: dict[str, Option] = {}
    for option in _DECLARED:
        found.setdefault(option.name, option)
    return found


#: The options by name; if a connection and a request have one of the same name, the connection's.
OPTIONS: Mapping[str, Option] = _by_name()


def options_for(scope: Scope) -> tuple[Option, ...]:
    """Return the options of connections, requests or files, in the order of declaration."""
    both = () if scope is Scope.FILE else (Scope.BOTH,)
    return tuple(option for option in _DECLARED if option.scope in (scope, *both))
