"""The driver_type ``local``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from importlib_metadata import distributions

from coodie.drivers import init_coodie, init_coodie_async
from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    DriverBlockedError,
    DriverClosedError,
    DriverLoadError,
    DriverNotFoundError,
    OverwrittenModuleError,
)
from coodie.options.connection import ConnectionConfig
from coodie.plugins import installed_drivers
from coodie.plugins.discovery import DriverIndex
from coodie.plugins.host import PluginHost
from coodie.registry import DriverRegistry, using_registry
from coodie.registry.registry import current_registry
from coodie_local import LocalNode, NodeInUseError, Security, _backends, plugin
from coodie_testing.children import in_a_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from importlib_metadata import Distribution


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set the nodes' directory to the test's."""
    monkeypatch.setenv("COODIE_LOCAL_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "nodes"


@pytest.fixture(autouse=True)
def registry() -> Iterator[DriverRegistry]:
    """Return a separate registry, and close its drivers after the test."""
    with using_registry(DriverRegistry()) as registry:
        yield registry
        for name in registry.names():
            registry.get(name).close()


def announce_of_others(directory: Path, distribution: str, driver_type: str, version: int = 1) -> None:
    """Write the metadata of a third-party distribution that provides one of coodie's backends."""
    info = directory / f"{distribution.replace('-', '_')}-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.0\n")
    point = f"{driver_type} = acme.plugin\n"
    text = f"[coodie.drivers]\n{point}\n[coodie.driver_api.{version}]\n{point}"
    (info / "entry_points.txt").write_text(text)


def announce(directory: Path, *names: str) -> None:
    """Write the metadata of distributions that provide backends."""
    for name in ("core", "local", *names):
        info = directory / f"coodie_{name}-0.1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: coodie-{name}\nVersion: 0.1.0\n")
        if name == "core":
            continue
        point = f"{name} = coodie_{name}.plugin\n"
        (info / "entry_points.txt").write_text(f"[coodie.drivers]\n{point}\n[coodie.driver_api.1]\n{point}")


def session_of(driver: Any) -> Any:
    """Return the backend's session."""
    return driver.session


def distributions_in(directory: Path, **name: str) -> Iterable[Distribution]:
    """Read the metadata of the distributions in a directory, or of one by name."""
    return distributions(path=[str(directory)], **name)


@pytest.mark.server
def test_starts_a_node_creates_the_keyspace_and_stops_it_with_the_driver(
    home: Path, jvms: Callable[[Path], list[int]]
) -> None:
    """One call returns a connected driver of the installed backend; its close() leaves no process."""
    options: dict[str, Any] = {"fast_path": False, "statement_cache_size": 5, "max_in_flight": 2}
    driver: Any = init_coodie(driver_type="local", keyspace="MixedCase", node="mine", **options)
    assert driver.fast_path_refusal == "fast_path=False"
    assert (driver.stats().limit.max_in_flight, driver.stats().statements.limit) == (2, 5)
    assert len(jvms(home / "mine")) == 1
    assert driver._default_keyspace == "MixedCase"
    driver.execute("CREATE TABLE t (a int PRIMARY KEY)", [])
    driver.execute("INSERT INTO t (a) VALUES (?)", [1])
    assert driver.execute_one('SELECT count(*) FROM "MixedCase".t', []) == 1

    again = init_coodie(driver_type="local", keyspace="other", node="mine")
    with pytest.raises(DriverClosedError):
        driver.execute("SELECT key FROM system.local", [])
    # the replaced driver is closed, while the node, which the new one shares, keeps running
    assert again.execute_one('SELECT count(*) FROM "MixedCase".t', []) == 1
    again.close()
    again.close()
    assert jvms(home) == []


def test_options_of_the_backend() -> None:
    """The backend checks its options before the node is started; the node's address isn't an option."""

    def check(options: dict[str, Any], **fields: Any) -> None:
        current_registry().plugins.check(ConnectionConfig(driver_type="local", options=options, **fields))

    check({"max_in_flight": 1, "fast_path": True, "idle_heartbeat_interval": 5}, consistency="ONE")
    wrong: list[dict[str, Any]] = [
        {"max_in_flight": 0},
        {"max_in_fligth": 1},
        {"auth_provider": None},
        {"cloud": {}},
    ]
    for options in wrong:
        with pytest.raises(ConfigurationError) as caught:
            check(options)
        assert caught.value.option == next(iter(options))
    with pytest.raises(ConfigurationError):
        check({}, username="me", password="secret")


