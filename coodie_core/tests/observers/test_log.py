"""What the log says, what it doesn't, and how loud."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import Api, Backend, registry_of

import coodie
from coodie.exceptions import ConfigurationError, ConnectionFailedError, InvalidQueryError
from coodie.observers import observing
from coodie.observers.log import RequestLog
from coodie.registry import using_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("registry")

STMT = "SELECT n FROM ks.t WHERE k = ?"


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG, "coodie"):
        yield


async def test_a_request(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """A request is one DEBUG record, whose message reads well and whose attributes are complete."""
    coodie.register_driver("main", api.driver)
    with observing(RequestLog()):
        await api.execute(STMT, [1], "one")
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("coodie.requests", "DEBUG")
    told = {name.removeprefix("coodie_"): value for name, value in vars(record).items() if "coodie_" in name}
    duration = told.pop("duration")
    assert 0 < duration < 10
    assert record.getMessage() == f"done in {duration:.6f} s (3 rows, 1 page): {STMT}"
    assert told == {
        "driver": "main",
        "driver_type": None,
        "keyspace": None,
        "kind": "single",
        "operation": "SELECT",
        "collection": "ks.t",
        "statement": STMT,
        "parameter_count": 1,
        "batch_size": 0,
        "consistency": "ONE",
        "rows": 3,
        "pages": 1,
        "host": "memory",
        "error": None,
        "slow": False,
        "warning_count": 0,
        "attempts": 1,
    }


async def test_slow_requests_are_louder(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """From the threshold on a request is logged at WARNING, and marked; below, at the level asked for."""
    with observing(RequestLog(slow_seconds=0.05, level=logging.INFO)):
        await api.execute(STMT, [1])
        api.driver.delay = 0.06
        await api.execute(STMT, [1])
    quick, slow = caplog.records
    assert (quick.levelname, vars(quick)["coodie_slow"]) == ("INFO", False)
    assert (slow.levelname, vars(slow)["coodie_slow"]) == ("WARNING", True)
    assert slow.getMessage().startswith("slow done in 0.")


async def test_failed_requests_are_louder(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """A failure is logged at WARNING with the error's class; an interrupt as quietly as a success."""
    with observing(RequestLog()):
        for error in (InvalidQueryError("near 'hunter2'"), KeyboardInterrupt()):
            api.driver.fault = lambda _, error=error: error
            with pytest.raises(type(error)):
                await api.execute(STMT, [1])
    failed, interrupted = caplog.records
    assert (failed.levelname, vars(failed)["coodie_error"]) == ("WARNING", "InvalidQueryError")
    assert (interrupted.levelname, vars(interrupted)["coodie_error"]) == ("DEBUG", "KeyboardInterrupt")
    assert "interrupted" in interrupted.getMessage()


def everything(caplog: pytest.LogCaptureFixture) -> str:
    """Return all that any formatter could print of any record."""
    return caplog.text + "".join(repr(vars(record)) for record in caplog.records)


async def ask_with_secrets(api: Api) -> None:
    """Put the word hunter2 wherever a value can be."""
    api.driver.fault = lambda params: (
        InvalidQueryError("near 'hunter2'") if params == ["hunter2", 1] else None
    )
    await api.execute(STMT, ["hunter2"])
    await api.execute(STMT, {"k": "hunter2"})
    await api.execute("SELECT n FROM t WHERE k = 'hunter2' AND m = ?", [1])
    await api.execute("CREATE ROLE r WITH PASSWORD = 'hunter2'", [])
    await api.execute("CREATE TABLE t (k int PRIMARY KEY) WITH comment = 'hunter2'", [])
    await api.execute_many(STMT, [["hunter2"]])
    await api.execute_batch(
        [("INSERT INTO t (k) VALUES (?)", ["hunter2"]), "DELETE FROM t WHERE k = 'hunter2'"]
    )
    with pytest.raises(InvalidQueryError):
        await api.execute("SELECT n FROM t WHERE k = ? AND m = ?", ["hunter2", 1])


