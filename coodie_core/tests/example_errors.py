"""Each error of the tree as it comes about, for the message that its section shows."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import cassandra
from cassandra import ConsistencyLevel, WriteType, protocol
from cassandra.cluster import NoHostAvailable
from cassandra.cqltypes import Int32Type, UTF8Type
from coodie_core.tests.distributions import announcing, config_for, host_with
from coodie_core.tests.schema.conftest import RowServer

import coodie
from coodie.capabilities import Capability, require
from coodie.config import build_config
from coodie.contract.many import ManyRun, run_with_threads
from coodie.drivers._lifecycle import Lifecycle
from coodie.drivers._server_errors import error_of
from coodie.drivers.cassandra._errors import Fate, translate
from coodie.drivers.cassandra.values.binding import bind_values, binders
from coodie.exceptions import UnauthorizedError
from coodie.observers import activate_observer, register_observer
from coodie.paging import open_paging_state
from coodie.plugins import check_module_owner
from coodie.plugins.allowlist import DistributionAllowlist
from coodie.plugins.selection import select
from coodie.protocol.error_codes import Write
from coodie.protocol.server_errors import ServerError
from coodie.rows import Rows
from coodie.schema import ColumnDefinition as Column
from coodie.schema import errors, sync_table
from coodie.schema.desired import desired_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coodie_core.tests.distributions import Site

__all__ = ["EXAMPLES"]

_INSERT = "INSERT INTO shop.items (id, name) VALUES (?, ?)"
_ADD = "ALTER TABLE shop.items ADD name text"
_HOOK = "from coodie.plugins import hookimpl\n@hookimpl\ndef coodie_open_driver(config):\n    "
_COUNTS: dict[str, Any] = {
    "consistency": ConsistencyLevel.QUORUM,
    "required_responses": 2,
    "received_responses": 1,
}


def _bind(*values: Any) -> None:
    """Bind values to an int and a text."""
    types = {"id": Int32Type, "name": UTF8Type}
    markers = [protocol.ColumnMetadata("shop", "items", name, kind) for name, kind in types.items()]
    bind_values(markers, binders(markers), values, _INSERT)


#: A write that was sent.
_WRITTEN = Fate(Write.SINGLE, sent=True)


def _server(kind: Any, text: str) -> Exception:
    """Return what becomes of a frame with an error of the server's."""
    return translate(kind(code=kind.error_code, message=text, info=None), fate=_WRITTEN)


def _failed(kind: Any, **info: Any) -> Exception:
    """Return what becomes of a frame in which the coordinator tells that replicas failed."""
    text = "Operation failed - received 1 responses and 1 failures"
    info |= {"failures": 1, **_COUNTS}
    return translate(kind(code=kind.error_code, message=text, info=info).to_exception(), fate=_WRITTEN)


def _said(code: int, text: str, **details: Any) -> Exception:
    """Return what becomes of an ERROR whose fields the drivers drop."""
    return error_of(ServerError(code, text, details), None, _WRITTEN)


def _wanted() -> Any:
    columns = [Column("id", "int", primary_key=True), Column("name", "text")]
    return desired_table("items", "shop", columns, None)


def _other_shape() -> None:
    """Sync a table that is there with another type."""
    server = RowServer()
    server.add_table("items", "id int pk0", "name int")

    def execute(stmt: str, params: Any) -> Any:
        return server.answer(stmt, tuple(params))

    columns = [Column("id", "int", primary_key=True), Column("name", "text")]
    sync_table(SimpleNamespace(execute=execute), "items", "ks", columns)


def _configuration(path: Path) -> None:
    file = path / "coodie.toml"
    file.write_text('[connections.shop]\ndriver = "scylla"\nprot = 9042\nconsistency = "QUORM"\n')
    coodie.load_config(file)


def _missing(site: Site) -> None:
    """Name a backend whose client isn't installed."""
    site.install(
        "acme-db",
        "2.0",
        entry_points=announcing("acme", "acme_plugin"),
        files={"acme_plugin.py": "import acme_client\n"},
        metadata="Metadata-Version: 2.1\nName: acme-db\nVersion: 2.0\nRequires-Dist: acme-client>=3\n",
    )
    coodie.init_coodie(driver_type="acme", hosts=["db1"])


def _select(site: Site, **announced: tuple[str, int]) -> None:
    """Name a backend that these distributions announce, for a version of the contract."""
    for name, (version, api) in announced.items():
        points = announcing("acme", "no_such_module", api)
        site.install(name.replace("_", "-"), version, entry_points=points)
    select(site.index(), DistributionAllowlist(), "acme", None)


def _blocked(site: Site) -> None:
    site.install("acme-db", "2.0", entry_points=announcing("acme", "no_such_module"))
    with mock.patch.dict(os.environ, COODIE_BLOCK="acme-db"):
        select(site.index(), DistributionAllowlist(), "acme", None)


def _overwritten(site: Site) -> None:
    """Let the one install over the other's files."""
    for name in ("quokka-driver", "wombat-driver"):
        site.install(name, "3.1", files={"quokka_wombat/__init__.py": name})
    check_module_owner("quokka_wombat", "quokka-driver", ("wombat-driver",), driver_type="quokka")


def _many() -> None:
    def execute(_params: Any) -> Any:
        raise UnauthorizedError("The role lacks a permission.")

    nobody: dict[str, Any] = {"on_result": None, "on_progress": None}
    run_with_threads(ManyRun(_INSERT, [[1, "lamp"]], concurrency=1, raise_on_error=True, **nobody), execute)


