"""What the kit does around its checks: what may be left out and how, the report, and who it leaves alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.schema.syncoptions import SyncOptions
from coodie_testing import DriverConformance, check, overrides_check
from coodie_testing.api import SCHEMA_TIMEOUT, Api
from coodie_testing.checking import check_of, checks_of, problems_of
from coodie_testing.loop import CheckLoop, run_without_loop
from coodie_testing.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: A suite on a driver of a few lines, so that no server is needed.
SUITE = '''
import pytest
from coodie.capabilities import Capability
from coodie.drivers import AbstractDriver
from coodie_testing import DriverConformance, Server, check, overrides_check


class Nothing(AbstractDriver):
    """Answers nothing."""

    capabilities = frozenset({Capability.PAGING})

    def execute(
        self, stmt, params, consistency=None, timeout=None, fetch_size=None, paging_state=None,
        *, options=None,
    ):
        return []

    async def execute_async(
        self, stmt, params, consistency=None, timeout=None, fetch_size=None, paging_state=None,
        *, options=None,
    ):
        return []

    def sync_table(
        self, table, keyspace, cols, table_options=None, dry_run=False, drop_removed_indexes=False, **others
    ):
        return []

    async def sync_table_async(
        self, table, keyspace, cols, table_options=None, dry_run=False, drop_removed_indexes=False, **others
    ):
        return []

    def close(self):
        pass

    async def close_async(self):
        pass


class TestNothing(DriverConformance):
    waived = {"test_ping_says_true": "it has no server"}

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls):
        return Server("127.0.0.1", 1)

    @pytest.fixture(scope="class")
    @classmethod
    def open_driver(cls, server):
        return lambda **options: Nothing()
'''


def run(folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on a file, from outside."""
    (folder / "test_suite.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


class _Suite(DriverConformance):
    """Not collected: its name doesn't begin with Test."""


def _faults(waived: Mapping[str, str] | None = None, **members: Any) -> list[str]:
    suite = type("Suite", (_Suite,), members)
    return problems_of(suite, DriverConformance, waived or {})


# --- what may be left out ---------------------------------------------------------------


def test_there_are_enough() -> None:
    """At least 150 checks, each with a promise; most take both ways."""
    checks = checks_of(DriverConformance)
    assert len(checks) >= 150
    assert all(each.promise.endswith(".") for each in checks.values())
    assert {each.theme for each in checks.values()} >= {"contract", "paging", "types", "leaks", "tables"}


def test_a_plain_subclass_has_no_fault() -> None:
    """Nothing is left out unless somebody does so."""
    assert _faults(test_mine=lambda self: None) == []


def test_a_deleted_check_is_a_fault() -> None:
    """Set to None, a check is gone, which the suite has to give a reason for."""
    (fault,) = _faults(test_pages_add_up=None)
    assert fault.startswith("test_pages_add_up was deleted.")
    assert _faults({"test_pages_add_up": "no pages"}, test_pages_add_up=None) == []


def test_an_overridden_check_is_a_fault() -> None:
    """So is one that was replaced, unless a reason stands beside it."""

    def test_pages_add_up(self: Any) -> None:
        """Do less."""

    (fault,) = _faults(test_pages_add_up=test_pages_add_up)
    assert "overridden without a reason" in fault
    assert _faults(test_pages_add_up=overrides_check("a server of its own")(test_pages_add_up)) == []


@pytest.mark.parametrize("reason", ["", "  ", None, 1])
def test_reasons_are_words(reason: Any) -> None:
    """An empty reason is none."""
    with pytest.raises(ValueError, match="needs a reason"):
        overrides_check(reason)
    assert len(_faults({"test_pages_add_up": reason})) == 1


def test_waived_names_checks() -> None:
    """A name that is no check's is a fault: the check that was meant would run."""
    (fault,) = _faults({"test_pages_ad_up": "typo"})
    assert "isn't a check of the kit" in fault


def test_the_guard_cannot_be_replaced() -> None:
    """Whoever overrides the one test that looks for faults gets it back."""
    suite = type("Suite", (_Suite,), {"test_every_check_stands": None})
    assert suite.test_every_check_stands is DriverConformance.test_every_check_stands  # type: ignore[attr-defined]  # made just now


# --- how a check runs -------------------------------------------------------------------


def test_a_check_is_no_coroutine_function() -> None:
    """Other plug-ins would run a coroutine function on their own loop."""
    import inspect

    described = [each for each in vars(DriverConformance.__mro__[1]).values() if check_of(each)]
    assert described
    assert not any(inspect.iscoroutinefunction(each) for each in described)


def test_what_reaches_the_loops_handler_fails_the_check() -> None:
    """A check whose driver leaves a problem on the loop isn't passed."""
    loop = CheckLoop()

    async def quiet() -> int:
        return 1

    async def loud() -> None:
        loop.loop.call_exception_handler({"message": "left behind"})

    assert loop.run(quiet()) == 1
    with pytest.raises(AssertionError, match="left behind"):
        loop.run(loud())
    assert loop.run(quiet()) == 1
    loop.close()


def test_what_a_failed_check_leaves_fails_no_other() -> None:
    """The error of a task that a failed check began isn't the next check's; that of a passed check is."""
    import asyncio
    import gc

    loop, tasks = CheckLoop(), []

    async def fail_later() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("too late")

    async def begin(*, fails: bool) -> None:
        tasks.append(asyncio.ensure_future(fail_later()))
        if fails:
            raise AssertionError("of this check")

    async def wait() -> None:
        while not tasks[0].done():
            await asyncio.sleep(0.01)
        tasks.clear()
        gc.collect()

    with pytest.raises(AssertionError, match="of this check"):
        loop.run(begin(fails=True))
    loop.run(wait())
    loop.run(begin(fails=False))
    with pytest.raises(AssertionError, match="too late"):
        loop.run(wait())
    loop.close()


def test_a_sync_check_needs_no_loop() -> None:
    """What awaits nothing runs at once; what does can't be a sync check."""
    import asyncio

    async def at_once() -> int:
        return 1

    async def later() -> None:
        await asyncio.sleep(0)

    assert run_without_loop(at_once()) == 1
    with pytest.raises(AssertionError, match="event loop"):
        run_without_loop(later())


def test_a_check_says_what_it_needs() -> None:
    """Its capabilities, promise and theme are on it."""

    @check(Capability.PAGING)
    async def test_it(self: Any) -> None:
        """Keep a promise."""

    described = check_of(test_it)
    assert described is not None
    assert (described.name, described.needs) == ("test_it", (Capability.PAGING,))
    assert described.promise == "Keep a promise."


# --- a run from outside -------------------------------------------------------------------


def test_a_run_and_its_reports(tmp_path: Path) -> None:
    """Skips give the capability, waivers their reason; text, JSON and Markdown say the same."""
    done = run(
        tmp_path,
        SUITE,
        "-k",
        "signature or needs_row or ping_says_true or tracing or repr_tells or every_check or last_page",
        "-rs",
        "--coodie-report=json:out/report.json",
        "--coodie-report=markdown:out/report.md",
        "--coodie-report=text:out/report.txt",
    )
    assert "the driver doesn't declare Capability.TRACING" in done.stdout
    assert "waived: it has no server" in done.stdout
    (suite,) = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))["suites"]
    assert (suite["suite"], suite["driver"]) == ("test_suite.py::TestNothing", "Nothing")
    assert suite["declared"] == ["PAGING"]
    assert suite["outcomes"]["test_execute_has_its_signature"] == {"sync": "passed", "async": "passed"}
    assert suite["outcomes"]["test_needs_row_validation_is_a_bool"] == {"once": "passed"}
    assert suite["outcomes"]["test_tracing"] == {"sync": "skipped", "async": "skipped"}
    assert suite["outcomes"]["test_the_last_page_says_so"] == {"sync": "failed", "async": "failed"}
    assert suite["skipped"]["test_tracing"] == "the driver doesn't declare Capability.TRACING"
    assert suite["waived"] == {"test_ping_says_true": "it has no server"}
    assert "test_close_twice" in suite["not_run"]
    text = (tmp_path / "out/report.txt").read_text(encoding="utf-8")
    assert text in done.stdout
    assert "– tracing                   not declared" in text
    assert "✗ paging" in text
    assert "waived: test_ping_says_true: it has no server" in text
    table = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert table.startswith("| coodie conformance | Nothing |\n|---|---|\n| every driver | ✅ ")
    assert "- `test_ping_says_true`: it has no server" in table


