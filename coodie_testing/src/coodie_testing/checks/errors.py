"""Checks of errors: each is a CoodieError of the right class, and the driver works afterwards."""

from __future__ import annotations

import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import (
    AlreadyExistsError,
    ConfigurationError,
    CoodieError,
    FunctionFailureError,
    InvalidQueryError,
    ParameterTypeError,
    QuerySyntaxError,
    RequestError,
    UnavailableError,
)
from coodie.schema.definitions import ColumnDefinition
from coodie_testing.checking import check

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.workspace import Workspace

__all__ = ["ErrorsChecks"]


async def _fails(api: Api, kind: type[RequestError], stmt: str, *args: Any) -> RequestError:
    """Execute an invalid statement, and check the common attributes of the error."""
    with pytest.raises(CoodieError) as caught:
        await api.execute(stmt, [], *args)
    error = caught.value
    assert type(error) is kind
    assert isinstance(error, RequestError)
    assert error.statement == stmt, "the error doesn't say which statement failed"
    assert error.__cause__ is not None, "the error doesn't have the backend's exception as its cause"
    assert not isinstance(error.__cause__, CoodieError)
    assert str(error).strip()
    return error


class ErrorsChecks:
    """Errors of the server, and invalid arguments."""

    @check()
    async def test_syntax_errors(self, api: Api) -> None:
        """Invalid CQL is a QuerySyntaxError and a ValueError."""
        for stmt in ("SELEC key FROM system.local", "SELECT key FROM", "?"):
            assert isinstance(await _fails(api, QuerySyntaxError, stmt), ValueError)

    @check()
    async def test_unknown_tables(self, api: Api, space: Workspace) -> None:
        """A missing table or keyspace is an InvalidQueryError, for reads and writes."""
        for stmt in (
            f"SELECT * FROM {space.keyspace}.nothing",
            "SELECT * FROM kit_nowhere.nothing",
            f"INSERT INTO {space.keyspace}.nothing (a) VALUES (1)",
            f"TRUNCATE {space.keyspace}.nothing",
            f"DROP TABLE {space.keyspace}.nothing",
            f"ALTER TABLE {space.keyspace}.nothing ADD a int",
        ):
            assert isinstance(await _fails(api, InvalidQueryError, stmt), ValueError)

    @check()
    async def test_unknown_columns(self, api: Api, space: Workspace) -> None:
        """A missing column is an InvalidQueryError."""
        for stmt in (
            f"SELECT nothing FROM {space.items}",
            f"INSERT INTO {space.items} (p, c, nothing) VALUES ('a', 1, 2)",
        ):
            error = await _fails(api, InvalidQueryError, stmt)
            assert "nothing" in str(error)

    @check()
    async def test_refused_filters(self, api: Api, space: Workspace) -> None:
        """A filter that the server rejects is an InvalidQueryError."""
        await _fails(api, InvalidQueryError, f"SELECT * FROM {space.items} WHERE v = 'a'")

    @check()
    async def test_refused_settings(self, api: Api, space: Workspace) -> None:
        """A setting of a keyspace or a table that the server rejects is an InvalidQueryError."""
        table = space.new_table()
        simple = "{'class': 'SimpleStrategy', 'replication_factor': 'many'}"
        for stmt in (
            f"CREATE KEYSPACE {space.new_name()} WITH replication = {simple}",
            f"CREATE KEYSPACE {space.new_name()} WITH replication = {{'class': 'NoStrategy'}}",
            f"ALTER KEYSPACE {space.keyspace} WITH replication = {{'class': 'NoStrategy'}}",
            f"CREATE TABLE {table} (k int PRIMARY KEY) WITH compaction = {{'class': 'NoStrategy'}}",
            f"CREATE TABLE {table} (k int PRIMARY KEY) WITH gc_grace_seconds = -1",
            f"ALTER TABLE {space.items} WITH bloom_filter_fp_chance = 2",
        ):
            assert isinstance(await _fails(api, InvalidQueryError, stmt), ValueError)

    @check()
    async def test_what_exists_already(self, api: Api, space: Workspace) -> None:
        """The error of creating what exists has the keyspace and the table (None for a keyspace)."""
        error = await _fails(api, AlreadyExistsError, f"CREATE TABLE {space.items} (p text PRIMARY KEY)")
        assert isinstance(error, AlreadyExistsError)
        assert (error.keyspace, error.table) == (space.keyspace, space.items.partition(".")[2])
        replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        error = await _fails(
            api, AlreadyExistsError, f"CREATE KEYSPACE {space.keyspace} WITH replication = {replication}"
        )
        assert isinstance(error, AlreadyExistsError)
        assert (error.keyspace, error.table) == (space.keyspace, None)

    @check(Capability.CONSISTENCY)
    async def test_too_few_replicas(self, api: Api, space: Workspace) -> None:
        """With too few live replicas, it is an UnavailableError and a ConnectionError, with the counts."""
        for stmt in (
            f"SELECT v FROM {space.unavailable} WHERE k = 'a'",
            f"INSERT INTO {space.unavailable} (k, v) VALUES ('a', 1)",
        ):
            error = await _fails(api, UnavailableError, stmt, "QUORUM")
            assert isinstance(error, UnavailableError)
            assert isinstance(error, ConnectionError)
            assert (error.consistency, error.required, error.alive) == ("QUORUM", 2, 1)

    @check(Capability.CONSISTENCY)
    async def test_consistency_is_sent(self, api: Api, space: Workspace) -> None:
        """Each consistency level, in any case, is sent to the server."""
        write = f"INSERT INTO {space.unavailable} (k, v) VALUES (?, ?)"
        read = f"SELECT v FROM {space.unavailable} WHERE k = ?"
        for level in ("ONE", "local_one"):
            await api.execute(write, ["b", 1], level)
            assert await api.execute(read, ["b"], consistency=level) == [{"v": 1}]
        for level, required in (("TWO", 2), ("Three", 3), ("all", 3), ("LOCAL_QUORUM", 2)):
            for stmt, params in ((write, ["b", 2]), (read, ["b"])):
                with pytest.raises(UnavailableError) as caught:
                    await api.execute(stmt, params, consistency=level)
                assert (caught.value.consistency, caught.value.required) == (level.upper(), required)
                with pytest.raises(UnavailableError):
                    await api.execute_one(stmt, params, level)
        assert await api.execute(read, ["b"], "ONE") == [{"v": 1}]

    @check(Capability.CONSISTENCY)
    async def test_a_level_is_of_one_request(self, api: Api, space: Workspace) -> None:
        """A request without a level has the connection's, whatever earlier requests of the statement had."""
        write = f"INSERT INTO {space.unavailable} (k, v) VALUES (?, 1)"
        read = f"SELECT v FROM {space.unavailable} WHERE k = ?"
        await api.execute(write, ["c"])
        for stmt, expected in ((write, []), (read, [{"v": 1}])):
            for method, found in ((api.execute, expected), (api.execute_one, 1 if expected else None)):
                with pytest.raises(UnavailableError):
                    await method(stmt, ["c"], consistency="ALL")
                assert await method(stmt, ["c"]) == found
        if Capability.BATCHES in api.driver.capabilities:
            with pytest.raises(UnavailableError):
                await api.execute_batch([(write, ["c"])], consistency="ALL")
            assert await api.execute_batch([(write, ["c"])]) == []

    @check(Capability.CONSISTENCY)
    async def test_consistency_of_everything_else(self, api: Api, space: Workspace) -> None:
        """stream, execute_many and execute_batch send their consistency level, too."""
        read = f"SELECT v FROM {space.unavailable} WHERE k = ?"
        write = f"INSERT INTO {space.unavailable} (k, v) VALUES ('b', 2)"
        with pytest.raises(UnavailableError):
            [row async for row in api.stream(read, ["b"], consistency="ALL")]
        result = await api.execute_many(read, [["b"]], consistency="ALL", raise_on_error=False)
        assert isinstance(result.errors[0], UnavailableError)
        if Capability.BATCHES in api.driver.capabilities:
            with pytest.raises(UnavailableError):
                await api.execute_batch([write], consistency="ALL")

    @check()
    async def test_functions_that_fail(self, api: Api, space: Workspace, key: str) -> None:
        """The error of a user-defined function is a FunctionFailureError that names it."""
        name = f"{space.keyspace}.fails"
        try:
            await api.execute(
                f"CREATE OR REPLACE FUNCTION {name} (a int) CALLED ON NULL INPUT RETURNS int LANGUAGE java "
                "AS 'throw new RuntimeException(\"on purpose\");'",
                [],
            )
        except InvalidQueryError as exc:
            pytest.skip(f"the server has no user-defined functions in Java: {exc}")
        await api.execute(f"INSERT INTO {space.items} (p, c) VALUES (?, 1)", [key])
        stmt = f"SELECT {name}(c) FROM {space.items} WHERE p = '{key}'"
        error = await _fails(api, FunctionFailureError, stmt)
        assert isinstance(error, FunctionFailureError)
        assert (error.keyspace, error.function) == (space.keyspace, "fails")

    @check()
    async def test_errors_of_every_method(self, api: Api, space: Workspace) -> None:
        """execute_one, execute_many, execute_batch and stream raise the same errors as execute."""
        stmt = f"SELECT * FROM {space.keyspace}.nothing"
        with pytest.raises(InvalidQueryError):
            await api.execute_one(stmt, [])
        result = await api.execute_many(stmt, [[]], raise_on_error=False)
        assert type(result.errors[0]) is InvalidQueryError
        with pytest.raises(InvalidQueryError) as caught:
            await api.execute_batch([f"INSERT INTO {space.keyspace}.nothing (a) VALUES (1)"])
        assert caught.value.__cause__ is not None
        if Capability.CONSISTENCY in api.driver.capabilities:  # an error of the execution, not of PREPARE
            write = (f"INSERT INTO {space.unavailable} (k, v) VALUES (?, ?)", ["d", 1])
            with pytest.raises(UnavailableError) as unavailable:
                await api.execute_batch([write], consistency="ALL")
            assert unavailable.value.__cause__ is not None
            with pytest.raises(UnavailableError) as unavailable:
                await api.execute_one(*write, consistency="ALL")
            assert unavailable.value.__cause__ is not None

    @check()
    async def test_errors_have_the_callers_text(self, api: Api, space: Workspace) -> None:
        """``statement`` is the text as it was given, with named markers, comments and blanks."""
        named = f"  SELECT nothing\tFROM {space.items} WHERE p = :who /* why? */"
        with pytest.raises(InvalidQueryError) as caught:
            await api.execute(named, {"who": "a"})
        assert caught.value.statement == named
        typed = f"SELECT c FROM {space.items} WHERE p = :who AND c = :c /* ? */"
        with pytest.raises(ParameterTypeError) as refused:
            await api.execute(typed, {"who": "a", "c": "one"})
        assert refused.value.statement == typed
        if Capability.CONSISTENCY in api.driver.capabilities:
            read = f"SELECT v FROM {space.unavailable} WHERE k = :who"
            with pytest.raises(UnavailableError) as unavailable:
                await api.execute(read, {"who": "a"}, consistency="ALL")
            assert unavailable.value.statement == read

    @check()
    async def test_errors_leave_the_driver_whole(self, api: Api, space: Workspace, key: str) -> None:
        """After a failure, the next request works, and the failed one fails again."""
        for stmt in (
            "SELEC",
            f"SELECT * FROM {space.keyspace}.nothing",
            f"SELECT nothing FROM {space.items}",
        ):
            for _ in range(2):
                with pytest.raises(InvalidQueryError):
                    await api.execute(stmt, [])
                await api.execute(f"INSERT INTO {space.items} (p, c) VALUES (?, 1)", [key])
                assert await api.execute(f"SELECT c FROM {space.items} WHERE p = ?", [key]) == [{"c": 1}]

    @check()
    async def test_errors_at_once_with_successes(self, api: Api, space: Workspace) -> None:
        """Each of several concurrent requests has its own outcome."""

        async def one(n: int) -> Any:
            column = "c" if n % 2 else "nothing"
            stmt = f"SELECT {column} FROM {space.items} WHERE p = 'many' AND c = {n}"
            try:
                return await api.execute(stmt, [])
            except InvalidQueryError as exc:
                return exc.statement == stmt

        outcomes = await api.together([partial(one, n) for n in range(20)])
        assert outcomes == [[{"c": n}] if n % 2 else True for n in range(20)]

    @check()
    async def test_errors_can_be_pickled(self, api: Api, space: Workspace, key: str) -> None:
        """An error of any method can be pickled, with its class, its text and its attributes."""
        missing, stmt = f"SELECT c FROM {space.keyspace}.nothing", f"SELECT c FROM {space.items} WHERE p = ?"
        closed = await api.open()
        await closed.close()
        calls = [
            partial(api.execute, "SELEC", []),
            partial(api.execute, missing, []),
            partial(api.execute_one, missing, []),
            partial(api.read_stream, missing),
            partial(api.execute_many, missing, [[]]),
            partial(api.execute_batch, [f"INSERT INTO {space.keyspace}.nothing (a) VALUES (1)"]),
            partial(api.execute, f"CREATE TABLE {space.items} (p text PRIMARY KEY)", []),
            partial(api.execute, stmt, [7]),
            partial(api.execute, stmt, [key, key]),
            partial(api.execute, stmt, [key], timeout=-1),
            partial(api.sync_table, "t", "kit_nowhere", [ColumnDefinition("k", "int", primary_key=True)]),
            partial(closed.execute, stmt, [key]),
        ]
        if Capability.CONSISTENCY in api.driver.capabilities:
            write = f"INSERT INTO {space.unavailable} (k, v) VALUES (?, 1)"
            calls.append(partial(api.execute, write, [key], "ALL"))
        for call in calls:
            with pytest.raises(CoodieError) as caught:
                await call()
            again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - pickled here
            assert (type(again), str(again)) == (type(caught.value), str(caught.value))
            assert vars(again).keys() == vars(caught.value).keys()
            assert getattr(again, "statement", None) == getattr(caught.value, "statement", None)

    @check()
    async def test_bad_timeouts_are_refused(self, api: Api, space: Workspace) -> None:
        """A timeout that isn't a positive number is a ValueError that names the argument."""
        for timeout in (0, -1.0, "5", float("nan"), float("inf"), True):
            with pytest.raises(ConfigurationError) as caught:
                await api.execute(f"SELECT c FROM {space.items} WHERE p = 'a'", [], timeout=timeout)
            assert caught.value.option == "timeout"

    @check()
    async def test_bad_consistencies_are_refused(self, api: Api, space: Workspace) -> None:
        """An unknown consistency level is a ValueError that names the argument."""
        for consistency in ("MANY", "", 1):
            with pytest.raises(ConfigurationError) as caught:
                await api.execute(f"SELECT c FROM {space.items} WHERE p = 'a'", [], consistency)
            assert isinstance(caught.value, ValueError)
            assert caught.value.option == "consistency"

    @check()
    async def test_bad_options_are_refused(self, api: Api, space: Workspace) -> None:
        """options= that isn't a RequestOptions is a ValueError that names the argument."""
        for options in ({"trace": True}, "idempotent", True):
            with pytest.raises(ConfigurationError):
                await api.execute(f"SELECT c FROM {space.items} WHERE p = 'a'", [], options=options)

    @check()
    async def test_statements_are_text(self, api: Api) -> None:
        """A statement that isn't a str is a ValueError."""
        for stmt in (b"SELECT key FROM system.local", None, 7):
            with pytest.raises(ConfigurationError):
                await api.execute(stmt, [])
