"""Passwords, keys and bound values: in no log, repr, error or traceback, whatever fails."""

from __future__ import annotations

import io
import logging
import traceback
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest
from tests.reliability.conftest import heal_async

import coodie
from coodie import RequestOptions
from coodie.exceptions import CoodieError
from coodie.schema import ColumnDefinition
from coodie_testing.faults import Close, ErrorCode, ServerError, Silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Api

    from coodie.registry import DriverRegistry
    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

#: What is looked for in everything that comes out.
MARKER = "hunter2-7f3a"


class Output:
    """All that a program of ours says: logs of every level, both streams, and errors with their causes."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def add(self, exc: BaseException) -> None:
        """Add an error as it would be printed, with its causes and their reprs."""
        self._stream.write("".join(traceback.format_exception(exc)))
        error: BaseException | None = exc
        while error is not None:
            self._stream.write(f"{error!r} {vars(error)!r}\n")
            error = error.__cause__

    def text(self) -> str:
        """Return all of it."""
        return self._stream.getvalue()


@contextmanager
def listening() -> Iterator[Output]:
    """Gather what is said in this block; DEBUG logs of the drivers included."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before, root.level = root.level, logging.DEBUG
    root.addHandler(handler)
    try:
        with redirect_stdout(stream), redirect_stderr(stream):
            yield Output(stream)
    finally:
        root.removeHandler(handler)
        root.level = before


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_failed_connect_shows_no_password(
    is_async: bool, backend: str, registry: DriverRegistry, cassandra_node: Any
) -> None:
    """Errors of connecting, such as an unreachable server or invalid options, contain no secret."""
    attempts: list[dict[str, Any]] = [
        {"hosts": ["127.0.0.66"], "port": 1, "username": "u", "password": MARKER},
        {"hosts": ["127.0.0.66"], "port": 1, "username": "u", "password": MARKER, "no_such_option": 1},
        {"hosts": ["127.0.0.66"], "password": MARKER},
        {"hosts": ["127.0.0.66"], "ssl_private_key": f"-----BEGIN PRIVATE KEY-----\n{MARKER}\n"},
        {"hosts": [], "username": "u", "password": MARKER},
    ]
    with listening() as output:
        for options in attempts:
            with pytest.raises(CoodieError) as caught:
                if is_async:
                    await coodie.init_coodie_async(driver_type=backend, **options)
                else:
                    coodie.init_coodie(driver_type=backend, **options)
            output.add(caught.value)
        lazy = coodie.init_coodie(
            ["127.0.0.66"], port=1, driver_type=backend, username="u", password=MARKER, lazy=True
        )
        output._stream.write(f"{lazy!r} {lazy}\n")
    assert "127.0.0.66" in output.text()
    assert MARKER not in output.text()


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_failed_request_shows_no_value(
    is_async: bool, through: Any, proxy: FaultProxy, table: Callable[[str], str]
) -> None:
    """Errors of requests, such as invalid or rejected values and lost connections, contain no value."""
    from tests.conftest import Api

    calls: Api = Api(through, is_async=is_async)
    name = table("k text PRIMARY KEY, n int, s set<int>")
    insert = f"INSERT INTO {name} (k, n) VALUES (?, ?)"
    await calls.execute(insert, ["warm", 1])
    with listening() as output:

        async def fails(coroutine: Any) -> None:
            with pytest.raises(CoodieError) as caught:
                await coroutine
            output.add(caught.value)

        await fails(calls.execute(insert, [MARKER, MARKER]))
        await fails(calls.execute(insert, [MARKER]))
        await fails(calls.execute(insert, {"k": MARKER, "other": 1}))
        await fails(calls.execute(f"INSERT INTO {name} (k, s) VALUES (?, ?)", [MARKER, {MARKER}]))
        await fails(calls.execute_many(insert, [[MARKER, MARKER]]))
        await fails(calls.execute_batch([(insert, [MARKER, "x"])]))
        for fault in (
            ServerError(code=ErrorCode.INVALID),
            ServerError(code=ErrorCode.WRITE_TIMEOUT),
            Close(),
            Silence(),
        ):
            proxy.add(fault, contains="INSERT")
            await fails(
                calls.execute(insert, [MARKER, 5], timeout=0.4, options=RequestOptions(idempotent=False))
            )
            await heal_async(through)
    assert "INSERT INTO" in output.text()
    assert MARKER not in output.text()


async def test_sync_table_binds_what_it_asks_for(api: Api, keyspace: str) -> None:
    """Names that contain CQL are only used as names; their statements are never executed."""
    hostile = 'x"; DROP KEYSPACE ' + keyspace + "; --"
    columns = [ColumnDefinition(hostile, "int", primary_key=True), ColumnDefinition("v'\"", "text")]
    suffix = "async" if api.is_async else "sync"
    with pytest.raises(CoodieError):
        await api.sync_table(f"t'; DROP KEYSPACE {keyspace}; --", keyspace, columns)
    made = await api.sync_table(f"hostile_{suffix}", keyspace, columns)
    assert len(made) == 1
    assert await api.sync_table(f"hostile_{suffix}", keyspace, columns) == []
    comment = {"comment": f"'; DROP KEYSPACE {keyspace}; --"}
    await api.sync_table(f"hostile_{suffix}", keyspace, columns, comment)
    assert await api.sync_table(f"hostile_{suffix}", keyspace, columns, comment) == []
    assert await api.execute(f"SELECT * FROM {keyspace}.hostile_{suffix}", []) == []
