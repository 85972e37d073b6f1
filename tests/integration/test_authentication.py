"""Passwords and permissions, on a node of its own that asks for them."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

import coodie
from coodie.exceptions import (
    AuthenticationError,
    ConfigurationError,
    SchemaPermissionError,
    UnauthorizedError,
)
from coodie.schema import ColumnDefinition, SimpleStrategy, SyncOptions
from coodie_local import LocalNode, _cassandra_yaml, _launch, _native, _readiness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie.registry import DriverRegistry

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(
        bool(os.environ.get("COODIE_HOSTS")), reason="the server that COODIE_HOSTS names has no roles"
    ),
]

_SETTINGS = {
    "authenticator": "PasswordAuthenticator",
    "authorizer": "CassandraAuthorizer",
    "role_manager": "CassandraRoleManager",
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    """Start a node with roles; it is ready when it asks who is there."""
    plain = _cassandra_yaml.cassandra_yaml

    def asks(host: str, port: int, _access: object) -> bool:
        try:
            _native.run_statement(host, port, "SELECT key FROM system.local", timeout=2.0)
        except _native.RefusedError as exc:
            return "asks for a password" in str(exc)
        except OSError:
            return False
        return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_launch, "cassandra_yaml", lambda plan: json.dumps(json.loads(plain(plan)) | _SETTINGS))
        patch.setattr(_readiness, "is_ready", asks)
        with LocalNode("guarded", directory=tmp_path_factory.mktemp("guarded")) as node:
            yield node


def _open(node: LocalNode, backend: str, **options: Any) -> Any:
    return coodie.init_coodie([node.host], port=node.port, driver_type=backend, **options)


@pytest.fixture(scope="module")
def superuser(guarded: LocalNode, backend: str) -> Iterator[Any]:
    """Log in as the role that every new cluster has, as soon as it is there."""
    deadline = time.monotonic() + 30
    driver = None
    while driver is None:
        try:
            driver = _open(guarded, backend, username="cassandra", password="cassandra")
        except AuthenticationError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    yield driver
    driver.close()


@pytest.mark.parametrize(
    "credentials",
    [{}, {"username": "cassandra", "password": "marker-51c9"}, {"username": "no", "password": "no"}],
)
async def test_wrong_or_no_credentials(
    guarded: LocalNode, superuser: Any, backend: str, registry: DriverRegistry, credentials: dict[str, Any]
) -> None:
    """Both functions raise a PermissionError that shows no password."""
    assert superuser.ping()
    with pytest.raises(AuthenticationError) as caught:
        _open(guarded, backend, **credentials)
    assert isinstance(caught.value, PermissionError)
    assert isinstance(caught.value, ConnectionError)
    assert "marker-51c9" not in str(caught.value) + repr(caught.value.__cause__)
    with pytest.raises(AuthenticationError):
        await coodie.init_coodie_async([guarded.host], port=guarded.port, driver_type=backend, **credentials)
    assert registry.names() == ()


async def test_a_role_without_rights(
    guarded: LocalNode, superuser: Any, backend: str, registry: DriverRegistry
) -> None:
    """What a role may not do is a PermissionError; what it may do works."""
    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    superuser.execute(f"CREATE KEYSPACE IF NOT EXISTS guarded WITH replication = {replication}", [])
    superuser.execute("CREATE TABLE IF NOT EXISTS guarded.t (k int PRIMARY KEY)", [])
    superuser.execute("CREATE ROLE IF NOT EXISTS reader WITH PASSWORD = 'reads' AND LOGIN = true", [])
    superuser.execute("GRANT SELECT ON guarded.t TO reader", [])
    with _open(guarded, backend, username="reader", password="reads") as reader:
        assert reader.execute("SELECT k FROM guarded.t", []) == []
        with pytest.raises(UnauthorizedError) as caught:
            await reader.execute_async("INSERT INTO guarded.t (k) VALUES (1)", [])
        assert isinstance(caught.value, PermissionError)
        with pytest.raises(UnauthorizedError):
            reader.execute("DROP TABLE guarded.t", [])


async def test_a_role_that_may_not_change_the_schema(
    guarded: LocalNode, superuser: Any, backend: str, registry: DriverRegistry
) -> None:
    """sync_table says what to grant, having changed nothing; a table in order needs no rights."""
    replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    superuser.execute(f"CREATE KEYSPACE IF NOT EXISTS guarded WITH replication = {replication}", [])
    key = ColumnDefinition("k", "int", primary_key=True)
    superuser.sync_table("synced", "guarded", [key])
    superuser.execute("CREATE ROLE IF NOT EXISTS syncer WITH PASSWORD = 'syncs' AND LOGIN = true", [])
    grown = [key, ColumnDefinition("x", "int", index=True)]
    with _open(guarded, backend, username="syncer", password="syncs") as syncer:
        assert syncer.sync_table("synced", "guarded", [key]) == []
        assert len(await syncer.sync_table_async("synced", "guarded", grown, dry_run=True)) == 2
        with pytest.raises(SchemaPermissionError, match="Grant the role CREATE and ALTER") as caught:
            await syncer.sync_table_async("synced", "guarded", grown)
        assert isinstance(caught.value, PermissionError)
        assert isinstance(caught.value.__cause__, UnauthorizedError)
        assert (caught.value.executed, len(caught.value.remaining)) == ((), 1)
        with pytest.raises(SchemaPermissionError, match="CREATE ON ALL KEYSPACES"):
            syncer.sync_table("t", "nowhere", [key], options=SyncOptions(create_keyspace=SimpleStrategy(1)))
        superuser.execute("GRANT CREATE ON KEYSPACE guarded TO syncer", [])
        superuser.execute("GRANT ALTER ON KEYSPACE guarded TO syncer", [])
        waiting = SyncOptions(wait_for_indexes=30)
        with pytest.raises(SchemaPermissionError, match="GRANT SELECT ON system") as caught:
            _until_granted(lambda: syncer.sync_table("synced", "guarded", grown, options=waiting))
        assert len(caught.value.executed) == 2
        superuser.execute('GRANT SELECT ON system."IndexInfo" TO syncer', [])
        assert _until_granted(lambda: syncer.sync_table("synced", "guarded", grown, options=waiting)) == []


def _until_granted(call: Callable[[], Any]) -> Any:
    """Call until permissions, which the node remembers for two seconds, are those that were granted."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return call()
        except SchemaPermissionError as exc:
            if exc.executed or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_credentials_beside_an_auth_provider(
    guarded: LocalNode, backend: str, registry: DriverRegistry
) -> None:
    """Two ways at once contradict each other."""
    from cassandra.auth import PlainTextAuthProvider

    provider = PlainTextAuthProvider("cassandra", "cassandra")
    with pytest.raises(ConfigurationError, match="auth_provider"):
        _open(guarded, backend, username="a", password="b", auth_provider=provider)
    _open(guarded, backend, auth_provider=provider).close()
