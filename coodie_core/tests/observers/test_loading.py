"""Observers by name: ours, and those that are installed; none by being installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import MemoryDriver

from coodie.exceptions import ConfigurationError, ObserverLoadError
from coodie.observers import activate_observer, unregister_observer
from coodie.observers.hub import current_observers
from coodie.observers.log import RequestLog
from coodie.observers.metrics import RequestCounters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("registry")

GOOD = """
from coodie.plugins import hookimpl

class Watcher:
    def __init__(self, colour="red"):
        self.colour, self.told = colour, []

    @hookimpl
    def coodie_request_finished(self, event):
        self.told.append(event)

@hookimpl
def coodie_request_started():
    pass
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put distributions on sys.path that announce observers."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(name: str, points: dict[str, str], code: str = GOOD, api: int = 1) -> None:
        module = name.replace("-", "_")
        monkeypatch.delitem(sys.modules, module, raising=False)
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{point} = {module}{value}" for point, value in points.items()]
        groups = ("coodie.observers", f"coodie.observer_api.{api}")
        text = "".join("\n".join([f"[{group}]", *lines, ""]) for group in groups)
        (info / "entry_points.txt").write_text(text)

    return put


def test_ours_by_name() -> None:
    """The shipped ones are made with their options, registered and returned; no metadata is read."""
    log = activate_observer("requestlog", slow_seconds=0.5)
    counters = activate_observer("counters")
    assert (type(log), type(counters)) == (RequestLog, RequestCounters)
    MemoryDriver().execute("SELECT", [])
    assert counters.snapshot().total().requests == 1
    unregister_observer(log)
    assert [one.observer for one in current_observers().all] == [counters]


def test_otel_by_name() -> None:
    """The one for OpenTelemetry goes to the application's own providers."""
    assert type(activate_observer("otel")).__name__ == "OpenTelemetryObserver"


def test_installed_ones_are_told_when_named(install: Any) -> None:
    """Installed alone, an observer isn't even imported; named, it is made and told."""
    install("acme-watch", {"acme": ":Watcher", "acme-module": ""})
    MemoryDriver().execute("SELECT", [])
    assert current_observers().all == ()
    assert "acme_watch" not in sys.modules
    watcher = activate_observer("acme", colour="blue")
    MemoryDriver().execute("SELECT", [])
    assert (watcher.colour, len(watcher.told)) == ("blue", 1)
    module = activate_observer("acme-module")
    assert module is sys.modules["acme_watch"]


def test_unknown_names() -> None:
    """The error lists what there is, and what may have been meant."""
    with pytest.raises(
        ObserverLoadError, match=r"counters, otel, requestlog\. Did you mean 'counters'\?"
    ) as caught:
        activate_observer("counter")
    assert caught.value.observer == "counter"
    with pytest.raises(ObserverLoadError, match="module and the attribute"):
        activate_observer("json:no_such_thing")
    with pytest.raises(ObserverLoadError, match="Install the distribution"):
        activate_observer("zzz")


@pytest.mark.parametrize(
    ("points", "code", "api", "said"),
    [
        (
            {"bad": ":Watcher"},
            "1 / 0",
            1,
            "raised ZeroDivisionError.*\npip install --force-reinstall bad-one",
        ),
        ({"bad": ":Watcher"}, "import not_there", 1, "not_there.*\npip install"),
        ({"bad": ":Nothing"}, GOOD, 1, "raised AttributeError"),
        (
            {"bad": ":Watcher"},
            GOOD,
            2,
            "version 1 of the hooks.*\npip install --upgrade ./coodie_core bad-one",
        ),
        ({"bad": ""}, "x = 1", 1, "implements no hook"),
    ],
)
def test_broken_ones(install: Any, points: dict[str, str], code: str, api: int, said: str) -> None:
    """What is wrong with a named observer is said with its distribution and a command; others work."""
    install("bad-one", points, code, api)
    install("good-one", {"good": ":Watcher"})
    with pytest.raises(ObserverLoadError, match=said):
        activate_observer("bad")
    activate_observer("good")
    assert len(current_observers().all) == 1


def test_two_of_one_name(install: Any) -> None:
    """Two distributions with one name are an error that names both."""
    install("one-watch", {"same": ":Watcher"})
    install("two-watch", {"same": ":Watcher"})
    with pytest.raises(
        ObserverLoadError, match=r"one-watch 1\.0 and two-watch 1\.0|two-watch 1\.0 and one-watch"
    ):
        activate_observer("same")


def test_blocked_distributions(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may not serve as a backend may not observe, either."""
    install("acme-watch", {"acme": ":Watcher"})
    monkeypatch.setenv("COODIE_BLOCK", "Acme.Watch")
    with pytest.raises(ObserverLoadError, match=r"acme-watch 1\.0 is blocked by COODIE_BLOCK"):
        activate_observer("acme")
    assert "acme_watch" not in sys.modules


@pytest.mark.parametrize(
    ("name", "options"), [("requestlog", {"slow": 1}), ("counters", {"x": 1}), ("acme-module", {"colour": 1})]
)
def test_options_are_checked(install: Any, name: str, options: dict[str, Any]) -> None:
    """An option that an observer doesn't take is refused by name, and nothing is registered."""
    install("acme-watch", {"acme-module": ""})
    with pytest.raises(ConfigurationError) as caught:
        activate_observer(name, **options)
    assert caught.value.option in options
    assert current_observers().all == ()
