"""The option ``bundle``: what is read of the file, what it replaces, and mistakes."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.bundles import bundle_files, write_bundle
from coodie_core.tests.fakes import host_of
from coodie_core.tests.plugins.test_abilities import Declaring

import coodie
from coodie.capabilities import Capability
from coodie.exceptions import ConfigurationError
from coodie.options.connection import build_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coodie_core.tests.fakes import Backend

    from coodie.registry import DriverRegistry

MARKER = "marker-7f3a"


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """The files of a bundle; making certificates takes a moment."""
    return bundle_files()


@pytest.fixture
def bundle(tmp_path: Path, files: dict[str, str]) -> Path:
    """A bundle."""
    return write_bundle(tmp_path / "secure-connect-shop.zip", files)


def test_what_it_has(bundle: Path, files: dict[str, str]) -> None:
    """The service's address, and a TLS context that verifies the authority, or a login."""
    for path in (bundle, str(bundle)):
        config = build_config(bundle=path)
        assert config.bundle is not None
        assert config.hosts is None
        assert config.host_names == ("db.example.org:29080",)
        assert config.target == "'scylla' at db.example.org:29080"
        context = config.current_ssl_context()
        assert context is not None
        assert (context.check_hostname, context.verify_mode) == (False, ssl.CERT_REQUIRED)
        assert context.cert_store_stats()["x509_ca"] == 1
        assert (config.username, config.password) == (None, None)
    login = bundle_files(username="ada", password=MARKER)["config.json"]
    write_bundle(bundle, {**files, "config.json": login})
    config = build_config(bundle=bundle)
    assert (config.username, config.password) == ("ada", MARKER)
    assert MARKER not in repr(config)
    assert build_config(bundle=bundle, username="token", password="b").password == "b"
    assert build_config(bundle=bundle, credentials=lambda: coodie.Credentials("a", "b")).username is None


def test_a_new_file(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    """New connections use its certificates; while it is being replaced, they use the previous ones."""
    config = build_config(bundle=bundle)
    before = config.current_ssl_context()
    assert config.current_ssl_context() is before
    bundle.write_bytes(b"half a zip file")
    assert config.current_ssl_context() is before
    assert "isn't a zip file" in caplog.text
    write_bundle(bundle, bundle_files())
    os.utime(bundle, (1, 1))
    assert config.current_ssl_context() not in (None, before)


@pytest.mark.parametrize(
    ("beside", "named"),
    [
        ({"hosts": ["db1"]}, "hosts"),
        ({"port": 9042}, "port"),
        ({"address_map": {"10.0.0.1": "db1"}}, "address_map"),
        ({"ssl_enabled": True}, "ssl_enabled"),
        ({"ssl_trusted_cert": "ca.pem", "hosts": ["db1"]}, "hosts"),
        ({"ssl_context": ssl.create_default_context()}, "ssl_context"),
        ({"ssl_hostname": "db"}, "ssl_hostname"),
    ],
)
def test_what_it_stands_for(bundle: Path, beside: dict[str, Any], named: str) -> None:
    """An address or a certificate beside it is refused by name."""
    with pytest.raises(ConfigurationError, match=f"bundle= can't be combined with {named}=") as caught:
        build_config(bundle=bundle, **beside)
    assert caught.value.option == named


def test_a_session_beside_it(bundle: Path) -> None:
    """So is a session, which is connected already."""
    with pytest.raises(ConfigurationError, match="session= can't be combined with bundle="):
        build_config(bundle=bundle, session=object())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config.json": "{"}, "its config.json isn't an object in JSON"),
        ({"config.json": f'["{MARKER}"]'}, "its config.json isn't an object in JSON"),
        ({"config.json": f'{{"host": "", "port": 1, "password": "{MARKER}"}}'}, "has no host and port"),
        ({"config.json": f'{{"host": "h", "port": "{MARKER}"}}'}, "has no host and port"),
        ({"ca.crt": MARKER}, "its certificates aren't PEM"),
        ({"key": f"-----BEGIN PRIVATE KEY-----\n{MARKER}\n"}, "its certificates can't be used"),
        ({"key": MARKER.encode() + b"\xff"}, "its files aren't text"),
        ({"key": None}, "a file is missing in it"),
    ],
)
def test_mistakes(tmp_path: Path, files: dict[str, str], change: dict[str, Any], said: str) -> None:
    """What is wrong with the file is said, without any part of its contents."""
    changed = {name: text for name, text in {**files, **change}.items() if text is not None}
    path = write_bundle(tmp_path / "bundle.zip", changed)
    with pytest.raises(ConfigurationError, match=r"bundle\.zip' isn't a secure connect bundle: ") as caught:
        build_config(bundle=path)
    assert said in str(caught.value)
    assert caught.value.option == "bundle"
    error: BaseException | None = caught.value
    while error is not None:
        assert MARKER not in str(error)
        error = error.__cause__


def test_no_file(tmp_path: Path) -> None:
    """So is a file that isn't there, or isn't a zip file."""
    with pytest.raises(ConfigurationError, match=r"none\.zip' can't be read: No such file"):
        build_config(bundle=tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("text")
    with pytest.raises(ConfigurationError, match="isn't a zip file"):
        build_config(bundle=tmp_path / "text.zip")
    with pytest.raises(ConfigurationError, match="Give a path"):
        build_config(bundle=5)


def test_it_needs_a_capability(bundle: Path) -> None:
    """A backend that only knows hosts refuses it, and names the ones that take it."""
    able = Declaring(Capability.CLOUD_BUNDLE, Capability.TLS)
    unable = Declaring(*set(Capability) - {Capability.CLOUD_BUNDLE})
    host = host_of(able=able, unable=unable)
    host.check(build_config(driver_type="able", bundle=bundle))
    with pytest.raises(ConfigurationError, match="support cloud bundle, which bundle= requires") as caught:
        host.check(build_config(driver_type="unable", bundle=bundle))
    assert {"cassandra", "scylla"} <= set(caught.value.alternatives)


@pytest.mark.parametrize(
    ("text", "variables", "is_bundle"),
    [
        ('bundle = "a/b.zip"', {}, True),
        ('url = "memory://ada:secret@/shop?bundle=a/b.zip"', {}, True),
        ('hosts = ["db1"]\nssl_trusted_cert = "missing.pem"', {"BUNDLE": "b.zip"}, True),
        ('url = "memory://db1"', {"BUNDLE": "b.zip"}, True),
        ('bundle = "missing.zip"', {"HOSTS": "db1"}, False),
        ('bundle = "missing.zip"', {"URL": "memory://db1"}, False),
    ],
)
def test_in_files_urls_and_variables(
    registry: DriverRegistry,
    memory: Backend,
    write: Callable[..., Path],
    files: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    variables: dict[str, str],
    is_bundle: bool,
) -> None:
    """A relative path in a file is relative to it; in a variable, it replaces the file's hosts and TLS."""
    file = write(f'[connections.shop]\ndriver = "memory"\n{text}\n', "project/coodie.toml")
    (tmp_path / "project" / "a").mkdir()
    write_bundle(tmp_path / "project" / "a" / "b.zip", files)
    write_bundle(tmp_path / "b.zip", files)
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(f"COODIE__SHOP__{name}", value)
    coodie.load_config(file)
    coodie.get_driver("shop").execute("SELECT", [])
    (config,) = memory.attempts
    assert (config.bundle is not None) == is_bundle
    assert config.hosts == (None if is_bundle else ("db1",))
    assert (config.ssl_context is not None) == is_bundle