@pytest.mark.server
@pytest.mark.reliability
def test_a_fork_leaves_node_and_connections_alone(home: Path, jvms: Callable[[Path], list[int]]) -> None:
    """A forked child that closes or opens drivers affects neither the parent's driver nor its node."""

    def replace() -> object:
        with init_coodie(driver_type="local", node="mine") as other:
            return other.execute_one("SELECT key FROM system.local", [])

    async def use() -> set[Any]:
        stmt = "SELECT key FROM system.local WHERE key = ?"
        found = set()
        for _ in range(30):
            found.add(await asyncio.wait_for(driver.execute_one_async(stmt, ["local"], timeout=60), 20))
            await asyncio.sleep(0.01)
        return found

    loop = asyncio.new_event_loop()
    with init_coodie(driver_type="local", node="mine") as driver:
        assert loop.run_until_complete(use()) == {"local"}
        assert in_a_child(driver.close) == "None"
        assert in_a_child(lambda: asyncio.run(driver.close_async())) == "None"
        assert in_a_child(replace) == "local"
        assert len(jvms(home / "mine")) == 1
        assert loop.run_until_complete(use()) == {"local"}
    loop.close()
    assert jvms(home) == []


@pytest.mark.extended
@pytest.mark.server
async def test_the_async_form_does_the_same(home: Path, jvms: Callable[[Path], list[int]]) -> None:
    """The driver works, and after the `async with` block, no process is left."""
    async with await init_coodie_async(driver_type="local", keyspace="ks", node="mine") as driver:
        assert len(jvms(home / "mine")) == 1
        await driver.execute_async("CREATE TABLE t (a int PRIMARY KEY)", [])
        assert await driver.execute_async("SELECT * FROM t", []) == []
    assert jvms(home) == []


@pytest.mark.extended
@pytest.mark.server
async def test_a_cancelled_connect_leaves_no_node(
    home: Path,
    jvms: Callable[[Path], list[int]],
    registry: DriverRegistry,
    eventually: Callable[..., bool],
) -> None:
    """No process and no registration is left."""
    task = asyncio.create_task(init_coodie_async(driver_type="local", keyspace="ks"))
    await asyncio.to_thread(eventually, lambda: jvms(home))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert jvms(home) == []
    assert registry.names() == ()


@pytest.mark.extended
@pytest.mark.server
def test_a_lazy_driver_starts_the_node_when_it_is_used(home: Path, jvms: Callable[[Path], list[int]]) -> None:
    """lazy=True only checks the options; the first request starts the node."""
    driver = init_coodie(driver_type="local", lazy=True)
    assert not home.exists()
    assert driver.execute_one("SELECT key FROM system.local", []) == "local"
    assert len(jvms(home)) == 1
    driver.close()
    assert jvms(home) == []


