"""The configuration file: found, read, checked as a whole, and opened by name."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import Backend, run_threads

import coodie
from coodie import Credentials, LazyDriver, RequestOptions
from coodie.exceptions import ConfigurationError, DriverBlockedError
from coodie.observers import activate_observer, get_observer, unregister_observer
from coodie.observers.hub import current_observers
from coodie.options.connection import build_config
from coodie.plugins import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coodie.observers import DriverRegistered
    from coodie.registry import DriverRegistry


WHOLE = """
[connections.main]
driver = "memory"
hosts = ["db1", "db2"]
port = 9142
keyspace = "shop"
username = "ada"
password = "{file:secrets/main}"
consistency = "LOCAL_QUORUM"
request_timeout = 2.5
local_dc = "{env:DC}"

[connections.main.options]
colour = "blue"

[connections.main.profiles.reports]
consistency = "ONE"
timeout = 60
fetch_size = 5000
idempotent = true
retry_policy = "backoff"
speculative_execution_policy = "0.1x2"

[connections.other]
url = "memory://bob:{env:DC}@db9/crm?request_timeout=1"
request_timeout = 4
"""


def test_a_whole_file(
    write: Callable[..., Path], registry: DriverRegistry, memory: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each named connection is opened as the file has it, at its first request."""
    write(WHOLE)
    write("hunter2\n", "secrets/main")
    monkeypatch.setenv("DC", "dc1")
    coodie.load_config()
    driver = coodie.get_driver("main")
    assert isinstance(driver, LazyDriver)
    assert memory.attempts == []
    driver.execute("SELECT", [], options=RequestOptions(profile="reports"))
    (config,) = memory.attempts
    assert (config.hosts, config.port, config.keyspace) == (("db1", "db2"), 9142, "shop")
    assert (config.username, config.password, config.local_dc) == ("ada", "hunter2", "dc1")
    assert (config.consistency, config.request_timeout) == ("LOCAL_QUORUM", 2.5)
    assert config.options == {"colour": "blue"}
    assert memory.driver.calls[0][2]["timeout"] == 60
    assert coodie.get_driver("main") is driver
    other: Any = coodie.get_driver("other")
    other.connect()
    config = memory.attempts[1]
    assert (config.username, config.password, config.keyspace) == ("bob", "dc1", "crm")
    assert config.request_timeout == 4


def test_the_default(write: Callable[..., Path], registry: DriverRegistry) -> None:
    """get_driver() is the connection that `default` names, else "default", else the first."""
    one, two = '[connections.one]\ndriver = "memory"\n', '[connections.two]\ndriver = "memory"\n'
    write(f'default = "two"\n{one}{two}')
    coodie.load_config()
    first = coodie.get_driver("one")
    assert coodie.get_driver() is coodie.get_driver("two") is not first


def test_the_default_by_name_or_order(write: Callable[..., Path]) -> None:
    """As above, without the key."""
    write('[connections.one]\ndriver = "m"\n[connections.default]\ndriver = "m"\n')
    assert coodie.load_config().default == "default"
    write('[connections.one]\ndriver = "m"\n[connections.two]\ndriver = "m"\n')
    assert coodie.load_config().default == "one"


