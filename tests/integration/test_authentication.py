"""Passwords and permissions, on a node of its own that asks for them."""

from __future__ import annotations

import threading
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
from coodie_testing.faults import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coodie.registry import DriverRegistry
    from coodie_local import CassandraServer

pytestmark = pytest.mark.cassandra(auth=True)


_SELECT = "SELECT key FROM system.local WHERE key = ?"


def _open(node: CassandraServer, backend: str, **options: Any) -> Any:
    return coodie.init_coodie([node.host], port=node.port, driver_type=backend, **options)


@pytest.mark.parametrize(
    "credentials",
    [{}, {"username": "cassandra", "password": "marker-51c9"}, {"username": "no", "password": "no"}],
)
async def test_wrong_or_no_credentials(
    cassandra_node: CassandraServer,
    cassandra_driver: Any,
    backend: str,
    registry: DriverRegistry,
    credentials: dict[str, Any],
) -> None:
    """Both functions raise a PermissionError that shows no password."""
    assert cassandra_driver.ping()
    with pytest.raises(AuthenticationError) as caught:
        _open(cassandra_node, backend, **credentials)
    assert isinstance(caught.value, PermissionError)
    assert isinstance(caught.value, ConnectionError)
    assert "marker-51c9" not in str(caught.value) + repr(caught.value.__cause__)
    with pytest.raises(AuthenticationError):
        await coodie.init_coodie_async(
            [cassandra_node.host], port=cassandra_node.port, driver_type=backend, **credentials
        )
    assert registry.names() == ()


async def test_a_role_without_rights(
    cassandra_node: CassandraServer,
    cassandra_driver: Any,
    keyspace: str,
    backend: str,
    registry: DriverRegistry,
) -> None:
    """What a role may not do is a PermissionError; what it may do works."""
    cassandra_driver.execute(f"CREATE TABLE IF NOT EXISTS {keyspace}.t (k int PRIMARY KEY)", [])
    role = f"reader_{keyspace}"
    cassandra_driver.execute(f"CREATE ROLE IF NOT EXISTS {role} WITH PASSWORD = 'reads' AND LOGIN = true", [])
    cassandra_driver.execute(f"GRANT SELECT ON {keyspace}.t TO {role}", [])
    with _open(cassandra_node, backend, username=role, password="reads") as reader:
        assert reader.execute(f"SELECT k FROM {keyspace}.t", []) == []
        with pytest.raises(UnauthorizedError) as caught:
            await reader.execute_async(f"INSERT INTO {keyspace}.t (k) VALUES (1)", [])
        assert isinstance(caught.value, PermissionError)
        with pytest.raises(UnauthorizedError):
            reader.execute(f"DROP TABLE {keyspace}.t", [])


def test_a_programs_role(
    cassandra_node: CassandraServer,
    cassandra_driver: Any,
    keyspace: str,
    backend: str,
    registry: DriverRegistry,
) -> None:
    """With SELECT and MODIFY on its keyspace a program reads and writes in every way."""
    role = f"shop_{keyspace}"
    columns = [ColumnDefinition("k", "int", primary_key=True), ColumnDefinition("v", "text")]
    cassandra_driver.sync_table("items", keyspace, columns)
    cassandra_driver.execute(f"CREATE ROLE IF NOT EXISTS {role} WITH PASSWORD = 'sells' AND LOGIN = true", [])
    for permission in ("SELECT", "MODIFY"):
        cassandra_driver.execute(f"GRANT {permission} ON KEYSPACE {keyspace} TO {role}", [])
    insert = f"INSERT INTO {keyspace}.items (k, v) VALUES (?, ?)"
    with _open(cassandra_node, backend, username=role, password="sells", keyspace=keyspace) as shop:
        shop.execute(insert, [1, "a"])
        shop.execute_batch([(insert, [2, "b"]), (f"DELETE FROM {keyspace}.items WHERE k = ?", [1])])
        assert shop.execute(f"{insert} IF NOT EXISTS", [2, "c"]).applied is False
        assert shop.execute_many(insert, ([k, "m"] for k in range(3, 10))).succeeded == 7
        assert len(list(shop.stream(f"SELECT k FROM {keyspace}.items", fetch_size=3))) == 8
        assert shop.sync_table("items", keyspace, columns) == []