def test_a_server_without_vectors(tmp_path: Path) -> None:
    """Their checks are skipped with the server's error, and other checks run."""
    source = SUITE.replace("{Capability.PAGING}", "{Capability.SCHEMA_SYNC, Capability.VECTORS}").replace(
        "        return []\n",
        "        if 'vector<' in stmt:\n"
        "            raise InvalidQueryError('no viable alternative')\n"
        "        return []\n",
        1,
    )
    source = source.replace(
        "import pytest\n", "import pytest\nfrom coodie.exceptions import InvalidQueryError\n", 1
    )
    names = "test_type_ints or vector_indexes or type_inet"
    run(tmp_path, source, "-k", names, "--coodie-report=json:report.json")
    (suite,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["suites"]
    reason = "the server has no vectors: no viable alternative"
    assert suite["skipped"] == {"test_type_ints": reason, "test_vector_indexes": reason}
    assert suite["outcomes"]["test_type_inet"] == {"sync": "failed", "async": "failed"}


def test_leaving_out_without_a_reason_fails_the_run(tmp_path: Path) -> None:
    """A suite that sets a check to None and overrides another is red, and is told what to do."""
    source = SUITE + (
        "    test_close_twice = None\n"
        "    def test_it_is_an_abstract_driver(self): pass\n"
        "    test_every_check_stands = None\n"
        "    @overrides_check('ours is another')\n"
        "    def test_repr_tells_no_secret(self): pass\n"
    )
    done = run(tmp_path, source, "-k", "every_check or repr_tells", "--coodie-report=json:report.json")
    assert done.returncode == 1
    assert "test_close_twice was deleted. Give the reason: waived = {'test_close_twice': '…'}" in done.stdout
    assert "test_it_is_an_abstract_driver was overridden without a reason." in done.stdout
    assert "test_repr_tells_no_secret was" not in done.stdout
    (suite,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["suites"]
    assert suite["overridden"] == {"test_repr_tells_no_secret": "ours is another"}
    assert "overridden: test_repr_tells_no_secret: ours is another" in done.stdout


def test_a_suite_that_says_nothing(tmp_path: Path) -> None:
    """Without driver_type and open_driver the error says what to set."""
    source = (
        "from coodie_testing import DriverConformance, Server\nimport pytest\n\n\n"
        "class TestMine(DriverConformance):\n"
        "    @pytest.fixture(scope='class')\n    @classmethod\n"
        "    def server(cls): return Server('127.0.0.1', 1)\n"
    )
    done = run(tmp_path, source, "-k", "needs_row")
    assert done.returncode == 1
    assert "Set driver_type = '…' on the class" in done.stdout


@pytest.mark.parametrize("wanted", ["report.json", "xml:report", "json:"])
def test_a_report_that_cannot_be_written(tmp_path: Path, wanted: str) -> None:
    """A format that isn't known is refused before anything runs."""
    done = run(tmp_path, "def test(): pass", f"--coodie-report={wanted}")
    assert done.returncode == 4
    assert "json:PATH, markdown:PATH, text:PATH" in done.stderr


def test_who_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    """The plug-in imports nothing of the kit, nor a driver, in a run without a suite."""
    source = (
        "import sys\n\n\ndef test():\n"
        "    ours = {name for name in sys.modules if name.startswith('coodie_testing.')}\n"
        "    assert ours == {'coodie_testing.pytest_plugin'}\n"
        "    assert not {'cryptography', 'trustme', 'cassandra'} & set(sys.modules)\n"
    )
    done = run(tmp_path, source)
    assert done.returncode == 0, done.stdout
    assert "conformance" not in done.stdout


def test_a_busy_server_has_time_for_the_tables() -> None:
    """All checks of a suite need them, so that they have a schema's time and not a request's."""
    timeouts: dict[str, float | None] = {}

    def execute(stmt: str, _params: object, *, timeout: float | None = None) -> None:
        timeouts[stmt] = timeout

    driver: Any = SimpleNamespace(capabilities=frozenset(Capability), execute=execute)
    workspace = Workspace()
    workspace.prepare(driver)
    workspace.drop(driver)
    changes = [stmt for stmt in timeouts if stmt.startswith(("CREATE", "DROP"))]
    assert len(changes) >= 10
    assert {timeouts[stmt] for stmt in changes} == {60.0}


def test_schema_changes_of_checks_have_time() -> None:
    """Those of any spelling have the schema's timeout without one of their own; other requests have none."""
    calls: list[tuple[Any, ...]] = []

    def note(*args: Any, **kwargs: Any) -> None:
        calls.append((*args, *kwargs.values()))

    async def check(api: Api) -> None:
        for stmt in ("CREATE TABLE t", "-- a\n/* b */ drop TABLE t", "Truncate t"):
            await api.execute(stmt, [])
            assert calls.pop() == (stmt, [], SCHEMA_TIMEOUT)
        others: list[tuple[Any, ...]] = [("CREATE TABLE t", [], None, 2), ("SELECT a FROM b", [])]
        for args in (*others, (b"DROP", []), ("", [])):
            await api.execute(*args)
            assert calls.pop() == args
        await api.execute("DROP TABLE t", [], timeout=3)
        assert calls.pop() == ("DROP TABLE t", [], 3)
        await api.sync_table("t", "k", [])
        assert calls.pop() == ("t", "k", [], SyncOptions(timeout=SCHEMA_TIMEOUT))
        await api.sync_table("t", "k", [], options=None)
        assert calls.pop() == ("t", "k", [], None)

    openers: Any = None
    api = Api(SimpleNamespace(execute=note, sync_table=note), None, openers)
    api.run(check(api))