def test_where_it_is_looked_for(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument, then COODIE_CONFIG, then coodie.toml before pyproject.toml, in the nearest directory."""
    table = '[{}connections.{}]\ndriver = "m"\n'

    def found(path: str | None = None) -> str:
        return ",".join(coodie.load_config(path).connections)

    monkeypatch.chdir(write(table.format("", "deep"), "a/b/other.toml").parent)
    with pytest.raises(ConfigurationError, match="No configuration found") as caught:
        found()
    assert caught.value.command == "coodie config init"
    write("[tool.other]\nx = 1\n", "a/b/pyproject.toml")
    write(table.format("tool.coodie.", "project"), "pyproject.toml")
    assert found() == "project"
    write(table.format("", "own"))
    assert found() == "own"
    write(table.format("tool.coodie.", "near"), "a/pyproject.toml")
    assert found() == "near"
    monkeypatch.setenv("COODIE_CONFIG", "other.toml")
    assert found() == "deep"
    assert found("../../coodie.toml") == "own"
    monkeypatch.setenv("COODIE_CONFIG", "missing.toml")
    with pytest.raises(ConfigurationError, match="which COODIE_CONFIG names, doesn't exist"):
        found()


# --- the environment --------------------------------------------------------------------


def test_variables_override(
    write: Callable[..., Path], registry: DriverRegistry, memory: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable wins over the file, key by key, whatever kind of key."""
    write(
        '[connections.my-shop]\ndriver = "memory"\nport = 1\nconsistency = "ONE"\n'
        "[connections.my-shop.profiles.big-reports]\ntimeout = 5\ntrace = true\n"
    )
    for name, text in {
        "MY_SHOP__PORT": "9142",
        "MY_SHOP__HOSTS": "db1, db2",
        "MY_SHOP__PASSWORD": "true",
        "MY_SHOP__USERNAME": "5",
        "MY_SHOP__OPTIONS__COLOUR": "blue",
        "MY_SHOP__PROFILES__BIG_REPORTS__TIMEOUT": "60",
    }.items():
        monkeypatch.setenv(f"COODIE__{name}", text)
    coodie.load_config()
    coodie.get_driver("my-shop").execute("SELECT", [], options=RequestOptions(profile="big-reports"))
    (config,) = memory.attempts
    assert (config.port, config.hosts, config.consistency) == (9142, ("db1", "db2"), "ONE")
    assert (config.username, config.password) == ("5", "true")
    assert config.options == {"colour": "blue"}
    assert memory.driver.calls[0][2] == {"timeout": 60, "options": RequestOptions(trace=True)}


def test_a_url_in_a_variable_wins_over_the_file(
    write: Callable[..., Path], registry: DriverRegistry, memory: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pointing a connection at another cluster is one variable; a variable for one key wins over that."""
    write('[connections.main]\nurl = "memory://a:b@file/ks"\nport = 1\nlocal_dc = "dc1"\n')
    monkeypatch.setenv("COODIE__MAIN__URL", "memory://c:d@variable:2")
    monkeypatch.setenv("COODIE__MAIN__PASSWORD", "{file:secret}")
    write("e\n", "secret")
    coodie.load_config()
    coodie.get_driver().execute("SELECT", [])
    (config,) = memory.attempts
    assert (config.hosts, config.port, config.username) == (("variable",), 2, "c")
    assert (config.password, config.keyspace, config.local_dc) == ("e", "ks", "dc1")


def test_credentials_are_looked_up_again(
    write: Callable[..., Path], registry: DriverRegistry, memory: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver has them as they are when it connects, and asks for them as they are later."""
    write('[connections.main]\ndriver = "memory"\nusername = "a"\npassword = "{env:A}-{file:secret}"\n')
    secret = write("marker-1\n", "secret")
    monkeypatch.setenv("A", "x")
    coodie.load_config()
    driver = coodie.get_driver("main")
    write("marker-2\n", "secret")
    driver.execute("SELECT", [])
    (config,) = memory.attempts
    assert (config.username, config.password) == ("a", "x-marker-2")
    monkeypatch.setenv("A", "y")
    assert config.credentials is not None
    assert config.credentials() == Credentials("a", "y-marker-2")
    assert "marker" not in repr(config) + repr(config.credentials) + repr(config.credentials()) + repr(driver)
    secret.unlink()
    with pytest.raises(ConfigurationError, match="secret' can't be read"):
        config.credentials()


def test_a_url_in_a_variable_replaces_the_cluster(
    write: Callable[..., Path], registry: DriverRegistry, memory: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts, port, credentials, TLS and pin belong to the file's cluster: none is mixed with the URL."""
    write(
        '[connections.main]\ndriver = "other"\ndistribution = "acme"\nhosts = ["prod"]\nport = 9142\n'
        'username = "a"\npassword = "{file:missing}"\nssl_trusted_cert = "missing.pem"\nconsistency = "ONE"\n'
        '[connections.main.address_map]\n"10.0.0.1" = "prod"\n'
    )
    monkeypatch.setenv("COODIE__MAIN__URL", "memory://variable/ks")
    coodie.load_config()
    coodie.get_driver().execute("SELECT", [])
    (config,) = memory.attempts
    assert (config.hosts, config.port, config.username, config.password) == (("variable",), None, None, None)
    assert (config.ssl_context, config.distribution, config.address_map) == (None, None, None)
    assert (config.keyspace, config.consistency) == ("ks", "ONE")


@pytest.mark.parametrize(
    ("variable", "text", "left"),
    [
        ("SSL_ENABLED", "false", {"ssl_enabled"}),
        ("DRIVER", "memory", {"ssl_trusted_cert", "ssl_verify_flags", "ssl_hostname"}),
    ],
)
def test_a_variable_replaces_what_belongs_together(
    variable: str, text: str, left: set[str], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS that is switched off has no other options, and another backend has no pin of the file."""
    write(
        '[connections.main]\ndriver = "acme"\ndistribution = "acme"\nhosts = ["db1"]\n'
        'ssl_trusted_cert = "ca.pem"\nssl_verify_flags = 1\nssl_hostname = "db"\n'
    )
    monkeypatch.setenv(f"COODIE__MAIN__{variable}", text)
    settings = coodie.load_config().connections["main"].settings
    assert {path[0] for path in settings if path[0].startswith("ssl_")} == left
    assert (("distribution",) in settings) == (variable != "DRIVER")


def test_an_empty_variable_unsets_a_key(
    write: Callable[..., Path], registry: DriverRegistry, memory: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key then has its default, wherever the file has it: a URL, an option or a profile, too."""
    write(
        'default = "other"\n[connections.main]\nurl = "memory://a:b@db1:1/ks"\nhosts = ["db2"]\n'
        'local_dc = "dc1"\n[connections.main.options]\ncolour = "red"\n'
        "[connections.main.profiles.reports]\ntimeout = 5\n"
        '[connections.other]\nhosts = ["db3"]\n'
    )
    for name in ("DEFAULT", "MAIN__LOCAL_DC", "MAIN__OPTIONS__COLOUR", "MAIN__PROFILES__REPORTS__TIMEOUT"):
        monkeypatch.setenv(f"COODIE__{name}", "")
    configuration = coodie.load_config()
    assert configuration.default == "main"
    found = configuration.connections["main"].arguments(registry.plugins)
    assert found == {
        "driver_type": "memory",
        "username": "a",
        "password": "b",
        "hosts": ["db2"],
        "port": 1,
        "keyspace": "ks",
    }
    monkeypatch.setenv("COODIE__MAIN__URL", "")
    assert coodie.load_config().connections["main"].arguments(registry.plugins) == {"hosts": ["db2"]}


@pytest.mark.parametrize("form", ["file", "url", "variable"])
def test_an_address_map(
    form: str,
    write: Callable[..., Path],
    registry: DriverRegistry,
    memory: Backend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is a table in a file, and pairs in a URL and a variable."""
    text = "10.0.0.1=db1:9043,[2001:db8::0:1]:9042=[::1]:9044"
    if form == "url":
        write(f'[connections.main]\nurl = "memory://db1?address_map={text}"\n')
    else:
        table = (
            '[connections.main.address_map]\n"10.0.0.1" = "db1:9043"\n"[2001:db8::1]:9042" = "[::1]:9044"\n'
        )
        write(f'[connections.main]\ndriver = "memory"\n{table if form == "file" else ""}')
    if form == "variable":
        monkeypatch.setenv("COODIE__MAIN__ADDRESS_MAP", text)
    found = coodie.load_config().connections["main"].arguments(registry.plugins)
    expected = {"10.0.0.1": "db1:9043", "[2001:db8::1]:9042": "[::1]:9044"}
    assert build_config(**found).address_map == expected


def test_variables_alone(registry: DriverRegistry, memory: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any file, a URL in the environment makes a connection."""
    monkeypatch.setenv("COODIE__MAIN__URL", "memory://db1")
    coodie.load_config()
    coodie.get_driver("main").execute("SELECT", [])
    assert memory.attempts[0].hosts == ("db1",)


def test_a_variable_selects_the_default(
    write: Callable[..., Path], registry: DriverRegistry, memory: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COODIE__DEFAULT is the key ``default``, and wins over the file; a connection may have that name."""
    write(
        'default = "main"\n[connections.main]\ndriver = "memory"\n[connections.prod]\ndriver = "memory"\n'
        '[connections.default]\ndriver = "memory"\n'
    )
    monkeypatch.setenv("COODIE__PROD__PORT", "9142")
    monkeypatch.setenv("COODIE__DEFAULT__PORT", "9143")
    monkeypatch.setenv("COODIE__DEFAULT", "prod")
    configuration = coodie.load_config()
    assert configuration.default == "prod"
    coodie.get_driver().execute("SELECT", [])
    coodie.get_driver("default").execute("SELECT", [])
    assert [config.port for config in memory.attempts] == [9142, 9143]


@pytest.mark.parametrize(
    ("variable", "value"), [("ALLOW", "coodie-scylla, other"), ("BLOCK", "dist-memory,other")]
)
def test_a_variable_chooses_distributions(
    variable: str,
    value: str,
    write: Callable[..., Path],
    registry: DriverRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other keys of a file as a whole have their variables, too; a list has commas."""
    write('allow = ["dist-memory"]\n[connections.main]\ndriver = "memory"\n')
    monkeypatch.setenv(f"COODIE__{variable}", value)
    coodie.load_config()
    with pytest.raises(DriverBlockedError):
        coodie.get_driver("main")


# --- what else a file switches ----------------------------------------------------------


def test_allowed_distributions(write: Callable[..., Path], registry: DriverRegistry) -> None:
    """Backends of other distributions than the allowed ones are refused, and blocked ones, too."""
    write('allow = ["coodie-scylla"]\n[connections.main]\ndriver = "memory"\n')
    coodie.load_config()
    with pytest.raises(DriverBlockedError):
        coodie.get_driver("main")


def test_blocked_distributions(write: Callable[..., Path], registry: DriverRegistry) -> None:
    """As above."""
    write('block = ["dist-memory"]\n[connections.main]\ndriver = "memory"\n')
    coodie.load_config()
    with pytest.raises(DriverBlockedError):
        coodie.get_driver("main")


def test_relative_certificates_start_at_the_file(
    write: Callable[..., Path], registry: DriverRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate's path in a file is relative to the file, wherever the program runs."""
    path = write(
        '[connections.main]\ndriver = "memory"\nssl_trusted_cert = "tls/ca.pem"\n', "etc/coodie.toml"
    )
    coodie.load_config(path)
    with pytest.raises(ConfigurationError) as caught:
        coodie.get_driver("main")
    assert str(path.parent / "tls" / "ca.pem") in str(caught.value)


def test_loading_again_leaves_open_connections(write: Callable[..., Path], registry: DriverRegistry) -> None:
    """What is open under its name stays; what isn't is taken from the new file."""
    write('[connections.a]\ndriver = "memory"\n[connections.b]\ndriver = "memory"\n')
    coodie.load_config()
    opened = coodie.get_driver("a")
    write('[connections.a]\ndriver = "memory"\nport = 1\n')
    coodie.load_config()
    assert coodie.get_driver("a") is opened
    with pytest.raises(ConfigurationError):
        coodie.get_driver("b")


def test_many_threads_get_one_driver(write: Callable[..., Path], registry: DriverRegistry) -> None:
    """However many ask at once for a connection, they get the same driver."""
    write('[connections.main]\ndriver = "memory"\n')
    coodie.load_config()
    drivers = run_threads(8, lambda _: coodie.get_driver("main"))
    assert len({id(driver) for driver in drivers}) == 1
    assert isinstance(drivers[0], LazyDriver)


def test_init_coodie_takes_a_name_over(
    write: Callable[..., Path], registry: DriverRegistry, memory: Backend
) -> None:
    """A driver that is opened under a connection's name is what the name stands for."""
    write('[connections.main]\ndriver = "memory"\n')
    coodie.load_config()
    own = coodie.init_coodie(driver_type="memory", name="main")
    assert coodie.get_driver("main") is own


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("name", ["nothing", "shop_observers:slow", "no_such_module:x", ":x", "json:dumps"])
def test_observers_that_arent_there(write: Callable[..., Path], name: str) -> None:
    """A name that stands for no observer is told with its place."""
    write(f'observers = ["{name}"]\n')
    with pytest.raises(ConfigurationError, match=r"coodie\.toml:1: .*bserver") as caught:
        coodie.load_config()
    assert caught.value.option == "observers"


@pytest.mark.usefixtures("registry")
def test_shipped_observers_need_no_module(write: Callable[..., Path]) -> None:
    """Ours are switched on by their names."""
    write('observers = ["requestlog", "counters", "otel"]\n')
    coodie.load_config()
    told = [type(one.observer).__name__ for one in current_observers().all]
    assert told == ["RequestLog", "RequestCounters", "OpenTelemetryObserver"]


@pytest.mark.usefixtures("registry")
def test_observers_of_a_file_are_reachable(write: Callable[..., Path]) -> None:
    """The program reaches the observers that the file names, by those names."""
    write('observers = ["counters", "requestlog"]\n')
    counters = activate_observer("counters", most_series=5)
    coodie.load_config()
    assert get_observer("counters") is counters
    log = get_observer("requestlog")
    assert [one.observer for one in current_observers().all] == [counters, log]
    unregister_observer(log)
    with pytest.raises(ConfigurationError, match=r"under 'requestlog'\. Registered: counters\.") as caught:
        get_observer("requestlog")
    assert caught.value.option == "name"
    coodie.load_config()
    assert get_observer("requestlog") is not log


def test_observers_are_switched_on_once(
    write: Callable[..., Path], registry: DriverRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The observers of the file are told of what happens, once, however often the file is loaded."""
    told: list[str] = []

    class Names:
        """An observer."""

        @hookimpl
        def coodie_driver_registered(self, event: DriverRegistered) -> None:
            """Note the name."""
            told.append(str(event.driver_name))

    monkeypatch.setitem(sys.modules, "shop_observers", SimpleNamespace(Names=Names))
    write('observers = ["shop_observers:Names"]\n[connections.main]\ndriver = "memory"\n')
    coodie.load_config()
    coodie.load_config()
    coodie.get_driver("main")
    assert told == ["main"]


def test_a_closed_connection_is_made_again(
    write: Callable[..., Path], registry: DriverRegistry, memory: Backend
) -> None:
    """An application that is started twice in one process gets a driver that works each time."""
    write('[connections.main]\ndriver = "memory"\n')
    coodie.load_config()
    for count in (1, 2):
        with coodie.get_driver("main") as driver:
            driver.execute("SELECT", [])
        assert len(memory.attempts) == count
    own = coodie.init_coodie(driver_type="memory", name="main", lazy=True)
    own.close()
    assert coodie.get_driver("main") is own


def test_a_fork_opens_its_own(
    write: Callable[..., Path], registry: DriverRegistry, memory: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a fork of the process that connected, the name is a new driver's; the old one isn't touched."""
    write('[connections.main]\ndriver = "memory"\n')
    coodie.load_config()
    before = coodie.get_driver("main")
    here = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: here + 1)
    assert coodie.get_driver("main") is before, "it hasn't connected yet, and may do so here"
    monkeypatch.undo()
    before.execute("SELECT", [])
    monkeypatch.setattr(os, "getpid", lambda: here + 1)
    after = coodie.get_driver("main")
    assert after is not before
    assert coodie.get_driver("main") is after
    assert memory.opened[0].closings == 0
