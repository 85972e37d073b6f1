"""Errors of FakeCluster: each class arrives with its attributes; what no server sends is refused at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api, open_driver

from coodie import exceptions
from coodie.exceptions import ConfigurationError, CoodieError
from coodie.protocol.error_codes import ERRORS, ErrorCode
from coodie.registry import DriverRegistry, using_registry
from coodie_testing import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coodie_testing.fake.script import Stub

WRITE = "INSERT INTO shop.orders (id, name) VALUES (?, ?)"

#: Codes that mean something else to drivers, or the end of the connection.
_OWN = {ErrorCode.UNPREPARED, ErrorCode.BAD_CREDENTIALS, ErrorCode.PROTOCOL_ERROR}
_CODES = sorted(set(ErrorCode) - _OWN)
#: The classes that a server's response can cause.
ANSWERED: list[type[CoodieError]] = sorted(
    {getattr(exceptions, ERRORS[code].error) for code in _CODES}, key=lambda cls: cls.__name__
)
#: The classes for which there is no response.
UNANSWERED = (
    exceptions.RequestTimeoutError,
    exceptions.ConnectionFailedError,
    exceptions.ConnectionLostError,
)
OTHERS = sorted(set(exceptions.__all__) - {cls.__name__ for cls in (*ANSWERED, *UNANSWERED)})

#: What the driver knows, and not the server.
_OF_DRIVERS = {
    "hint",
    "command",
    "may_have_been_applied",
    "explained_in",
    "statement",
    "timeout",
    "is_total",
    "hosts",
}
#: Inherited attributes that aren't in the message: there is one kind of write.
_INHERITED: Mapping[type, set[str]] = {exceptions.CasWriteUnknownError: {"write_type", "contentions"}}
_FROM_VERSION_5 = {"reasons", "contentions"}

#: Values of attributes that aren't those which FakeCluster takes by itself.
VALUES: Mapping[str, list[Any]] = {
    "consistency": ["EACH_QUORUM", "LOCAL_ONE"],
    "required": [5, 2**31 - 1],
    "received": [4, 0],
    "alive": [3, 0],
    "failures": [2, 0],
    "reasons": [{"10.0.0.1": 0, "10.0.0.2": 1}, {"::1": 65535, "10.0.0.3": 2}],
    "data_retrieved": [True, False],
    "write_type": ["CAS", "COUNTER"],
    "contentions": [9, 0],
    "keyspace": ["shop", "Größe"],
    "table": ["orders", None],
    "function": ["area", "f2"],
    "argument_types": [("int", "list<text>"), ()],
    "operation": ["read", "write"],
    "rejected_by": ["replicas", "coordinator"],
}


def documented(cls: type) -> list[str]:
    """Return the attributes of a class that a server can send."""
    names = [name for one in cls.__mro__ for name in vars(one).get("__annotations__", {})]
    return [name for name in names if name not in _OF_DRIVERS | _INHERITED.get(cls, set())]


def values_of(cls: type, index: int, version: int) -> dict[str, Any]:
    """Return a value of each attribute."""
    known = {name: VALUES[name][index] for name in documented(cls)}
    if version == 5 and "reasons" in known:
        known["failures"] = 2
    elif version < 5:
        known = {name: value for name, value in known.items() if name not in _FROM_VERSION_5}
    if "contentions" in known:
        known["write_type"] = "CAS"
    return known


@pytest.fixture(scope="module", params=[4, 5], ids=lambda version: f"v{version}")
def cluster(request: pytest.FixtureRequest) -> Iterator[FakeCluster]:
    """Start one with each version of the protocol."""
    with using_registry(DriverRegistry()), FakeCluster(max_protocol=request.param) as cluster:
        cluster.table("shop.orders", {"id": "int", "name": "text"})
        yield cluster


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "driver's way"])
def driver(cluster: FakeCluster, backend: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Connect to it, with the fast path and without."""
    with open_driver(backend, fast_path=request.param, **cluster.connection_options()) as driver:
        yield driver


def version_of(api: Api) -> int:
    """Return the version of the connections."""
    return int(api.driver.session.cluster.protocol_version)