@pytest.mark.extended
@pytest.mark.server
def test_a_failure_after_the_start_leaves_no_node(
    home: Path, jvms: Callable[[Path], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the backend can't connect, its error is raised, and no process is left."""

    def fail(_config: object) -> None:
        raise ConnectionFailedError("No.")

    monkeypatch.setattr(plugin, "open_driver", fail)
    with pytest.raises(ConnectionFailedError, match=r"No\."):
        init_coodie(driver_type="local")
    assert jvms(home) == []


@pytest.mark.extended
@pytest.mark.server
@pytest.mark.parametrize("is_async", [False, True])
async def test_connects_through_tls_and_password_by_itself(home: Path, is_async: bool) -> None:
    """The node requires a certificate and a password; the caller passes neither."""
    options: dict[str, Any] = {"driver_type": "local", "keyspace": "ks", "node": "safe"}
    options |= {"mtls": True, "auth": True}
    driver: Any = await init_coodie_async(**options) if is_async else init_coodie(**options)
    node = LocalNode("safe")
    assert node.find()
    assert node.security == Security(tls=True, mtls=True, auth=True)
    assert driver.execute_one("SELECT role FROM system_auth.roles", []) == "cassandra"
    node.stop()
    await driver.close_async()
    assert not node.find()
    assert await asyncio.to_thread(home.exists)


@pytest.mark.server
@pytest.mark.reliability
def test_three_nodes_hold_the_keyspace_three_times(home: Path, jvms: Callable[[Path], list[int]]) -> None:
    """nodes=3 connects to all three nodes, and creates keyspaces with three replicas."""
    with init_coodie(driver_type="local", keyspace="ks", node="three", nodes=3, consistency="ALL") as driver:
        assert len(jvms(home)) == 3
        driver.execute("CREATE TABLE t (a int PRIMARY KEY)", [])
        driver.execute("INSERT INTO t (a) VALUES (1)", [])
        replication = driver.execute_one(
            "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = 'ks'", []
        )
        assert replication["replication_factor"] == "3"
        with init_coodie(driver_type="local", node="three", name="again") as again:
            assert len(session_of(again).cluster.metadata.all_hosts()) == 3
    assert jvms(home) == []


@pytest.mark.extended
@pytest.mark.server
def test_a_kept_node_outlives_driver_and_process(
    home: Path, jvms: Callable[[Path], list[int]], python: Callable[..., Any]
) -> None:
    """keep=True: the node runs until it is stopped; a node that stops with its process can't be kept."""
    process = python(
        "from coodie.drivers import init_coodie\n"
        "init_coodie(driver_type='local', node='kept', keep=True, keyspace='ks').close()\n"
    )
    output, errors = process.communicate(timeout=60)
    assert (output, errors, process.returncode) == ("", "", 0)
    node = LocalNode("kept")
    try:
        assert len(jvms(home)) == 1
        with init_coodie(driver_type="local", node="kept", keyspace="ks") as driver:
            assert driver.ping()
        assert len(jvms(home)) == 1
    finally:
        assert node.find()
        node.stop(found=True)
    assert jvms(home) == []
    with LocalNode("passing"), pytest.raises(NodeInUseError, match="stops with the process that started it"):
        init_coodie(driver_type="local", node="passing", keep=True)


@pytest.mark.extended
@pytest.mark.server
def test_a_node_that_was_running_goes_on(home: Path, jvms: Callable[[Path], list[int]]) -> None:
    """Neither the driver's close() nor a failure stops a node that another object has started."""
    with LocalNode("mine") as node:
        with pytest.raises(
            ConfigurationError, match="Could not create the keyspace 'no-such-name'"
        ) as caught:
            init_coodie(driver_type="local", node="mine", keyspace="no-such-name")
        assert caught.value.option == "keyspace"
        assert node.running
        with init_coodie(driver_type="local", node="mine") as driver:
            assert driver.ping()
        assert node.running
    assert jvms(home) == []


@pytest.mark.extended
@pytest.mark.server
def test_a_script_that_closes_nothing_ends_clean(
    home: Path, jvms: Callable[[Path], list[int]], python: Callable[..., Any]
) -> None:
    """The interpreter's exit stops the node without output."""
    process = python(
        "from coodie.drivers import init_coodie\n"
        "driver = init_coodie(driver_type='local', keyspace='ks')\n"
        "print(driver.execute_one('SELECT key FROM system.local', []))"
    )
    output, errors = process.communicate(timeout=60)
    assert (output, errors, process.returncode) == ("local\n", "", 0)
    assert jvms(home) == []


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ({"hosts": ["127.0.0.1"]}, "hosts"),
        ({"session": object()}, "session"),
        ({"username": "u", "password": "p"}, "username"),
        ({"ssl_enabled": True}, "ssl_context"),
        ({"local_dc": "dc1"}, "local_dc"),
        ({"node": "a/b"}, "node"),
        ({"node": 5}, "node"),
        ({"nodes": 0}, "nodes"),
        ({"nodes": 10}, "nodes"),
        ({"tls": "yes"}, "tls"),
        ({"mtls": True, "tls": False}, "mtls"),
        ({"keep": 1}, "keep"),
        ({"heap": 100}, "heap"),
        ({"profile": "fast"}, "profile"),
        ({"backend": "duckdb"}, "backend"),
        ({"nod": "x"}, "nod"),
    ],
)
def test_what_cannot_be_honoured_is_refused(home: Path, arguments: dict[str, Any], option: str) -> None:
    """The error has the option, and no node is started."""
    with pytest.raises(ConfigurationError) as caught:
        init_coodie(driver_type="local", **arguments)
    assert caught.value.option == option
    assert not home.exists()


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("installed", "backend", "error", "text"),
    [
        (
            (),
            None,
            DriverNotFoundError,
            r"pip install \./coodie_cassandra, or:\npip install \./coodie_scylla(\n|$)",
        ),
        ((), "scylla", DriverNotFoundError, r"\npip install \./coodie_scylla(\n|$)"),
        (("scylla", "cassandra"), None, OverwrittenModuleError, r"(?s)both installed.*\npip uninstall"),
    ],
)
def test_without_one_clear_backend_nothing_is_started(
    home: Path,
    tmp_path: Path,
    lazy: bool,
    installed: tuple[str, ...],
    backend: str | None,
    error: type[DriverLoadError],
    text: str,
) -> None:
    """Without a backend, the error has two pip commands; with both, it's an OverwrittenModuleError."""
    announce(tmp_path / "site", *installed)
    index = DriverIndex(lambda **name: distributions_in(tmp_path / "site", **name))
    options = {} if backend is None else {"backend": backend}
    with using_registry(DriverRegistry(PluginHost(index))), pytest.raises(error, match=text):
        init_coodie(driver_type="local", lazy=lazy, **options)  # type: ignore[call-overload]  # options are strs
    assert not home.exists()


