"""Checks of the arguments of all methods: which are accepted, and that none outlives its request."""

from __future__ import annotations

import gc
import weakref
from collections import ChainMap, OrderedDict, UserDict, UserList, deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.exceptions import ConfigurationError, CoodieError, InvalidQueryError, ParameterTypeError
from coodie.options.request_options import RequestOptions
from coodie_testing.checking import check
from coodie_testing.messages import RequestParameters, request_parameters
from coodie_testing.methods import calls_of, take_requests

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.faults.proxy import FaultProxy
    from coodie_testing.workspace import Workspace

__all__ = ["ArgumentsChecks"]

#: Arguments that no method accepts, and the named one.
_INVALID: tuple[tuple[str, Any], ...] = (
    ("timeout", 0),
    ("timeout", -1.0),
    ("timeout", "5"),
    ("timeout", True),
    ("consistency", "MANY"),
    ("consistency", 1),
    ("options", {"trace": True}),
    ("options", True),
)


def _sent(proxy: FaultProxy, table: str) -> list[RequestParameters]:
    """Return the parameters of the requests for a table, and forget all requests."""
    return [request_parameters(one) for one in take_requests(proxy, table)]


class _Text(str):  # noqa: SLOT000 - slots would have no weak references
    """A text that can be referred to weakly."""


class ArgumentsChecks:
    """Arguments of execute, execute_one, execute_many, stream and execute_batch."""

    @check()
    async def test_invalid_arguments_of_all_methods(self, api: Api, space: Workspace, key: str) -> None:
        """An invalid timeout, level or options is a ConfigurationError of each method; nothing is sent."""
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1)"
        for name, value in _INVALID:
            for method, call in calls_of(api, insert, [key]).items():
                try:
                    await call(**{name: value})
                except ConfigurationError:
                    continue
                raise AssertionError(f"{method} took {name}={value!r}")
        assert await api.execute(f"SELECT c FROM {space.items} WHERE p = ?", [key]) == []

    @check()
    async def test_other_sequences_and_mappings(self, api: Api, space: Workspace, key: str) -> None:
        """Parameters may be any sequence or mapping, in each method."""
        by_position = f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, ?)"
        by_name = by_position.replace("?, 1, ?", ":p, 1, :v")
        named = {"v": "b", "p": key}
        mappings = (OrderedDict(named), MappingProxyType(named), UserDict(named), ChainMap({"v": "b"}, named))
        select = f"SELECT v FROM {space.items} WHERE p = ?"
        cases: list[tuple[str, Any, str]] = [(by_name, mapping, "b") for mapping in mappings]
        cases += [(by_position, kind([key, "a"]), "a") for kind in (UserList, deque, tuple)]
        for stmt, params, expected in cases:
            for method, call in calls_of(api, stmt, params).items():
                await api.execute(f"DELETE FROM {space.items} WHERE p = ?", [key])
                await call()
                found = await api.execute(select, UserList([key]))
                assert found == [{"v": expected}], f"{method}, {type(params).__name__}"

    @check(Capability.CONSISTENCY, Capability.LIGHTWEIGHT_TRANSACTIONS)
    async def test_levels_are_of_one_request(
        self, api: Api, space: Workspace, proxy: FaultProxy, key: str
    ) -> None:
        """After a request with both levels, the same one without is sent as before, by each method."""
        through = await api.open(hosts=[proxy.host], port=proxy.port)
        options = RequestOptions(serial_consistency="LOCAL_SERIAL")
        insert = f"INSERT INTO {space.items} (p, c) VALUES (?, 1)"
        for call in calls_of(through, insert, [key]).values():
            await call()
            await call()
            before = _sent(proxy, space.items)[-1]
            await call(consistency="ALL", options=options)
            (sent,) = _sent(proxy, space.items)
            assert (sent.consistency, sent.serial_consistency) == ("ALL", "LOCAL_SERIAL")
            await call()
            assert _sent(proxy, space.items) == [before]

    @check()
    async def test_the_text_in_errors_of_all_methods(self, api: Api, space: Workspace, key: str) -> None:
        """``statement`` is the caller's text in the errors of each method, of the server and of a value."""
        wrong = f"SELECT nothing FROM {space.items} WHERE p = :who /* {key} */"
        typed = f"SELECT c FROM {space.items} WHERE p = :who AND c = :c /* {key} */"
        cases: list[tuple[str, Any, type[CoodieError]]] = [
            (wrong, {"who": key}, InvalidQueryError),
            (typed, {"who": key, "c": "one"}, ParameterTypeError),
        ]
        for stmt, params, kind in cases:
            for method, call in calls_of(api, stmt, params).items():
                with pytest.raises(kind) as caught:
                    await call()
                assert getattr(caught.value, "statement", None) == stmt, method

    @check()
    async def test_no_values_in_errors_of_all_methods(self, api: Api, space: Workspace, key: str) -> None:
        """The errors of each method have no values, also not those in collections and user-defined types."""
        secret = "s3cret-value"  # noqa: S105 - that is what is looked for
        cases: list[tuple[str, Any]] = [
            (f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, ?)", [key, [secret]]),
            (f"INSERT INTO {space.items} (p, c, v) VALUES (?, ?, 'a')", [key, secret]),
            (f"INSERT INTO {space.items} (p, c) VALUES (?, 1)", [key, secret]),
            (f"INSERT INTO {space.items} (p, c) VALUES (:p, 1)", {"p": key, secret: 1}),
            (f"INSERT INTO {space.values} (k, list_) VALUES (?, ?)", [key, [1, secret]]),
            (f"INSERT INTO {space.values} (k, map_) VALUES (?, ?)", [key, {secret: secret}]),
            (f"INSERT INTO {space.values} (k, tuple_) VALUES (?, ?)", [key, (secret, "a", None)]),
            (f"INSERT INTO {space.values} (k, inet_) VALUES (?, ?)", [key, secret]),
        ]
        if Capability.USER_DEFINED_TYPES in api.driver.capabilities:
            cases.append((f"INSERT INTO {space.points} (k, p) VALUES (?, ?)", [key, {"x": secret}]))
        for stmt, params in cases:
            for method, call in calls_of(api, stmt, params).items():
                with pytest.raises(CoodieError) as caught:
                    await call()
                if isinstance(params, list):  # the name of a parameter isn't a value
                    assert secret not in str(caught.value) + repr(caught.value), method

    @check()
    async def test_parameters_are_let_go(self, api: Api, space: Workspace, key: str) -> None:
        """The driver keeps no reference to parameters after a request of any method."""
        insert = f"INSERT INTO {space.items} (p, c, v) VALUES (?, 1, ?)"

        async def use(method: str) -> list[weakref.ref[Any]]:
            params = UserList([key, _Text("a")])
            await calls_of(api, insert, params)[method]()
            return [weakref.ref(params), weakref.ref(params[1])]

        for method in calls_of(api, insert, []):
            held = await use(method)

            async def let_go(held: list[weakref.ref[Any]] = held) -> bool:
                gc.collect()
                return all(one() is None for one in held)

            await api.until(let_go, f"{method} lets go of its parameters", 5)

    @check()
    async def test_the_default_keyspace_is_known(self, api: Api, space: Workspace) -> None:
        """``_default_keyspace``, if the driver has it, is the connection's keyspace, or None."""
        if not hasattr(api.driver, "_default_keyspace"):
            pytest.skip("the driver doesn't have the attribute that object mappers may read")
        other = await api.open(keyspace=space.keyspace)
        assert other.driver._default_keyspace == space.keyspace
        without = await api.open()
        assert without.driver._default_keyspace is None