async def raised(api: Api) -> Any:
    """Return the error of a write."""
    with pytest.raises(CoodieError) as caught:
        await api.execute(WRITE, [1, "a"], timeout=10)
    return caught.value


def attributes(error: Any, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes of an error."""
    return {name: getattr(error, name) for name in names}


@pytest.mark.parametrize("cls", ANSWERED, ids=lambda cls: cls.__name__)
async def test_a_class_arrives_with_all_attributes(
    api: Api, cluster: FakeCluster, cls: type[CoodieError]
) -> None:
    """It is that class, with each value."""
    for index in range(2):
        values = values_of(cls, index, version_of(api))
        cluster.when(WRITE).error(cls, **values)
        error = await raised(api)
        assert type(error) is cls
        assert attributes(error, values) == values


async def test_the_message_arrives(api: Api, cluster: FakeCluster) -> None:
    """Where coodie's text has the server's."""
    for cls in (exceptions.ServerError, exceptions.RateLimitedError, exceptions.FunctionFailureError):
        cluster.when(WRITE).error(cls, "größer")
        error = await raised(api)
        assert type(error) is cls
        assert "größer" in str(error)


async def test_each_attribute_arrives_alone(api: Api, cluster: FakeCluster) -> None:
    """The others have example values, of their types."""
    for cls in ANSWERED:
        for name in values_of(cls, 0, version_of(api)):
            value = VALUES[name][0]
            more = {"write_type": "CAS"} if name == "contentions" else {}
            cluster.when(WRITE).error(cls, **{name: value}, **more)
            error = await raised(api)
            assert type(error) is cls
            assert attributes(error, {name: value}) == {name: value}
            missing = [
                other for other in documented(cls) if other != "contentions" and getattr(error, other) is None
            ]
            assert missing == []


@pytest.mark.parametrize("code", _CODES, ids=lambda code: code.name)
async def test_a_code_arrives_as_its_class(api: Api, cluster: FakeCluster, code: ErrorCode) -> None:
    """With the attributes that the code has on the wire."""
    cls = getattr(exceptions, ERRORS[code].error)
    values = values_of(cls, 0, version_of(api)) if ERRORS[code].fields else {}
    cluster.when(WRITE).error(code, **values)
    error = await raised(api)
    assert type(error) is cls
    assert attributes(error, values) == values


async def test_failures_without_reasons(api: Api, cluster: FakeCluster) -> None:
    """The number of failed replicas is enough, with each version; reasons imply it."""
    for cls in (exceptions.WriteFailureError, exceptions.ReadFailureError):
        cluster.when(WRITE).error(cls, failures=3)
        error = await raised(api)
        assert (type(error), error.failures) == (cls, 3)
        if version_of(api) == 5:
            cluster.when(WRITE).error(cls, reasons=VALUES["reasons"][0])
            assert (await raised(api)).failures == 2


@pytest.mark.parametrize("fast_path", [True, False])
@pytest.mark.parametrize("cls", UNANSWERED)
async def test_there_is_no_response(
    fake_cluster: FakeCluster, backend: str, registry: object, cls: type[CoodieError], *, fast_path: bool
) -> None:
    """A timeout, or a connection that is closed; a message or attributes of it are refused."""
    stub = fake_cluster.when(WRITE, types=["int", "text"])
    with pytest.raises(ConfigurationError, match="the server sends no response"):
        stub.error(cls, "late")
    with pytest.raises(ConfigurationError, match="the server sends no response"):
        stub.error(cls, consistency="ONE")
    stub.error(cls)
    options = fake_cluster.connection_options()
    with open_driver(backend, fast_path=fast_path, **options) as driver, pytest.raises(cls) as caught:
        await driver.execute_async(WRITE, [1, "a"], timeout=0.5)
    assert type(caught.value) is not exceptions.ConnectionFailedError  # the request was sent


async def test_an_older_client_of_a_newer_server(backend: str, registry: object) -> None:
    """It gets the number of failed replicas."""
    with FakeCluster() as cluster:
        cluster.table("shop.orders", {"id": "int", "name": "text"})
        cluster.when(WRITE).error(exceptions.WriteFailureError, reasons=VALUES["reasons"][0])
        options = {"protocol_version": 4, **cluster.connection_options()}
        with open_driver(backend, **options) as driver:
            error = await raised(Api(driver, is_async=True))
    assert (error.failures, error.reasons) == (2, {})


# --- what is refused --------------------------------------------------------------------


@pytest.fixture
def stub(fake_cluster: FakeCluster) -> Stub:
    """Give a stub of a server with the newest version of the protocol."""
    return fake_cluster.when(WRITE, types=["int", "text"])


@pytest.mark.parametrize("name", OTHERS)
def test_other_classes_are_refused(stub: Stub, name: str) -> None:
    """At once, and with what helps."""
    with pytest.raises(ConfigurationError, match=rf"{name} (isn't an error that a server|can't be the resp)"):
        stub.error(getattr(exceptions, name))


@pytest.mark.parametrize("code", sorted(_OWN), ids=lambda code: code.name)
def test_codes_that_drivers_handle_are_refused(stub: Stub, code: ErrorCode) -> None:
    """The error names the way to get what is wanted."""
    with pytest.raises(ConfigurationError, match=f"{code.name} can't be the response") as refused:
        stub.error(code)
    assert refused.value.hint


def test_attributes_of_other_classes_are_refused(stub: Stub) -> None:
    """The error lists those that the class has."""
    for cls in ANSWERED:
        for name in {*VALUES, *_OF_DRIVERS, "by"} - set(documented(cls)):
            missing = f"{cls.__name__} has no attribute '{name}'"
            with pytest.raises(ConfigurationError, match=missing) as refused:
                stub.error(cls, **{name: VALUES.get(name, ["x"])[0]})
            assert all(known in str(refused.value) for known in documented(cls))


INVALID: Mapping[str, list[Any]] = {
    "consistency": ["MANY", 4, None],
    "required": [-1, 2**31, "2", True, 1.5, None],
    "failures": [-1, 2**16, {"10.0.0.1": 0}, None],
    "reasons": [{"nowhere": 0}, {"10.0.0.1": -1}, {"10.0.0.1": "x"}, 3, None],
    "data_retrieved": [1, "yes", None],
    "write_type": ["simple", "OTHER", 1, None],
    "contentions": [-1, 2**16, "1", None],
    "keyspace": [1, None, "x" * 2**16],
    "table": [1, "x" * 2**16],
    "function": [None, b"f"],
    "argument_types": ["int", [1], 5, None],
    "operation": ["delete", 1, None],
    "rejected_by": ["nobody", True, None],
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_values_are_refused(stub: Stub, name: str) -> None:
    """The error names the attribute, and what it can be."""
    cls = next(cls for cls in ANSWERED if name in documented(cls))
    for value in INVALID[name]:
        with pytest.raises(ConfigurationError, match=rf"^{name}=(?s:.)* is not valid for .* Give "):
            stub.error(cls, **{name: value})


def test_impossible_combinations_are_refused(stub: Stub) -> None:
    """What no server sends: reasons before version 5, another number of them, contentions of plain writes."""
    with FakeCluster(max_protocol=4) as older:
        old_stub = older.when(WRITE, types=["int", "text"])
        with pytest.raises(ConfigurationError, match=r"Protocol version 4 has no reasons.*max_protocol=5"):
            old_stub.error(exceptions.WriteFailureError, reasons={"10.0.0.1": 0})
        with pytest.raises(ConfigurationError, match="Protocol version 4 has no contentions"):
            old_stub.error(exceptions.WriteTimeoutError, write_type="CAS", contentions=1)
    with pytest.raises(ConfigurationError, match=r"failures=3, but reasons= has 1 nodes"):
        stub.error(exceptions.WriteFailureError, failures=3, reasons={"10.0.0.1": 0})
    with pytest.raises(ConfigurationError, match=r"contentions of conditional writes.*write_type"):
        stub.error(exceptions.WriteTimeoutError, contentions=1)
    with pytest.raises(ConfigurationError, match="more than 65535 bytes"):
        stub.error(exceptions.ServerError, "x" * 2**16)
    for wrong in (exceptions.ServerError("x"), 0x1001, ValueError, "ServerError"):
        with pytest.raises(ConfigurationError, match="neither a class of coodie"):
            stub.error(wrong)  # type: ignore[arg-type]  # what is wrong