async def test_a_role_that_may_not_change_the_schema(
    cassandra_node: CassandraServer,
    cassandra_driver: Any,
    keyspace: str,
    backend: str,
    registry: DriverRegistry,
) -> None:
    """sync_table says what to grant, having changed nothing; a table in order needs no rights."""
    key = ColumnDefinition("k", "int", primary_key=True)
    cassandra_driver.sync_table("synced", keyspace, [key])
    role = f"syncer_{keyspace}"
    cassandra_driver.execute(f"CREATE ROLE IF NOT EXISTS {role} WITH PASSWORD = 'syncs' AND LOGIN = true", [])
    grown = [key, ColumnDefinition("x", "int", index=True)]
    with _open(cassandra_node, backend, username=role, password="syncs") as syncer:
        assert syncer.sync_table("synced", keyspace, [key]) == []
        assert len(await syncer.sync_table_async("synced", keyspace, grown, dry_run=True)) == 2
        with pytest.raises(SchemaPermissionError, match="Grant the role CREATE and ALTER") as caught:
            await syncer.sync_table_async("synced", keyspace, grown)
        assert isinstance(caught.value, PermissionError)
        assert isinstance(caught.value.__cause__, UnauthorizedError)
        assert (caught.value.executed, len(caught.value.remaining)) == ((), 1)
        with pytest.raises(SchemaPermissionError, match="CREATE ON ALL KEYSPACES"):
            syncer.sync_table("t", "nowhere", [key], options=SyncOptions(create_keyspace=SimpleStrategy(1)))
        cassandra_driver.execute(f"GRANT CREATE ON KEYSPACE {keyspace} TO {role}", [])
        cassandra_driver.execute(f"GRANT ALTER ON KEYSPACE {keyspace} TO {role}", [])
        waiting = SyncOptions(wait_for_indexes=30)
        with pytest.raises(SchemaPermissionError, match="GRANT SELECT ON system") as caught:
            _until_granted(lambda: syncer.sync_table("synced", keyspace, grown, options=waiting))
        assert len(caught.value.executed) == 2
        cassandra_driver.execute(f'GRANT SELECT ON system."IndexInfo" TO {role}', [])
        assert _until_granted(lambda: syncer.sync_table("synced", keyspace, grown, options=waiting)) == []


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
    cassandra_node: CassandraServer, backend: str, registry: DriverRegistry
) -> None:
    """Two ways at once contradict each other."""
    from cassandra.auth import PlainTextAuthProvider

    login = cassandra_node.connection_options()
    provider = PlainTextAuthProvider(login["username"], login["password"])
    with pytest.raises(ConfigurationError, match="auth_provider"):
        _open(cassandra_node, backend, username="a", password="b", auth_provider=provider)
    _open(cassandra_node, backend, auth_provider=provider).close()


@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
async def test_a_rotated_password(
    cassandra_node: CassandraServer,
    cassandra_driver: Any,
    keyspace: str,
    backend: str,
    fast_path: bool,
    tmp_path: Path,
    registry: DriverRegistry,
) -> None:
    """New connections log in with the credentials that the files have then, without a restart."""
    roles = [f"{name}_{keyspace}_{fast_path}".lower().replace(" ", "") for name in ("old", "new")]
    for role in roles:
        cassandra_driver.execute(f"CREATE ROLE {role} WITH PASSWORD = 'marker-{role}' AND LOGIN = true", [])
    user, secret, config = (tmp_path / name for name in ("user", "secret", "coodie.toml"))

    def rotate(role: str) -> None:
        user.write_text(role)
        secret.write_text(f"marker-{role}\n")

    def logins() -> set[str]:
        rows = cassandra_driver.execute("SELECT username FROM system_views.clients")
        return {row["username"] for row in rows if row["username"] in roles}

    rotate(roles[0])
    with FaultProxy(cassandra_node.host, cassandra_node.port) as proxy:
        config.write_text(
            f'[connections.main]\ndriver = "{backend}"\nhosts = ["{proxy.host}:{proxy.port}"]\n'
            'username = "{file:user}"\npassword = "{file:secret}"\n'
            f"[connections.main.options]\nfast_path = {str(fast_path).lower()}\n"
        )
        coodie.load_config(config)
        with coodie.get_driver("main") as driver:
            assert driver.execute(_SELECT, ["local"]) == await driver.execute_async(_SELECT, ["local"])
            assert logins() == {roles[0]}
            rotate(roles[1])
            proxy.cut()
            deadline = time.monotonic() + 20
            while not (await driver.ping_async() and driver.ping() and logins() == {roles[1]}):
                assert time.monotonic() < deadline
            assert driver.execute(_SELECT, ["local"]) == await driver.execute_async(_SELECT, ["local"])
            assert logins() == {roles[1]}
            assert "marker-" not in repr(driver) + repr(vars(driver))


async def test_credentials_from_a_function(
    cassandra_node: CassandraServer, cassandra_driver: Any, backend: str, registry: DriverRegistry
) -> None:
    """The function is asked for each login, in no event loop's thread; its failure is one of our errors."""
    login = cassandra_node.connection_options()
    asked: list[str] = []

    def current() -> coodie.Credentials:
        asked.append(threading.current_thread().name)
        return coodie.Credentials(login["username"], login["password"])

    assert cassandra_driver.ping()
    driver = await coodie.init_coodie_async(
        [cassandra_node.host], port=cassandra_node.port, driver_type=backend, credentials=current
    )
    await driver.execute_async("SELECT key FROM system.local", [])
    await driver.close_async()
    assert len(asked) >= 3  # when it was opened, the control connection's, a pool's
    assert threading.main_thread().name not in asked

    def fails() -> coodie.Credentials:
        raise KeyError("marker-51c9")

    for provider in (fails, lambda: ("ada", "marker-51c9")):
        with pytest.raises((AuthenticationError, ConfigurationError)) as caught:
            _open(cassandra_node, backend, credentials=provider)
        assert "marker-51c9" not in str(caught.value)
