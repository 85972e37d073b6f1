"""Every public function and command, given anything: an answer or an error that says what is wrong."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest
from click import ClickException
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.reliability.test_bad_input import ANYTHING
from tests.reliability.test_hostile_files import TEXT

import coodie
from coodie.cli._commands import coodie as command_line
from coodie.exceptions import CoodieError
from coodie.options import OPTIONS
from coodie.plugins import hookimpl
from coodie.plugins.discovery import DriverIndex
from coodie.plugins.host import PluginHost
from coodie.registry import DriverRegistry, using_registry
from coodie.schema import ColumnDefinition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.reliability

EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)

#: Where users import from. The methods of drivers have their properties in test_bad_input.
WINDOWS = (
    "coodie",
    "coodie.config",
    "coodie.observers",
    "coodie.plugins",
    "coodie.requests",
    "coodie.schema",
    "coodie.types",
)
#: What stands there and isn't called by users with values of their own.
NOT_CALLED = {
    # Made by coodie, and given to users: checked where they are made.
    "AwaitAgreement", "DriverEntryPoint", "ConnectionClosed", "ConnectionConfig", "ConnectionEvent",
    "ConnectionFailed", "ConnectionOpened", "DriverRegistered", "Execute", "Host", "ObservedRequest", "Part",
    "NodeAdded", "NodeConnectionClosed", "NodeConnectionOpened", "NodeDown", "NodeEvent", "NodeRemoved",
    "NodeUp", "Query", "Read", "ReadNodes", "RequestEvent", "RequestFinished", "RequestRetried",
    "RequestStarted", "Rows", "SchemaChanged", "Sleep", "SyncResult",
    # Called by drivers, with objects of the contract.
    "batch_part", "check_module_owner", "hookimpl", "observe_request", "open_driver", "open_driver_async",
    "tell_closed", "untold",
    # Bases and enumerations, which say ValueError as Python's all do.
    "AbstractDriver", "BatchType", "Capability", "ConnectionKind", "Driver", "RequestKind", "RetryReason",
    "SchemaChange", "SchemaSyncMixin", "UnsetType",
}  # fmt: skip


def _public() -> Iterator[tuple[str, Callable[..., Any]]]:
    for window in WINDOWS:
        module = importlib.import_module(window)
        for name in module.__all__:
            each = getattr(module, name)
            is_error = isinstance(each, type) and issubclass(each, Exception)  # made by coodie and drivers
            if callable(each) and not is_error and name not in NOT_CALLED:
                yield name, each


PUBLIC = dict(_public())


#: The server of which there is none.
LOCAL = {"release_version": "5.0", "cluster_name": "none", "data_center": "dc1"}


class Nothing(coodie.AbstractDriver):
    """A driver to which nothing matters."""

    def execute(self, stmt: str, *_: Any, **__: Any) -> list[dict[str, Any]]:
        """Return what ``coodie ping`` asks for, and no rows else."""
        return [LOCAL] if "system.local" in stmt else []

    async def execute_async(self, stmt: str, *_: Any, **__: Any) -> list[dict[str, Any]]:
        """Return what the other does."""
        return self.execute(stmt)

    def sync_table(self, *_: Any, **__: Any) -> list[str]:
        """Have done nothing."""
        return []

    async def sync_table_async(self, *_: Any, **__: Any) -> list[str]:
        """Have done nothing."""
        return []

    def close(self) -> None:
        """Do nothing."""

    async def close_async(self) -> None:
        """Do nothing."""


class Plugin:
    """The one backend that there is: no host of any name is ever looked for."""

    @hookimpl
    def coodie_open_driver(self, config: Any) -> Nothing:
        """Connect to nothing."""
        return Nothing()


def _registry() -> DriverRegistry:
    host = PluginHost(DriverIndex(source=lambda **_: []))
    host.register("memory", Plugin())
    return DriverRegistry(host)


#: What many arguments are right for, so that others are looked at, too.
GIVEN = {
    "driver_type": st.just("memory"),
    "url": TEXT.map("memory://h/{}".format),
    "driver": st.just(Nothing()),
    "table": st.just("t"),
    "keyspace": st.just("k"),
    "cols": st.just([ColumnDefinition("k", "int", primary_key=True)]),
    "hosts": st.just(["h"]),
}
OPTION_NAMES = st.sampled_from([*OPTIONS, "no_such"])


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads or writes files does so where there are none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COODIE_CONFIG", raising=False)


def _draw(data: st.DataObject, name: str) -> Any:
    return data.draw(GIVEN[name] | ANYTHING if name in GIVEN else ANYTHING, name)


def _arguments(function: Callable[..., Any], data: st.DataObject) -> tuple[list[Any], dict[str, Any]]:
    """Draw a value for each parameter that needs one, and for some that don't."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # a class that C made tells nothing of them
        return [_draw(data, "value")], {}
    for each in parameters:
        if each.kind is each.VAR_POSITIONAL:
            positional += data.draw(st.lists(ANYTHING, max_size=2))
        elif each.kind is each.VAR_KEYWORD:
            named |= data.draw(st.dictionaries(OPTION_NAMES, ANYTHING, max_size=2))
        elif each.default is not each.empty and data.draw(st.booleans()):
            continue
        elif each.kind is each.POSITIONAL_ONLY:
            positional.append(_draw(data, each.name))
        else:
            named[each.name] = _draw(data, each.name)
    return positional, named


async def _finish(answer: Any) -> None:
    """Await what has to be awaited, begin what has steps, and enter what has to be entered."""
    if inspect.iscoroutine(answer):
        answer = await asyncio.wait_for(answer, 60)
    if inspect.isgenerator(answer):
        next(answer, None)
    if isinstance(answer, AbstractContextManager) and not isinstance(answer, coodie.AbstractDriver):
        with answer:
            pass


@pytest.mark.parametrize("name", PUBLIC)
@EXAMPLES
@given(data=st.data())
async def test_anything_for_everything(name: str, data: st.DataObject) -> None:
    """With any arguments, a function returns, or raises an error of coodie with a message."""
    positional, named = _arguments(PUBLIC[name], data)
    with using_registry(_registry()):
        try:
            await _finish(PUBLIC[name](*positional, **named))
        except CoodieError as exc:
            assert str(exc)  # noqa: PT017 - some calls are fine


#: Words that mean something to some command, and words that mean nothing to any.
WORDS = (
    st.sampled_from([
        "show", "check", "init", "schema", "diff", "sync", "--json", "--csv", "--table", "--page-size",
        "--consistency", "--timeout", "--profile", "-c", "--connection", "memory://", "memory://h/k", "-h",
        "--", "-", "0", "-1", "1e999", "QUORUM", "SELECT * FROM t", "system", "no_such:name", "json:decoder",
        "a.b", "ParameterError", "--all", "--dry-run", "coodie.toml", "-p", "id=7", "--null", "id", "-f",
        "--timing", "--python", "UPDATE t SET v = ? WHERE id = :id",
    ])
    | TEXT.filter(lambda text: ":" not in text)
)  # fmt: skip


@pytest.mark.parametrize("command", ["config", "drivers", "explain", "new-driver", "ping", "query", "schema"])
@EXAMPLES
@given(words=st.lists(WORDS, max_size=6))
def test_any_command_line(command: str, words: list[str]) -> None:
    """With any arguments, a command ends with an exit code, a usage error or an error of coodie."""
    with using_registry(_registry()):
        outcome = CliRunner().invoke(command_line, [command, *words])
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        assert isinstance(outcome.exception, (CoodieError, ClickException)), outcome.exc_info