def _closed() -> None:
    lifetime = Lifecycle()
    lifetime.closed = True
    lifetime.check()


#: Class → what raises or returns such an error. It gets a site-packages directory of its own.
EXAMPLES: dict[str, Callable[[Site], Any]] = {
    "ConfigurationError": lambda _: build_config(hosts=["db1"], port=99999),
    "ObserverLoadError": lambda _: activate_observer("requstlog"),
    "NotAnObserverError": lambda _: register_observer(object()),
    "ConfigFileError": lambda site: _configuration(site.path),
    "DriverLoadError": lambda site: host_with(site, f"{_HOOK}raise RuntimeError('boom')\n").open(
        config_for()
    ),
    "DriverNotFoundError": lambda site: select(site.index(), DistributionAllowlist(), "scyla", None),
    "DriverImportError": lambda site: host_with(site, "raise RuntimeError('boom')\n").open(config_for()),
    "DriverDependencyError": _missing,
    "DriverApiVersionError": lambda site: _select(site, acme_db=("2.0", 7)),
    "NotADriverError": lambda site: host_with(site, "").open(config_for()),
    "DuplicateDriverError": lambda site: _select(site, acme_db=("1.0", 1), acme_fork=("2.0", 1)),
    "DriverBlockedError": _blocked,
    "OverwrittenModuleError": _overwritten,
    "DriverClosedError": lambda _: _closed(),
    "UnsupportedError": lambda _: require(frozenset(), Capability.PAGING, "fetch_size", "driver_type='acme'"),
    "ConnectionFailedError": lambda _: translate(
        NoHostAvailable("", {"192.0.2.1:9042": ConnectionRefusedError(111, "Connection refused")})
    ),
    "ConnectionLostError": lambda _: translate(
        ConnectionResetError(104, "reset by peer"), fate=_WRITTEN._replace(host="192.0.2.1:9042")
    ),
    "AuthenticationError": lambda _: translate(
        cassandra.AuthenticationFailed("Provided username ada and/or password are incorrect")
    ),
    "SchemaError": lambda _: _other_shape(),
    "SchemaTimeoutError": lambda _: errors.indexes_not_built(_wanted(), {"items_name_idx": 1}, 3, 30, ()),
    "SchemaPermissionError": lambda _: errors.failed(
        _wanted(),
        UnauthorizedError("The role lacks a permission: no ALTER on <table shop.items>."),
        (),
        [_ADD],
    ),
    "SchemaConnectionError": lambda _: errors.failed(
        _wanted(), translate(ConnectionResetError("reset by peer")), (), [_ADD]
    ),
    "RequestError": lambda _: translate(RuntimeError("something that coodie doesn't know")),
    "InvalidQueryError": lambda _: translate(
        cassandra.InvalidRequest("Undefined column name rain in table weather.readings")
    ),
    "QuerySyntaxError": lambda _: _server(
        protocol.SyntaxException, "line 1:0 no viable alternative at input 'SELEC' ([SELEC]...)"
    ),
    "AlreadyExistsError": lambda _: translate(cassandra.AlreadyExists("shop", "items")),
    "ParameterError": lambda _: _bind(1),
    "ParameterTypeError": lambda _: _bind("one", "lamp"),
    "RowCountError": lambda _: Rows([{"id": 1}, {"id": 2}]).one(),
    "PagingStateError": lambda _: open_paging_state(b"cut", "SELECT * FROM shop.items"),
    "UnauthorizedError": lambda _: translate(
        cassandra.Unauthorized(
            "User ada has no SELECT permission on <table shop.items> or any of its parents"
        )
    ),
    "RequestTimeoutError": lambda _: translate(
        cassandra.OperationTimedOut({}, "10.0.0.1:9042"), timeout=2.5, fate=_WRITTEN
    ),
    "ReadTimeoutError": lambda _: translate(cassandra.ReadTimeout("", data_retrieved=True, **_COUNTS)),
    "WriteTimeoutError": lambda _: translate(
        cassandra.WriteTimeout("", write_type=WriteType.SIMPLE, **_COUNTS), fate=_WRITTEN
    ),
    "CasWriteUnknownError": lambda _: error_of(
        ServerError(0x1700, "", {"consistency": 8, "required": 2, "received": 1}),
        None,
        Fate(Write.CONDITIONAL, sent=True),
    ),
    "UnavailableError": lambda _: translate(
        cassandra.Unavailable("", consistency=ConsistencyLevel.QUORUM, required_replicas=2, alive_replicas=1)
    ),
    "OverloadedError": lambda _: _server(protocol.OverloadedErrorMessage, "Too many requests in flight"),
    "RateLimitedError": lambda _: _said(
        0x4321,
        "Per-partition rate limit reached for write in table shop.items, rejected by coordinator",
        op_type=1,
        rejected_by_coordinator=True,
    ),
    "ServerError": lambda _: _server(protocol.ServerError, "java.lang.NullPointerException"),
    "ReadFailureError": lambda _: _failed(protocol.ReadFailureMessage, data_retrieved=False),
    "WriteFailureError": lambda _: _failed(protocol.WriteFailureMessage, write_type=WriteType.SIMPLE),
    "FunctionFailureError": lambda _: translate(
        cassandra.FunctionFailure("java.lang.ArithmeticException: / by zero", "shop", "ratio", ["int", "int"])
    ),
    "ExecuteManyError": lambda _: _many(),
}
