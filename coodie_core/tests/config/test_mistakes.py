"""What is wrong in a configuration file, told with its place and at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import coodie
from coodie.config.loading import find_configuration, inspect_files
from coodie.config.validation import check_connections
from coodie.exceptions import ConfigFileError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coodie.registry import DriverRegistry


def mistakes_of(text: str, write: Callable[..., Path]) -> tuple[str, ...]:
    """Return the mistakes of a file."""
    write(text)
    with pytest.raises(ConfigFileError) as caught:
        coodie.load_config()
    assert all(mistake in str(caught.value) for mistake in caught.value.mistakes)
    return caught.value.mistakes


def test_a_default_that_is_no_connection(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that selects a connection that isn't there is the mistake, not the file."""
    monkeypatch.setenv("COODIE__DEFAULT", "maim")
    (mistake,) = mistakes_of('[connections.main]\ndriver = "memory"\n', write)
    assert mistake.startswith("COODIE__DEFAULT: ")
    assert "Did you mean 'main'?" in mistake


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
    monkeypatch.setenv("COODIE__BLOCK", "a,,b")
    found = mistakes_of(
        """default = "maim"
conections = 1
allow = "coodie-scylla"

[connections.main]
driver = "memory"
prot = 9042
hosts = [
    "db1:90420",
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
        ("coodie.toml:8: connections.main.hosts: ", "from 1 to 65535 as the port"),
        ("coodie.toml:11: connections.main.consistency: ", "LOCAL_QUORUM"),
        ("coodie.toml:12: connections.main.profiles.reports.timout: ", "Did you mean 'timeout'?"),
        ("coodie.toml:13: connections.main.retry_policy: ", "can't be used"),
        ("coodie.toml:16: connections.bad.url: ", "write %40 for @"),
        ("coodie.toml:17: connections.bad.options: ", "isn't a table"),
        ("coodie.toml:20: connections.bad.profiles.x: ", "idempotent"),
        ("COODIE__MAIM__PORT: ", "Did you mean 'main'?"),
        ("COODIE__MAIN__PORT: ", "an integer from 1 to 65535"),
        ("COODIE__MAIN__PROT: ", "Did you mean 'port'?"),
        ("COODIE__MAIN__PROFILES__A__TIMOUT: ", "Did you mean 'timeout'?"),
        ("COODIE__MAIN: ", "it has no key"),
        ("COODIE__BLOCK: ", "names"),
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
