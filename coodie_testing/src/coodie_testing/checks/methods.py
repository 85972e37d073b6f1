"""Checks of what is the same in all methods: values, null, UNSET, retry policies, warnings and trace ids."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from coodie.capabilities import Capability
from coodie.exceptions import CoodieError
from coodie.options.request_options import RequestOptions
from coodie.protocol.error_codes import ErrorCode
from coodie.types import UNSET
from coodie_testing.checking import check
from coodie_testing.faults.fault import ServerError
from coodie_testing.messages import ServerWarning
from coodie_testing.methods import calls_of
from coodie_testing.values import VALUE_CASES, exact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.values import Value
    from coodie_testing.workspace import Workspace

__all__ = ["MethodsChecks"]

#: The methods that return rows.
_OF_ROWS = ("execute", "read_many", "read_stream")


def _values(waived: Mapping[str, str]) -> dict[str, Value]:
    """Return a value of each type by its column, without types whose own check is waived."""
    return {
        case.column: case.values[-1]
        for case in VALUE_CASES
        if f"test_type_{case.column.strip('_')}" not in waived
    }


async def _insert_literals(api: Api, space: Workspace, key: str, values: dict[str, Value]) -> str:
    """Insert a row of CQL literals; return the names of its columns."""
    names = ", ".join(values)
    literals = ", ".join(value.literal for value in values.values())
    await api.execute(f"INSERT INTO {space.values} (k, {names}) VALUES ('{key}', {literals})", [])
    return names


def _by_position_and_name(stmt: str, *names: str) -> list[tuple[str, Callable[..., Any]]]:
    """Return a statement with both kinds of markers, and functions that make its parameters."""
    by_name = stmt
    for name in names:
        by_name = by_name.replace("?", f":{name}", 1)
    return [
        (stmt, lambda *values: [*values]),
        (by_name, lambda *values: dict(zip(names, values, strict=True))),
    ]


async def _with_metadata(api: Api, space: Workspace, key: str) -> dict[str, Any]:
    """Return a call of each method whose rows have warnings and a trace id, if there are any rows or not."""
    await api.execute(f"INSERT INTO {space.items} (p, c) VALUES (?, 1)", [key])
    stmt = f"SELECT c FROM {space.items} WHERE p = ? /* {key} */"
    write = f"INSERT INTO {space.items} (p, c) VALUES (?, 1) /* {key} */"
    calls = {name: partial(getattr(api, name), stmt, [key]) for name in ("execute", "read_many")}
    calls["read_many, without rows"] = partial(api.read_many, stmt, [f"{key}none"])
    calls["read_many, a write"] = partial(api.read_many, write, [f"{key}many"])
    if Capability.BATCHES in api.driver.capabilities:
        calls["execute_batch"] = partial(api.execute_batch, [(write, [f"{key}batch"])])
    return calls


class MethodsChecks:
    """The same request with execute, execute_one, execute_many, stream and, if it is a write, in a batch."""

    waived: ClassVar[Mapping[str, str]]

    @check()
    async def test_values_read_by_all_methods(self, api: Api, space: Workspace, key: str) -> None:
        """Each method returns the same values of all types, with and without parameters, and in a page."""
        values = _values(self.waived)
        select = f"SELECT {await _insert_literals(api, space, key, values)} FROM {space.values} WHERE k = "
        (row,) = await api.execute(f"{select}?", [key])
        expected = row if api.driver.needs_row_validation else {n: value.value for n, value in values.items()}
        sizes = ({}, {"fetch_size": 1}) if Capability.PAGING in api.driver.capabilities else ({},)
        for stmt, params in ((f"{select}?", [key]), (f"{select}'{key}'", [])) * 2:
            for method in _OF_ROWS:
                for size in sizes if method != "read_many" else ({},):
                    rows = await getattr(api, method)(stmt, params, **size)
                    assert exact([*rows]) == exact([expected]), f"{method} {size}"
        for column, value in expected.items():
            stmt = f"SELECT {column} FROM {space.values} WHERE k = ?"
            assert exact(await api.execute_one(stmt, [key])) == exact(value), column

    @check()
    async def test_values_written_by_all_methods(self, api: Api, space: Workspace, key: str) -> None:
        """Each method stores the same values of all types, by position and by name."""
        of_types = _values(self.waived)
        names = await _insert_literals(api, space, key, of_types)
        json = f"SELECT JSON {names} FROM {space.values} WHERE k = ?"
        expected = await api.execute_one(json, [key])
        marks = ", ".join("?" * (len(of_types) + 1))
        insert = f"INSERT INTO {space.values} (k, {names}) VALUES ({marks})"
        values = [value.value for value in of_types.values()]
        for stmt, made in _by_position_and_name(insert, "k", *of_types):
            for method in calls_of(api, stmt, []):
                partition = f"{key}{method}{len(stmt)}"
                await calls_of(api, stmt, made(partition, *values))[method]()
                assert await api.execute_one(json, [partition]) == expected, method

    @check()
    async def test_nulls_in_all_methods(self, api: Api, space: Workspace, key: str) -> None:
        """None deletes a value with each method, by position and by name."""
        await self._assert_stored(api, space, key, None, None)

    @check(Capability.UNSET_VALUES)
    async def test_unset_in_all_methods(self, api: Api, space: Workspace, key: str) -> None:
        """UNSET leaves a column unchanged with each method, by position and by name."""
        await self._assert_stored(api, space, key, UNSET, "before")

    @staticmethod
    async def _assert_stored(api: Api, space: Workspace, key: str, value: Any, expected: Any) -> None:
        """Check what is stored after each method has written a value, also if it has done so before."""
        insert = f"INSERT INTO {space.items} (p, c, v, n) VALUES (?, 1, ?, ?)"
        for stmt, made in _by_position_and_name(insert, "p", "v", "n"):
            for method in calls_of(api, stmt, []):
                for n in range(2):
                    await api.execute(insert, [key, "before", 0])
                    await calls_of(api, stmt, made(key, value, n))[method]()
                    rows = await api.execute(f"SELECT v, n FROM {space.items} WHERE p = ?", [key])
                    assert rows == [{"v": expected, "n": n}], method

    @check(Capability.RETRY_POLICY)
    async def test_retry_policies_of_all_methods(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """With each method, "never" sends a request once, "backoff" again; the next one has the default."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        never, backoff = [{"options": RequestOptions(retry_policy=name)} for name in ("never", "backoff")]

        async def attempts(method: str) -> list[int]:
            stmt = f"SELECT c FROM {space.items} WHERE p = ? /* {key} {method}. */"
            call, counts = calls_of(through, stmt, [key])[method], []
            await call()
            rule = proxy.add(ServerError(code=ErrorCode.UNAVAILABLE), contains=f"{key} {method}.", times=None)
            for arguments in ({}, never, backoff, {}):
                before = rule.hits
                with suppress(CoodieError):
                    await call(**arguments)
                counts.append(rule.hits - before)
            return counts

        methods = [*calls_of(through, "", [])]
        for method, counts in zip(
            methods, await through.together([partial(attempts, one) for one in methods]), strict=True
        ):
            assert counts[1] == 1 < counts[2], method
            assert counts[0] == counts[3], method

    @check()
    async def test_warnings_of_all_methods(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """The server's warnings are in the rows of each method, and not in those of its next request."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        for method, call in (await _with_metadata(through, space, key)).items():
            await call()
            rule = proxy.add(ServerWarning(text=f"of {method}"), contains=key)
            assert tuple((await call()).warnings) == (f"of {method}",), method
            assert rule.hits == 1
            assert tuple((await call()).warnings) == (), method

    @check(Capability.TRACING)
    async def test_trace_ids_of_all_methods(self, api: Api, space: Workspace, key: str) -> None:
        """The rows of each method have the request's trace id, and those of its next request have none."""
        for method, call in (await _with_metadata(api, space, key)).items():
            ids = [
                (await call(options=RequestOptions(trace=trace))).trace_id for trace in (True, False, True)
            ]
            assert isinstance(ids[0], UUID), method
            assert ids[1] is None, method
            assert isinstance(ids[2], UUID), method
            assert ids[0] != ids[2], method
