"""Every option that core knows, declared once, as data.

Validation, the forms in URLs, files and environment variables, the reference table of the
documentation, ``--help`` and the JSON schema are made from this table. A backend's own options are
declared by the backend (``coodie.plugins.OptionDescription``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from coodie.capabilities import Capability

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OPTIONS", "Option", "Scope", "options_for"]


class Scope(str, Enum):
    """For what an option is given."""

    #: To ``init_coodie``, in a URL, for a connection of the file.
    CONNECTION = "connection"
    #: With one request, or in a request profile.
    REQUEST = "request"
    #: Either; the request's wins.
    BOTH = "both"
    #: To a configuration file as a whole.
    FILE = "file"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One option; nothing of it may be left unsaid.

    Args:
        name: As given to ``init_coodie``, to a method of drivers or to ``RequestOptions``.
        type: One of ``coodie.options.VALUE_TYPES``.
        default: What holds without it, in words.
        unit: Of its value; "" for what has none.
        help: One line.
        scope: For what it is given.
        capability: What a backend must be able to do for it; None: every backend takes it.
        secret: Its value is never shown.
        connecting: It only makes sense where the connection is made: a session has been connected.
        key: As written in a file; in capitals, the last part of an environment variable. "" for what
            can be given in Python alone.
        url: An example of its form in a URL; "" where it has none.
        instead: What to write in the place of a form that it doesn't have; "" where it has all.
    """

    name: str
    type: str
    default: str
    unit: str
    help: str
    scope: Scope
    capability: Capability | None
    secret: bool
    connecting: bool
    key: str
    url: str
    instead: str

    @property
    def for_connections(self) -> bool:
        """Whether a connection may be given it."""
        return self.scope in (Scope.CONNECTION, Scope.BOTH)

    @property
    def for_requests(self) -> bool:
        """Whether a request may be given it."""
        return self.scope in (Scope.REQUEST, Scope.BOTH)


def _connection(name: str, kind: str, **said: Any) -> Option:
    """Declare an option of connecting, with the words that hold for most of them."""
    usual: dict[str, Any] = {
        "unit": "",
        "scope": Scope.CONNECTION,
        "capability": None,
        "secret": False,
        "connecting": True,
        "key": name,
        "instead": "",
    }
    return Option(name=name, type=kind, **(usual | said))


def _request(name: str, kind: str, **said: Any) -> Option:
    """Declare an option of requests, with the words that hold for most of them."""
    usual: dict[str, Any] = {
        "url": f"?profiles.reports.{said.pop('example')}" if "example" in said else "",
        "unit": "",
        "scope": Scope.REQUEST,
        "secret": False,
        "connecting": False,
        "key": name,
        "instead": "",
    }
    return Option(name=name, type=kind, **(usual | said))


