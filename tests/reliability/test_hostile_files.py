"""What others wrote: metadata of installed packages, configuration files, URLs; read, it does no harm."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import importlib_metadata
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import coodie
from coodie.exceptions import ConfigurationError, CoodieError
from coodie.plugins import allow_only, installed_drivers
from coodie.plugins.discovery import DriverIndex
from coodie.plugins.host import PluginHost
from coodie.registry import DriverRegistry, using_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

#: Pieces of which files like ours are made, and what breaks them.
PIECES = st.sampled_from([
    "[coodie.drivers]", "[coodie.driver_api.1]", "[coodie.observers]", "[", "]", "=", "\n", "\r", "\0", "é",
    "acme", "scylla", "os:system", "evil", "evil:", ":x", "a.b.c:d.e [extra]", "Name: ", "Version: ", "..",
    "coodie-core", "/etc/passwd", "connections", "driver", "hosts", "url", '"', "'", "{", "}", ",", "#", "1",
    "true", "1e999", "{env:X}", "{file:/dev/null}", "allow", "block", "observers", "profiles", "\\u0000",
    "\ud800",
])  # fmt: skip
TEXT = st.lists(PIECES | st.text(max_size=6), max_size=30).map("".join)
BYTES = TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=60)

#: A module that tells when it has been imported.
EVIL = "raise SystemExit('hostile code ran')\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a directory of installed distributions with a module that mustn't be imported."""
    (tmp_path / "evil.py").write_text(EVIL)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for variable in ("COODIE_CONFIG", "COODIE_ALLOW", "COODIE_BLOCK"):
        monkeypatch.delenv(variable, raising=False)
    yield tmp_path
    assert "evil" not in sys.modules


def _install(site: Path, name: str, files: dict[str, bytes]) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(exist_ok=True)
    for file, data in files.items():
        (info / file).write_bytes(data)


def _announcing(driver_type: str, module: str) -> bytes:
    groups = ("coodie.drivers", "coodie.driver_api.1")
    return "\n".join(f"[{group}]\n{driver_type} = {module}\n" for group in groups).encode()


def _host(site: Path) -> PluginHost:
    def source(**context: Any) -> list[Any]:
        return list(importlib_metadata.distributions(path=[str(site)], **context))

    return PluginHost(DriverIndex(source=source))


@EXAMPLES
@given(metadata=BYTES, entry_points=BYTES, record=BYTES)
@example(metadata=b"Name: hostile\nVersion: 1\n", entry_points=b"[coodie.drivers]\n= x\n", record=b"")
@example(metadata=b"Name: hostile\n", entry_points=b"[coodie.drivers]\nscylla = evil\n", record=b"\xff")
@example(metadata=b"Name: \n\n", entry_points=b"coodie.drivers", record=b",,,\n..,,")
def test_any_metadata(metadata: bytes, entry_points: bytes, record: bytes, site: Path) -> None:
    """Invalid metadata of a package raises no error, imports nothing, and hides no other backend."""
    _install(site, "hostile", {"METADATA": metadata, "entry_points.txt": entry_points, "RECORD": record})
    _install(
        site,
        "good",
        {
            "METADATA": b"Metadata-Version: 2.1\nName: good\nVersion: 1.0\n",
            "entry_points.txt": _announcing("goodone", "nowhere"),
        },
    )
    logging.disable(logging.CRITICAL)  # a warning for each
    try:
        with using_registry(DriverRegistry(_host(site))):
            for _ in range(2):
                found = {entry.distribution for entry in installed_drivers()}
                assert "good" in found
            with pytest.raises(CoodieError):
                coodie.init_coodie(["h"], driver_type="no-such-backend")
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("how", ["file", "environment", "application"])
def test_the_allow_list_comes_before_the_import(
    how: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend that isn't on the allow-list raises an error that names it, and isn't imported."""
    metadata = {
        "METADATA": b"Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n",
        "entry_points.txt": _announcing("acme", "evil"),
        "RECORD": b"evil.py,,\n",
    }
    _install(site, "acme", metadata)
    with using_registry(DriverRegistry(_host(site))):
        if how == "file":
            (site / "coodie.toml").write_text('allow = ["coodie-scylla"]\n')
            coodie.load_config()
        elif how == "environment":
            monkeypatch.setenv("COODIE_ALLOW", "coodie-scylla")
        else:
            allow_only("coodie-scylla")
        with pytest.raises(CoodieError, match="acme"):
            coodie.init_coodie(["h"], driver_type="acme")
        with pytest.raises(CoodieError, match="acme"):
            coodie.connect("acme://h")
        assert "evil" not in sys.modules
    with using_registry(DriverRegistry(_host(site))):
        monkeypatch.delenv("COODIE_ALLOW", raising=False)
        with pytest.raises((CoodieError, SystemExit)):  # without the list, it would have run
            coodie.init_coodie(["h"], driver_type="acme")


@EXAMPLES
@given(data=BYTES)
@example(data=b"[connections.a]\ndriver = 'evil'\nhosts = [1, 2]\n")
@example(data=b"[connections.a]\nurl = 'evil://x'\n[connections.a.profiles.b]\ntimeout = -1\n")
@example(data=b"\xef\xbb\xbf[connections]\n")
@example(data=b"a = " + b"[" * 2000)
@example(data=b"[connections.a]\nport = " + b"9" * 5000)
def test_any_configuration_file(data: bytes, site: Path) -> None:
    """Any configuration file is parsed, or raises an error that names it; nothing is imported."""
    path = site / "coodie.toml"
    path.write_bytes(data)
    with using_registry(DriverRegistry(_host(site))):
        try:
            coodie.load_config()
        except CoodieError as exc:
            assert "coodie.toml" in str(exc)  # noqa: PT017 - most files are refused, some are fine


@EXAMPLES
@given(rest=TEXT)
@example(rest="://[::1]:99999/%00?a=b&a=b")
@example(rest="://h?" + "a=1&" * 3000)
def test_any_url(rest: str) -> None:
    """Any URL is parsed, or raises an error."""
    from coodie.config.url import parse_url

    for url in (rest, f"scylla://{rest}", f"scylla://h/{rest}", f"scylla://h?{rest}"):
        try:
            parse_url(url)
        except CoodieError as exc:
            assert isinstance(exc, ConfigurationError)  # noqa: PT017 - some are fine
