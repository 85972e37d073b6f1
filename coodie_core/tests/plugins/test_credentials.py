"""Credentials providers of installed distributions: found, refused and asked as backends are."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import Backend, host_of

import coodie
from coodie.capabilities import Capability
from coodie.diagnostics.inventory import take_providers
from coodie.exceptions import (
    AuthenticationError,
    ConfigurationError,
    DriverApiVersionError,
    DriverBlockedError,
    DriverImportError,
    DriverLoadError,
    DriverNotFoundError,
    DuplicateDriverError,
    NotADriverError,
)
from coodie.options.connection import build_config
from coodie.options.credentials import Credentials
from coodie.plugins import DriverDescription, hookimpl
from coodie.plugins.credentials import CredentialsPlugins
from coodie.registry.registry import DriverRegistry, using_registry
from coodie_doctor.findings import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from coodie_core.tests.distributions import Site

    from coodie.options.connection import ConnectionConfig
    from coodie.plugins.host import PluginHost


class OldBackend(Backend):
    """Knows user names and passwords only."""

    @hookimpl
    def coodie_describe_driver(self) -> DriverDescription:
        """Take them."""
        return DriverDescription(summary="old", capabilities=frozenset({Capability.AUTHENTICATION}))


#: A provider as a third party writes it: a function, whose password changes with each login.
VAULT = """
from itertools import count
from coodie import Credentials
number = count(1)
def login():
    return Credentials("ada", f"secret-{next(number)}")
class Challenged:
    def initial_response(self):
        return b"hello"
    def evaluate_challenge(self, challenge):
        return challenge[::-1]
def broken():
    raise RuntimeError("hunter2")
def wrong():
    return "hunter2"
text = "hunter2"
"""

pytestmark = pytest.mark.usefixtures("_no_lists")


@pytest.fixture
def _no_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COODIE_BLOCK", raising=False)
    monkeypatch.delenv("COODIE_ALLOW", raising=False)


def install(site: Site, name: str = "acme-vault", value: str = "acme_vault:login", api: int = 1) -> Path:
    """Install a distribution with the provider acme-vault."""
    groups = ("coodie.credentials", f"coodie.credentials_api.{api}")
    return site.install(name, entry_points={group: {"acme-vault": value} for group in groups})


@pytest.fixture
def host(on_path: Site, memory: Backend) -> PluginHost:
    """A host with one backend, in memory, and the providers that are installed on the path."""
    (on_path.path / "acme_vault.py").write_text(VAULT, encoding="utf-8")
    made = host_of(memory=memory, old=OldBackend())
    made.credentials = CredentialsPlugins(on_path.index(), made.allowlist)
    return made


@pytest.fixture
def registry(host: PluginHost) -> Iterator[DriverRegistry]:
    """A registry with that host."""
    with using_registry(DriverRegistry(host)) as made:
        yield made


def config(name: str = "acme-vault", driver_type: str = "memory") -> ConnectionConfig:
    """Return a configuration with a provider."""
    return build_config(driver_type=driver_type, credentials=name)


@pytest.mark.usefixtures("registry")
def test_from_a_file(on_path: Site, memory: Backend, write: Callable[..., Path]) -> None:
    """A name in a file is looked up when it is needed; the provider is asked for each login."""
    file = write('[connections.shop]\ndriver = "memory"\ncredentials = "acme-vault"\n')
    install(on_path)
    coodie.load_config(file)
    assert "acme_vault" not in sys.modules
    coodie.get_driver("shop").execute("SELECT", [])
    (got,) = memory.attempts
    assert (got.username, got.password) == ("ada", "secret-1")
    assert callable(got.credentials)
    assert got.credentials() == Credentials("ada", "secret-2")
    assert "secret" not in repr(got) + repr(got.credentials)


@pytest.mark.parametrize(
    ("text", "variables", "wanted"),
    [
        ('url = "memory://db1?credentials=acme-vault"', {}, "ada"),
        ('username = "a"\npassword = "{env:NONE}"', {"CREDENTIALS": "acme-vault"}, "ada"),
        ('credentials = "acme-vault"', {"USERNAME": "b", "PASSWORD": "c"}, "b"),
        ('credentials = "none"', {"URL": "memory://b:c@db1"}, "b"),
    ],
)
@pytest.mark.usefixtures("registry")
def test_what_replaces_it(
    on_path: Site,
    memory: Backend,
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    variables: dict[str, str],
    wanted: str,
) -> None:
    """A URL has it, too; in a variable, it replaces the file's user name and password, or they it."""
    install(on_path)
    for name, value in variables.items():
        monkeypatch.setenv(f"COODIE__SHOP__{name}", value)
    coodie.load_config(write(f'[connections.shop]\ndriver = "memory"\n{text}\n'))
    coodie.get_driver("shop").execute("SELECT", [])
    assert [one.username for one in memory.attempts] == [wanted]