def test_a_named_backend_must_own_its_driver(tmp_path: Path, home: Path) -> None:
    """With both installed, backend= selects one, and its driver must own the module."""
    announce(tmp_path / "site", "scylla", "cassandra")
    (mine,) = {entry.driver_type for entry in installed_drivers()} & {"scylla", "cassandra"}
    other = "cassandra" if mine == "scylla" else "scylla"
    index = DriverIndex(lambda **name: distributions_in(tmp_path / "site", **name))
    with using_registry(DriverRegistry(PluginHost(index))):
        init_coodie(driver_type="local", lazy=True, backend=mine)
        with pytest.raises(DriverLoadError, match=f"needs {other}-driver, which isn't installed"):
            init_coodie(driver_type="local", backend=other)
    assert not home.exists()


@pytest.mark.parametrize("version", [1, 9])
@pytest.mark.parametrize("mine", ["scylla", "cassandra"])
@pytest.mark.parametrize("same", [False, True])
def test_what_others_announce_makes_no_second_backend(
    tmp_path: Path, home: Path, mine: str, version: int, same: bool
) -> None:
    """If one of coodie's distributions is installed, third-party ones are ignored."""
    site = tmp_path / "site"
    announce(site, mine)
    other = "cassandra" if mine == "scylla" else "scylla"
    announce_of_others(site, "acme-db", mine if same else other, version)
    index = DriverIndex(lambda **name: distributions_in(site, **name))
    with using_registry(DriverRegistry(PluginHost(index))):
        assert _backends._installed_backend() == mine
    assert not home.exists()


def test_a_blocked_backend_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With both installed, blocking one selects the other; blocking both is an error."""
    site = tmp_path / "site"
    announce(site, "scylla", "cassandra")
    index = DriverIndex(lambda **name: distributions_in(site, **name))
    monkeypatch.setenv("COODIE_BLOCK", "coodie-scylla")
    with using_registry(DriverRegistry(PluginHost(index))):
        assert _backends._installed_backend() == "cassandra"
        monkeypatch.setenv("COODIE_BLOCK", "coodie-scylla,coodie-cassandra")
        for options in ({}, {"backend": "cassandra"}):
            with pytest.raises(DriverBlockedError, match="is blocked by the environment"):
                _backends.choose_backend(options.get("backend"))


def test_two_backends_of_others(tmp_path: Path) -> None:
    """With two third-party backends, the error has both, and how to select one."""
    site = tmp_path / "site"
    announce(site)
    announce_of_others(site, "acme-scylla", "scylla")
    announce_of_others(site, "acme-cassandra", "cassandra")
    index = DriverIndex(lambda **name: distributions_in(site, **name))
    said = r"'scylla' of acme-scylla 2\.0 and 'cassandra' of acme-cassandra 2\.0"
    with (
        using_registry(DriverRegistry(PluginHost(index))),
        pytest.raises(ConfigurationError, match=said) as caught,
    ):
        _backends.choose_backend(None)
    assert caught.value.option == "backend"