async def test_no_value_is_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Neither parameters nor literals nor what a server quotes of them is in any record."""
    with observing(RequestLog(slow_seconds=0)):
        await ask_with_secrets(api)
    assert len(caplog.records) == 9
    assert "hunter2" not in everything(caplog)


async def test_values_on_request(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Asked for, values are logged by position or name, cut short, and not too many of them."""
    with observing(RequestLog(values=True, value_length=12)):
        await api.execute(STMT, ["hunter2", "x" * 1000, b"y" * 1000, list(range(1000)), 10**500])
        await api.execute(STMT, {"k": "hunter2"})
        await api.execute("SELECT n FROM t WHERE k = 'hunter2'", [1] * 1000)
        await ask_with_secrets(api)
    first, second, third = (vars(record) for record in caplog.records[:3])
    assert first["coodie_values"][0] == "'hunter2'"
    assert [len(value) for value in first["coodie_values"]] == [9, 12, 12, 12, 12]
    assert second["coodie_values"] == ["k='hunter2'"]
    assert third["coodie_statement"].endswith("'hunter2'")
    assert len(third["coodie_values"]) == 20
    assert "near 'hunter2'" in caplog.text


async def test_requests_with_warnings_are_louder(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """They are logged at WARNING, with the number of warnings; their text, which quotes, on request alone."""
    api.driver.warnings = ("Read 9 tombstones for k = 'hunter2'", "slow")
    with observing(RequestLog()):
        await api.execute(STMT, ["x"])
    with observing(RequestLog(values=True)):
        await api.execute(STMT, ["x"])
    masked, whole = caplog.records
    assert (masked.levelname, vars(masked)["coodie_warning_count"]) == ("WARNING", 2)
    assert "(3 rows, 1 page, 2 warnings)" in masked.getMessage()
    assert "hunter2" not in masked.getMessage() + str(vars(masked))
    assert vars(whole)["coodie_warnings"] == api.driver.warnings
    assert whole.getMessage().endswith("warned: Read 9 tombstones for k = 'hunter2'; slow")


async def test_long_statements_are_cut(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """A statement without end doesn't make a record without end."""
    with observing(RequestLog()):
        await api.execute(f"SELECT {'a, ' * 5000} b FROM t", [])
    assert len(vars(caplog.records[0])["coodie_statement"]) == 2001


async def test_what_nobody_reads_isnt_made(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Below the logger's level no record is made."""
    caplog.set_level(logging.WARNING, "coodie.requests")
    with observing(RequestLog()):
        await api.execute(STMT, [1])
    assert caplog.records == []


def test_connections(caplog: pytest.LogCaptureFixture) -> None:
    """Connections, names and schema changes have a line each, failures at WARNING."""
    backend = Backend()
    with using_registry(registry_of(memory=backend)), observing(RequestLog()):
        driver = coodie.init_coodie(["a"], driver_type="memory", name="main")
        coodie.init_coodie(session=object(), driver_type="memory", name="other")
        driver.execute("DROP TABLE ks.t", [])
        driver.execute("CREATE KEYSPACE k WITH replication = {'class': 'hunter2'}", [])
        backend.failures.append(ConnectionFailedError("hunter2"))
        with pytest.raises(ConnectionFailedError):
            coodie.init_coodie(["a", "b"], driver_type="memory")
    told = [record for record in caplog.records if record.name == "coodie.connections"]
    lines = [(record.levelname, record.getMessage().partition(" in 0.")[0]) for record in told]
    assert [(level, line.partition(" after")[0]) for level, line in lines] == [
        ("INFO", "memory 'main' connected to a"),
        ("INFO", "registered memory 'main' as the default"),
        ("INFO", "memory 'other' connected to the caller's session"),
        ("INFO", "registered memory 'other'"),
        ("INFO", "dropped table ks.t through memory 'main'"),
        ("INFO", "created keyspace k through memory 'main'"),
        ("WARNING", "memory 'default' could not connect to a, b: ConnectionFailedError"),
    ]
    assert "hunter2" not in everything(caplog)


@pytest.mark.parametrize(
    "options",
    [{"slow_seconds": "1"}, {"slow_seconds": -1}, {"level": "DEBUG"}, {"values": 1}, {"value_length": 2}],
)
def test_arguments_are_checked(options: dict[str, Any]) -> None:
    """An argument of the wrong kind is refused by name."""
    with pytest.raises(ConfigurationError) as caught:
        RequestLog(**options)
    assert caught.value.option in options
