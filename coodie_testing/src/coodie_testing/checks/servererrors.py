"""Checks of the errors of a server that isn't well: their classes, and that no write is sent again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import (
    CoodieError,
    InvalidQueryError,
    OverloadedError,
    QuerySyntaxError,
    ReadFailureError,
    ReadTimeoutError,
    RequestError,
    ServerError,
    UnauthorizedError,
    UnavailableError,
    WriteFailureError,
    WriteTimeoutError,
)
from coodie.protocol.error_codes import ErrorCode
from coodie_testing.checking import check
from coodie_testing.faults.fault import ServerError as Respond
from coodie_testing.methods import calls_of

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["ServerErrorsChecks"]

#: Error code → class, for reads and writes.
_READS: dict[ErrorCode, type[RequestError]] = {
    ErrorCode.SERVER_ERROR: ServerError,
    ErrorCode.UNAVAILABLE: UnavailableError,
    ErrorCode.OVERLOADED: OverloadedError,
    ErrorCode.READ_TIMEOUT: ReadTimeoutError,
    ErrorCode.READ_FAILURE: ReadFailureError,
    ErrorCode.UNAUTHORIZED: UnauthorizedError,
}
_WRITES: dict[ErrorCode, type[RequestError]] = {
    ErrorCode.SERVER_ERROR: ServerError,
    ErrorCode.WRITE_TIMEOUT: WriteTimeoutError,
    ErrorCode.WRITE_FAILURE: WriteFailureError,
}

#: Errors of requests that the server rejects, reads and writes.
_REJECTED: dict[ErrorCode, type[RequestError]] = {
    ErrorCode.SYNTAX_ERROR: QuerySyntaxError,
    ErrorCode.UNAUTHORIZED: UnauthorizedError,
    ErrorCode.INVALID: InvalidQueryError,
    ErrorCode.CONFIG_ERROR: InvalidQueryError,
}

#: Errors after which a conditional write may have been applied, in addition to those of all writes.
_CONDITIONAL: dict[ErrorCode, type[RequestError]] = {
    ErrorCode.UNAVAILABLE: UnavailableError,
    ErrorCode.OVERLOADED: OverloadedError,
}


async def _through(api: Api, proxy: FaultProxy) -> Api:
    return await api.open(hosts=[proxy.host], port=proxy.port)


async def _failure(
    through: Api, proxy: FaultProxy, fault: Respond, contains: str, call: Any
) -> tuple[CoodieError, int]:
    """Return the error of a call to which a server responds with errors, and the number of requests."""
    # Clients may connect again after some errors.
    await through.until(lambda: through.ping(timeout=5), "the driver is connected")
    rule = proxy.add(fault, contains=contains, times=None)
    try:
        with pytest.raises(CoodieError) as caught:
            await call()
    finally:
        proxy.rules.remove(rule)
    return caught.value, rule.hits


class ServerErrorsChecks:
    """Errors that a proxy responds with, in the server's place."""

    @check()
    async def test_errors_of_reads(self, api: Api, space: Workspace, proxy: FaultProxy, key: str) -> None:
        """Each error of the server has its class, the statement and the cause; a read was never applied."""
        through = await _through(api, proxy)
        stmt = f"SELECT c FROM {space.items} WHERE p = ? /* {key} */"
        await through.execute(stmt, [key])
        for code, kind in _READS.items():
            for method in (through.execute, through.execute_one):
                error, _ = await _failure(
                    through, proxy, Respond(code=code), key, partial(method, stmt, [key])
                )
                assert type(error) is kind
                assert isinstance(error, RequestError)
                assert error.statement == stmt
                assert error.__cause__ is not None
                assert not error.may_have_been_applied
        assert await through.execute(stmt, [key]) == []

    @check()
    async def test_rejected_requests_of_all_methods(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """A request of any method that the server rejects has its class of error, and wasn't applied."""
        through = await _through(api, proxy)
        select = f"SELECT c FROM {space.items} WHERE p = ? /* {key} */"
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */"
        for stmt in (select, insert):
            for method, call in calls_of(through, stmt, [key]).items():
                await call()
                for code, kind in _REJECTED.items():
                    error, _ = await _failure(through, proxy, Respond(code=code), key, call)
                    assert type(error) is kind, f"{method}: {code.name}"
                    assert not error.may_have_been_applied, f"{method}: {code.name}"
                    assert error.__cause__ is not None

    @check()
    async def test_details_of_errors(self, api: Api, space: Workspace, proxy: FaultProxy, key: str) -> None:
        """An error has the server's details: the level, the numbers of replicas, the kind of write."""
        through = await _through(api, proxy)
        read = partial(through.execute, f"SELECT c FROM {space.items} WHERE p = ? /* {key} */", [key])
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */"
        write = partial(through.execute, insert, [key])
        await read()
        await write()
        error: Any
        for code, call in ((ErrorCode.READ_TIMEOUT, read), (ErrorCode.WRITE_TIMEOUT, write)):
            error, _ = await _failure(through, proxy, Respond(code=code, write_type="SIMPLE"), key, call)
            assert (error.consistency, error.received, error.required) == ("QUORUM", 1, 2)
        assert error.write_type == "SIMPLE"
        for code, call in ((ErrorCode.READ_FAILURE, read), (ErrorCode.WRITE_FAILURE, write)):
            error, _ = await _failure(through, proxy, Respond(code=code), key, call)
            assert (error.received, error.required, error.failures) == (1, 2, 1)

    @check()
    async def test_timeouts_of_the_server(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """The server's timeouts, with any method, have no ``timeout``, which is the client's."""
        through = await _through(api, proxy)
        select = f"SELECT c FROM {space.items} WHERE p = ? /* {key} */"
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */"
        reads: list[Any] = [
            partial(method, select, [key])
            for method in (through.execute, through.execute_one, through.read_many, through.read_stream)
        ]
        writes: list[Any] = [
            partial(method, insert, [key]) for method in (through.execute, through.read_many)
        ]
        if Capability.BATCHES in api.driver.capabilities:
            writes.append(partial(through.execute_batch, [(insert, [key])]))
        cases = ((ErrorCode.READ_TIMEOUT, reads), (ErrorCode.WRITE_TIMEOUT, writes))
        error: Any
        for code, calls in cases:
            for call in calls:
                await call()
                for arguments in ({}, {"timeout": 9.5}):
                    error, _ = await _failure(
                        through, proxy, Respond(code=code), key, partial(call, **arguments)
                    )
                    assert isinstance(error, (ReadTimeoutError, WriteTimeoutError))
                    assert (error.timeout, error.is_total) == (None, False)

    @check()
    async def test_failed_writes_are_sent_once(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """A write that may have been applied isn't sent again, and the error says that it may have been."""
        through = await _through(api, proxy)
        add = f"UPDATE {space.counters} SET n = n + 1 WHERE k = ?"
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1)"
        condition = f"{insert} IF NOT EXISTS"
        cases: list[tuple[str, Any, tuple[str, ...], Any]] = [
            ("INTO", partial(through.execute, insert, [key]), ("SIMPLE",), _WRITES),
            ("n = n", partial(through.execute, add, [key]), ("COUNTER", "SIMPLE"), _WRITES),
        ]
        if Capability.LIGHTWEIGHT_TRANSACTIONS in api.driver.capabilities:
            errors = _WRITES | _CONDITIONAL
            cases.append(("EXISTS", partial(through.execute, condition, [key]), ("CAS", "SIMPLE"), errors))
        if Capability.BATCHES in api.driver.capabilities:
            for kind, types in (("LOGGED", ("BATCH", "BATCH_LOG")), ("UNLOGGED", ("UNLOGGED_BATCH",))):
                call = partial(through.execute_batch, [(insert, [f"{key}{n}"]) for n in range(2)], kind)
                cases.append(("BATCH", call, types, _WRITES))
        for contains, call, write_types, errors in cases:
            await call()
            for code, expected in errors.items():
                for write_type in write_types if code == ErrorCode.WRITE_TIMEOUT else write_types[:1]:
                    fault = Respond(code=code, write_type=write_type)
                    error, times = await _failure(through, proxy, fault, contains, call)
                    assert (type(error), times) == (expected, 1), f"{contains}: {code.name}, {write_type}"
                    assert error.may_have_been_applied
                    assert error.__cause__ is not None
        assert await api.execute_one(f"SELECT n FROM {space.counters} WHERE k = ?", [key]) == 1