@pytest.mark.usefixtures("registry")
def test_beside_a_password_with_a_reference(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both in one file are refused, also where the password is looked up for each login."""
    monkeypatch.setenv("SECRET", "hunter2")
    text = '[connections.shop]\ndriver = "memory"\ncredentials = "acme-vault"\nusername = "a"\n'
    coodie.load_config(write(f'{text}password = "{{env:SECRET}}"\n'))
    with pytest.raises(ConfigurationError, match="credentials= can't be combined with username="):
        coodie.get_driver("shop").execute("SELECT", [])


def test_an_authenticator(on_path: Site, host: PluginHost, memory: Backend) -> None:
    """A provider may return one; a backend that only knows user names and passwords refuses it."""
    install(on_path, value="acme_vault:Challenged")
    host.open(config()).close()
    (got,) = memory.attempts
    assert (got.username, got.password) == (None, None)
    assert callable(got.credentials)
    login: Any = got.credentials()
    assert login.evaluate_challenge(b"ab") == b"ba"
    with pytest.raises(ConfigurationError, match="support authenticators, which credentials= that") as caught:
        host.open(config(driver_type="old"))
    assert caught.value.option == "credentials"


@pytest.mark.parametrize(
    ("arrange", "error", "said"),
    [
        (lambda _: None, DriverNotFoundError, "No credentials provider for credentials='acme-vault' is inst"),
        (
            lambda site: install(site, "other-vault", "nowhere:x", 7),
            DriverApiVersionError,
            "declares version 7",
        ),
        (
            lambda site: (install(site), install(site, "b-vault")),
            DuplicateDriverError,
            "by acme-vault 1.0 and b-vault 1.0. Pin one, such as credentials='acme-vault@acme-vault'",
        ),
        (lambda site: install(site, value="nowhere:x"), DriverImportError, "has no module 'nowhere'"),
        (lambda site: install(site, value="acme_vault:text"), NotADriverError, "is a str, not a function"),
    ],
)
def test_what_is_refused(
    on_path: Site, host: PluginHost, arrange: Callable[[Site], object], error: type[Exception], said: str
) -> None:
    """The errors are those of backends, about the option credentials, and are raised without connecting."""
    arrange(on_path)
    with pytest.raises(error) as caught:
        host.check(config())
    assert isinstance(caught.value, DriverLoadError)
    assert said in str(caught.value)
    assert (caught.value.option, caught.value.driver_type) == ("credentials", None)
    assert "backend" not in str(caught.value)


def test_pins_and_blocked_distributions(
    on_path: Site, host: PluginHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pin selects one of two; a blocked distribution isn't used, even if it was loaded before."""
    install(on_path)
    install(on_path, "b-vault", "nowhere:x")
    host.check(config("acme-vault@acme-vault"))
    with pytest.raises(DriverNotFoundError, match="'c-vault', pinned by credentials='acme-vault', isn't"):
        host.check(config("acme-vault@c-vault"))
    with pytest.raises(ConfigurationError, match="Give a provider's name"):
        host.check(config("acme-vault@"))
    monkeypatch.setenv("COODIE_BLOCK", "Acme.Vault")
    with pytest.raises(DriverBlockedError, match="which provides credentials='acme-vault', is blocked"):
        host.check(config("acme-vault@acme-vault"))


@pytest.mark.parametrize(
    ("function", "error"), [("broken", AuthenticationError), ("wrong", ConfigurationError)]
)
def test_providers_that_fail(on_path: Site, host: PluginHost, function: str, error: type[Exception]) -> None:
    """The error has the provider's name and distribution, and nothing that it raised or returned."""
    install(on_path, value=f"acme_vault:{function}")
    with pytest.raises(error, match=r"The credentials provider 'acme-vault' of acme-vault 1\.0 r") as caught:
        host.open(config())
    assert "hunter2" not in str(caught.value)


def test_in_the_doctor(on_path: Site, host: PluginHost) -> None:
    """Providers are listed with their state, each imported in a process of its own."""
    install(on_path)
    groups = ("coodie.credentials", "coodie.credentials_api.1")
    on_path.install("bad-vault", entry_points={group: {"bad": "nowhere:x"} for group in groups})
    found = take_providers(host)
    assert [(one.driver_type, one.distribution, str(one.state)) for one in found] == [
        ("acme-vault", "acme-vault", "ready"),
        ("bad", "bad-vault", "broken"),
    ]
    assert "nowhere" in str(found[1].reason)
    assert len({*host.credentials.index.entry_points()}) == len(found)
    report = Report({}, credentials=[one.as_provider() for one in found])
    assert (
        json.loads(report.as_json())["credentials"][1]["command"] == "pip install --force-reinstall bad-vault"
    )
    assert "\nCredentials providers\n  acme-vault    ready          acme-vault 1.0\n" in report.as_text()
