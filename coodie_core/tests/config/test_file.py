"""The configuration file: found, read, checked as a whole, and opened by name."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import Backend, run_threads

import coodie
from coodie import LazyDriver, RequestOptions
from coodie.config.checking import check_connections
from coodie.configfile import find_configuration, inspect_files
from coodie.exceptions import ConfigFileError, ConfigurationError, DriverBlockedError
from coodie.observers.hub import current_observers
from coodie.plugins import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coodie.observers import DriverRegistered
    from coodie.registry import DriverRegistry


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a directory of the test's own, below which nothing is configured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COODIE_CONFIG", raising=False)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file."""

    def write(text: str, name: str = "coodie.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def mistakes_of(text: str, write: Callable[..., Path]) -> tuple[str, ...]:
    """Return the mistakes of a file."""
    write(text)
    with pytest.raises(ConfigFileError) as caught:
        coodie.load_config()
    assert all(mistake in str(caught.value) for mistake in caught.value.mistakes)
    return caught.value.mistakes


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
    with pytest.raises(ConfigurationError, match="There is no configuration") as caught:
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


def test_variables_alone(registry: DriverRegistry, memory: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any file, a URL in the environment makes a connection."""
    monkeypatch.setenv("COODIE__MAIN__URL", "memory://db1")
    coodie.load_config()
    coodie.get_driver("main").execute("SELECT", [])
    assert memory.attempts[0].hosts == ("db1",)


# --- mistakes ---------------------------------------------------------------------------


def test_all_mistakes_at_once_with_their_lines(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mistake is told with its line or variable, its key, and what was meant."""
    monkeypatch.setenv("COODIE__MAIM__PORT", "1")
    monkeypatch.setenv("COODIE__MAIN__PORT", "none")
    monkeypatch.setenv("COODIE__MAIN__PROT", "1")
    monkeypatch.setenv("COODIE__MAIN__PROFILES__A__TIMOUT", "1")
    monkeypatch.setenv("COODIE__MAIN", "1")
    found = mistakes_of(
        """default = "maim"
conections = 1
allow = "coodie-scylla"

[connections.main]
driver = "memory"
prot = 9042
hosts = [
    "db1:9042",
]
consistency = "LOCAL_QUORM"
profiles.reports = { timout = 5 }
retry_policy = 5

[connections.bad]
url = "memory://a:hunter2@c@d"
options = 5

[connections.bad.profiles.x]
speculative_execution_policy = "0.1x2"
""",
        write,
    )
    expected = (
        ("coodie.toml:1: default: ", "Did you mean 'main'?"),
        ("coodie.toml:2: conections: ", "Did you mean 'connections'?"),
        ("coodie.toml:3: allow: ", "Give a list of names"),
        ("coodie.toml:7: connections.main.prot: ", "Did you mean 'port'?"),
        ("coodie.toml:8: connections.main.hosts: ", "port=9042"),
        ("coodie.toml:11: connections.main.consistency: ", "LOCAL_QUORUM"),
        ("coodie.toml:12: connections.main.profiles.reports.timout: ", "Did you mean 'timeout'?"),
        ("coodie.toml:13: connections.main.retry_policy: ", "can't be used"),
        ("coodie.toml:16: connections.bad.url: ", "write %40 for @"),
        ("coodie.toml:17: connections.bad.options: ", "isn't a table"),
        ("coodie.toml:20: connections.bad.profiles.x: ", "idempotent"),
        ("COODIE__MAIM__PORT: ", "Did you mean 'main'?"),
        ("COODIE__MAIN__PORT: ", "a whole number from 1 to 65535"),
        ("COODIE__MAIN__PROT: ", "Did you mean 'port'?"),
        ("COODIE__MAIN__PROFILES__A__TIMOUT: ", "Did you mean 'timeout'?"),
        ("COODIE__MAIN: ", "it names no key"),
    )
    for start, said in expected:
        assert [m for m in found if m.startswith(start) and said in m], (start, found)
    assert len(found) == len(expected)
    assert "hunter2" not in "".join(found)


def test_not_toml(write: Callable[..., Path]) -> None:
    """A syntax error has its line, and nothing of the file's text."""
    (mistake,) = mistakes_of('[connections.main]\npassword = "hunter2\n', write)
    assert mistake.startswith("coodie.toml:2: it isn't TOML")
    with pytest.raises(ConfigFileError) as caught:
        coodie.load_config()
    assert caught.value.__cause__ is None
    assert "hunter2" not in str(caught.value)


def test_lines_in_pyproject(write: Callable[..., Path]) -> None:
    """In pyproject.toml, lines are the file's, and keys begin below [tool.coodie]."""
    write(
        '[project]\nname = "x"\n\n[tool.coodie.connections.main]\ndriver = "m"\nprot = 1\n', "pyproject.toml"
    )
    with pytest.raises(ConfigFileError) as caught:
        coodie.load_config()
    assert caught.value.mistakes[0].startswith("pyproject.toml:6: connections.main.prot: ")


def test_a_wrong_secret_is_not_told(write: Callable[..., Path]) -> None:
    """A password that is no text is refused without it."""
    (mistake,) = mistakes_of('[connections.main]\ndriver = "m"\npassword = 20072007\n', write)
    assert "20072007" not in mistake


def test_what_stands_elsewhere_is_missed_when_it_is_needed(
    write: Callable[..., Path], registry: DriverRegistry
) -> None:
    """A connection whose secret isn't there can't be got; the others can, and check finds all of it."""
    write(
        '[connections.a]\ndriver = "memory"\nusername = "{env:NO_SUCH}"\npassword = "{file:none}"\n'
        '[connections.b]\ndriver = "memory"\n'
    )
    configuration = coodie.load_config()
    coodie.get_driver("b")
    with pytest.raises(ConfigurationError, match="NO_SUCH isn't set"):
        coodie.get_driver("a")
    found = [str(mistake) for mistake in check_connections(configuration, registry.plugins)]
    assert len(found) == 2
    assert found[0].startswith("coodie.toml:3: connections.a.username: The environment variable NO_SUCH")
    assert found[1].startswith("coodie.toml:4: connections.a.password: The file")


def test_check_asks_the_backends(write: Callable[..., Path], registry: DriverRegistry) -> None:
    """What only the backend knows is found, too: its options, and whether it is there."""
    write(
        '[connections.a]\ndriver = "memoy"\n'
        '[connections.b]\ndriver = "memory"\noptions.color = "blue"\n'
        '[connections.c]\ndriver = "memory"\nusername = "x"\n'
        '[connections.d]\ndriver = "memory"\noptions.colour = "grey"\n'
    )
    a, b, c, d = (str(m) for m in check_connections(coodie.load_config(), registry.plugins))
    assert a.startswith("coodie.toml:2: connections.a.driver: ")
    assert "'memory'" in a
    assert b.startswith("coodie.toml:5: connections.b.options.color: ")
    assert "Did you mean 'colour'" in b
    assert c.startswith("coodie.toml:8: connections.c.username: username= without password=")
    assert d.startswith("coodie.toml:11: connections.d.options.colour: ")


def test_a_password_stands_beside_its_url(write: Callable[..., Path], registry: DriverRegistry) -> None:
    """A URL may have a user alone: the password is a key or a variable; without one that is a mistake."""
    write('[connections.main]\nurl = "memory://ada@db1"\n')
    (mistake,) = map(str, check_connections(find_configuration(None, {}), registry.plugins))
    assert "connections.main.username: username= without password=" in mistake
    configuration = find_configuration(None, {"COODIE__MAIN__PASSWORD": "secret"})
    assert check_connections(configuration, registry.plugins) == []
    arguments = configuration.named("main").arguments(registry.plugins)
    assert (arguments["username"], arguments["password"]) == ("ada", "secret")


def test_check_tells_all_at_once(write: Callable[..., Path], registry: DriverRegistry) -> None:
    """Whoever mends each line that is named is done; what only follows from another isn't named."""
    write(
        '[connections.a]\ndriver = "memory"\nprot = 1\nusername = "ada"\npassword = "{file:none}"\n'
        'port = "{env:NO_SUCH}"\nssl_trusted_cert = "none.pem"\n'
        '[connections.a.options]\ncolour = "grey"\nsize = 5\n'
        '[connections.b]\ndrivr = "memory"\n'
        '[connections.c]\ndriver = "memoy"\n'
    )
    configuration, mistakes = inspect_files(None, {"COODIE__B__PORT": "x"})
    mistakes += check_connections(configuration, registry.plugins, tuple(mistakes))
    found = sorted((mistake.line, mistake.key) for mistake in mistakes)
    assert found == [
        (0, ""),
        (3, "connections.a.prot"),
        (5, "connections.a.password"),
        (6, "connections.a.port"),
        (7, "connections.a.ssl_trusted_cert"),
        (9, "connections.a.options.colour"),
        (10, "connections.a.options.size"),
        (12, "connections.b.drivr"),
        (14, "connections.c.driver"),
    ]


def test_check_knows_the_distributions_and_observers(
    write: Callable[..., Path], registry: DriverRegistry
) -> None:
    """A backend that the file blocks and an observer that nobody has are found before they are needed."""
    path = write('[connections.a]\ndriver = "memory"\n')
    configuration = coodie.load_config()
    assert check_connections(configuration, registry.plugins) == []
    path.write_text(
        'block = ["dist-memory"]\nobservers = ["requestlogs"]\n[connections.a]\ndriver = "memory"\n'
    )
    found = [str(m) for m in check_connections(find_configuration(path, {}), registry.plugins)]
    assert found[0].startswith("coodie.toml:2: observers: ")
    assert "Did you mean 'requestlog'?" in found[0]
    assert found[1].startswith("coodie.toml:4: connections.a.driver: ")
    assert "blocked" in found[1]
    assert len(found) == 2


def test_unknown_connection(write: Callable[..., Path], registry: DriverRegistry) -> None:
    """A slip in a connection's name is answered with the name."""
    write('[connections.main]\ndriver = "memory"\n')
    configuration = coodie.load_config()
    with pytest.raises(ConfigurationError, match="Did you mean 'main'"):
        coodie.get_driver("maim")
    with pytest.raises(ConfigurationError, match="Did you mean 'main'"):
        configuration.named("maim")


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
    told = [type(one.observer).__name__ for one in current_observers().everyone]
    assert told == ["RequestLog", "RequestCounters", "OpenTelemetryObserver"]


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
