"""`coodie drivers` and `coodie doctor`, with backends that the test registers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from coodie_core.tests.distributions import announcing
from coodie_core.tests.fakes import Backend

from coodie.capabilities import KNOWN
from coodie.cli import main
from coodie.exceptions import ConfigurationError
from coodie.plugins import DriverDescription, hookimpl
from coodie.plugins.host import PluginHost
from coodie.registry import DriverRegistry, using_registry
from coodie_doctor.pip_commands import pip_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie_core.tests.distributions import Site


class Wrong(Backend):
    """Says nothing that is a description."""

    @hookimpl
    def coodie_describe_driver(self) -> DriverDescription:
        """Describe it wrongly."""
        return "a backend"  # type: ignore[return-value]  # on purpose


@pytest.fixture(autouse=True)
def host(site: Site) -> Iterator[PluginHost]:
    """A registry where nothing is installed."""
    registry = DriverRegistry(PluginHost(site.index()))
    with using_registry(registry):
        yield registry.plugins


def test_text(host: PluginHost, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each backend; below, what it can do, or why not and the command on a line of its own."""
    host.register("memory", Backend(), distribution="acme-db", version="2.0")
    host.register("wrong", Wrong())
    assert main(["drivers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines]
    assert ["memory", "acme-db", "2.0", "1", "ready"] in rows
    assert ["wrong", "(the", "application's)", "–", "1", "broken"] in rows
    assert ["scylla", "coodie-scylla", "–", "–", "not", "installed"] in rows
    assert "pip install ./coodie_scylla" in lines
    assert any(line.startswith("memory can: TLS, ") and " authentication, " in line for line in lines)
    assert any(line.startswith("wrong: coodie_describe_driver of") for line in lines)


def test_json(host: PluginHost, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs the same, in order of name."""
    host.register("memory", Backend(), distribution="acme-db", version="2.0")
    assert main(["drivers", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["driver_type"] for one in listed] == sorted([*KNOWN, "memory"])
    (memory,) = (one for one in listed if one["driver_type"] == "memory")
    assert (memory["state"], memory["options"], memory["summary"]) == ("ready", ["colour"], "in memory")


def test_doctor(host: PluginHost, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status says whether all is well: no backend at all isn't, one that is ready is."""
    assert main(["doctor"]) == 1
    assert "\npip install ./coodie_scylla\n" in capsys.readouterr().out
    host.register("memory", Backend(), distribution="acme-db", version="2.0")
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


class Shouting(Backend):
    """Tells facts and errors that a terminal mustn't have."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self._error = error

    @hookimpl
    def coodie_inspect_driver(self) -> dict[str, object]:
        """Tell them."""
        if self._error is not None:
            raise self._error
        return {"\x1b[2Jfact": "\x1b]0;x\x07"}


def test_what_a_terminal_must_not_have(host: PluginHost, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a plug-in says or raises, both lists are whole, and without control characters."""
    host.register("facts", Shouting())
    host.register("mine", Shouting(ConfigurationError("\x1b[2J mine", hint="Give another.")))
    host.register("exits", Shouting(SystemExit(3)))
    assert main(["drivers"]) == 0
    listed = capsys.readouterr().out
    assert main(["doctor"]) == 1
    examined = capsys.readouterr().out
    for text in (listed, examined):
        assert "mine: \\x1b[2J mine" in text
        assert "exits: coodie_inspect_driver of" in text
        assert "\x1b[2J" not in text
        assert "\x07" not in text
    assert "\\x1b]0;x\\x07" in examined


@pytest.mark.parametrize(("name", "driver_type"), [("coodie-scylla", "scylla"), ("acme-db", "?")])
def test_unreadable_metadata(
    host: PluginHost, site: Site, capsys: pytest.CaptureFixture[str], name: str, driver_type: str
) -> None:
    """It is one line in each list, with the command that repairs it; the doctor exits with 1."""
    info = site.install(name, entry_points=announcing("scylla", "nowhere"))
    (info / "METADATA").write_bytes(b"Name: \xff\xfe\n")
    host.register("memory", Backend(), distribution="dist-memory", version="2.0")
    assert main(["drivers"]) == 0
    listed = capsys.readouterr().out
    assert main(["doctor"]) == 1
    examined = capsys.readouterr().out
    for text in (listed, examined):
        rows = [line.split() for line in text.splitlines()]
        (row,) = [row for row in rows if row[:1] == [driver_type]]
        assert {name, "broken"} <= set(row)
        assert pip_command("install --force-reinstall --no-deps", name) in text.splitlines()
    assert "No backend is installed" not in examined


def test_arguments_that_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    """They are a usage error."""
    assert main(["doctor", "--option", "port"]) == 2
    assert "isn't NAME=VALUE" in capsys.readouterr().err
    assert main(["drivers", "--timeout", "0"]) == 2