def _file(name: str, kind: str, **said: Any) -> Option:
    """Declare an option of a configuration file as a whole."""
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
        default='the connection named "default", else the first',
        help="The connection that get_driver() returns.",
        instead="register_driver(…, default=True)",
    ),
    _file(
        "allow",
        "names",
        default="all that are installed",
        help="The only distributions that may serve as backends.",
        instead="COODIE_ALLOW, or coodie.plugins.allow_only(…)",
    ),
    _file(
        "block",
        "names",
        default="none",
        help="Distributions that may not serve as backends.",
        instead="COODIE_BLOCK, or coodie.plugins.block(…)",
    ),
    _file(
        "observers",
        "names",
        default="none",
        help="Observers to switch on: requestlog, counters, otel, an installed one's, module:attribute.",
        instead="register_observer(…)",
    ),
    _connection(
        "url",
        "secret",
        default="none",
        help="A connection's URL; the other keys beside it win over its parts.",
        secret=True,
        connecting=False,
        url="",
        instead="coodie.connect(url)",
    ),
    _connection(
        "driver_type",
        "str",
        default='"scylla"',
        help="The backend; behind an @, the distribution to take it from.",
        connecting=False,
        key="driver",
        url="scylla://db1",
    ),
    _connection(
        "distribution",
        "str",
        default="the one that announces it",
        help="The distribution that the backend has to come from.",
        connecting=False,
        url="?distribution=coodie-scylla",
    ),
    _connection(
        "hosts",
        "hosts",
        default="an error, unless there is a session or the backend starts its own server",
        help="Contact points, names or addresses, without a port.",
        url="scylla://db1,[2001:db8::1]",
    ),
    _connection(
        "port",
        "port",
        default="9042",
        help="The native protocol's port, the same on all hosts.",
        url="scylla://db1:9142",
    ),
    _connection(
        "keyspace",
        "str",
        default="none",
        help="The default keyspace's plain name, unquoted.",
        connecting=False,
        url="scylla://db1/shop",
    ),
    _connection(
        "username",
        "str",
        default="no authentication",
        help="For password authentication, with password.",
        capability=Capability.AUTHENTICATION,
        url="scylla://ada:secret@db1",
    ),
    _connection(
        "password",
        "secret",
        default="no authentication",
        help="The username's secret.",
        capability=Capability.AUTHENTICATION,
        secret=True,
        url="scylla://ada:secret@db1",
    ),
    _connection(
        "local_dc",
        "str",
        default="the backend's default policy",
        help="The data centre to prefer: token-aware, then round-robin in it.",
        url="?local_dc=dc1",
    ),
    _connection(
        "lazy",
        "bool",
        default="connect now; connections of a file: at the first request",
        help="Connect at the first request.",
        connecting=False,
        key="",
        url="?lazy=true",
        instead="the connections of a file are always lazy",
    ),
    _connection(
        "name",
        "str",
        default='"default"',
        help="Under which get_driver(name) finds the connection.",
        connecting=False,
        key="",
        url="?name=reports",
        instead="in a file, [connections.NAME]",
    ),
    _connection(
        "request_timeout",
        "seconds",
        default="the backend's, 10",
        unit="seconds",
        help="How long a round trip may take that isn't told otherwise.",
        connecting=False,
        url="?request_timeout=2.5",
    ),
    _connection(
        "consistency",
        "consistency",
        default="the backend's, LOCAL_ONE",
        help="How many replicas have to answer; in any case.",
        scope=Scope.BOTH,
        capability=Capability.CONSISTENCY,
        connecting=False,
        url="?consistency=LOCAL_QUORUM",
    ),
    _connection(
        "serial_consistency",
        "serial consistency",
        default="the backend's, SERIAL",
        help="For the Paxos phase of lightweight transactions.",
        scope=Scope.BOTH,
        capability=Capability.LIGHTWEIGHT_TRANSACTIONS,
        url="?serial_consistency=LOCAL_SERIAL",
    ),
    _connection(
        "retry_policy",
        "retry policy",
        default='"default"',
        help="Whether a failed request is sent again, where that is safe.",
        scope=Scope.BOTH,
        capability=Capability.RETRY_POLICY,
        url="?retry_policy=never",
    ),
    _connection(
        "speculative_execution_policy",
        "speculation",
        default="no speculation",
        unit="seconds x hosts",
        help="When to ask further hosts; fires for idempotent requests alone.",
        scope=Scope.BOTH,
        capability=Capability.SPECULATIVE_EXECUTION,
        url="?speculative_execution_policy=0.1x2",
    ),
    _connection(
        "protocol_version",
        "version",
        default="negotiated",
        help="The native protocol's version, such as 4 or 5.",
        capability=Capability.PROTOCOL_VERSION,
        url="?protocol_version=4",
    ),
    _connection(
        "compression",
        "compression",
        default="the backend's: what is importable",
        help="Of frames: true (any), false, lz4 or snappy.",
        capability=Capability.COMPRESSION,
        url="?compression=lz4",
    ),
    _connection(
        "ssl_enabled",
        "bool",
        default="plain text, unless another ssl_… option asks for TLS",
        help="TLS, by the system's authorities where none is given.",
        capability=Capability.TLS,
        url="?ssl_enabled=true",
    ),
    _connection(
        "ssl_trusted_cert",
        "PEM",
        default="the system's authorities",
        help="The authority's certificates: a path, or PEM text.",
        capability=Capability.TLS,
        url="?ssl_trusted_cert=ca.pem",
    ),
    _connection(
        "ssl_cert",
        "PEM",
        default="none",
        help="The client's certificate chain: a path, or PEM text.",
        capability=Capability.TLS,
        url="?ssl_cert=client.pem",
    ),
    _connection(
        "ssl_private_key",
        "PEM",
        default="none",
        help="The client's key: a path, or PEM text; unencrypted.",
        capability=Capability.TLS,
        secret=True,
        url="?ssl_private_key=client.key",
    ),
    _connection(
        "ssl_verify_flags",
        "verification",
        default="3",
        help="0 verifies nothing, 1 the certificate, 3 that it names the address, too.",
        capability=Capability.TLS,
        url="?ssl_verify_flags=1",
    ),
    _connection(
        "ssl_context",
        "object",
        default="plain text, unless an ssl_… option asks for TLS",
        help="A ready ssl.SSLContext.",
        capability=Capability.TLS,
        secret=True,
        key="",
        url="",
        instead="the other ssl_… options",
    ),
    _connection(
        "session",
        "object",
        default="coodie connects",
        help="A connected session of the backend's that you made.",
        capability=Capability.SESSION,
        secret=True,
        connecting=False,
        key="",
        url="",
        instead="a session is an object of your program: init_coodie(session=…)",
    ),
    _request(
        "timeout",
        "seconds",
        default="the connection's request_timeout",
        unit="seconds",
        help="How long each round trip may take.",
        capability=None,
        example="timeout=60",
    ),
    _request(
        "fetch_size",
        "count",
        default="1000 in stream; elsewhere all rows are returned",
        unit="rows",
        help="Rows to a page; in a profile, of stream.",
        capability=Capability.PAGING,
        example="fetch_size=5000",
    ),
    _request(
        "idempotent",
        "bool",
        default="false",
        help="Applying the request twice is the same as once, so that it may be sent again.",
        capability=None,
        example="idempotent=true",
    ),
    _request(
        "trace",
        "bool",
        default="false",
        help="Have the server trace the request; the id is Rows.trace_id.",
        capability=Capability.TRACING,
        example="trace=true",
    ),
    _request(
        "profile",
        "str",
        default="none",
        help="The connection's request profile whose values hold where the call gives none.",
        capability=None,
        key="",
        instead="it is what a call names: RequestOptions(profile=…)",
    ),
    _request(
        "paging_state",
        "object",
        default="the first page",
        help="Rows.paging_state of the page before.",
        capability=Capability.PAGING,
        key="",
        instead="it belongs to one page of one request",
    ),
    _request(
        "custom_payload",
        "payload",
        default="none",
        help="Name → bytes, handed to the server's query handler.",
        capability=Capability.CUSTOM_PAYLOAD,
        key="",
        instead="bytes are given in Python: RequestOptions(custom_payload=…)",
    ),
)

#: Name → the option.
OPTIONS: Mapping[str, Option] = {option.name: option for option in _DECLARED}


def options_for(scope: Scope) -> tuple[Option, ...]:
    """Return the options of connections, of requests or of files, in the order of the table."""
    both = () if scope is Scope.FILE else (Scope.BOTH,)
    return tuple(option for option in _DECLARED if option.scope in (scope, *both))
