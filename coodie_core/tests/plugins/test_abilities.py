"""Options that take more than a backend declares."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.distributions import config_for
from coodie_core.tests.fakes import Api, Backend, MemoryDriver, host_of, registry_of

from coodie import Credentials, RequestOptions
from coodie.capabilities import KNOWN, Capability, backends_with, check_capabilities
from coodie.exceptions import ConfigurationError, UnsupportedError
from coodie.options import OPTIONS
from coodie.plugins import DriverDescription, hookimpl, installed_drivers
from coodie.registry import using_registry

if TYPE_CHECKING:
    from coodie.registry import DriverRegistry

#: An argument of init_coodie for each option of connecting that takes a capability.
CONNECTING: dict[str, dict[str, Any]] = {
    "username": {"username": "u", "password": "p"},
    "password": {"username": "u", "password": "p"},
    "credentials": {"credentials": lambda: Credentials("u", "p")},
    "consistency": {"consistency": "ONE"},
    "serial_consistency": {"serial_consistency": "SERIAL"},
    "retry_policy": {"retry_policy": "never"},
    "speculative_execution_policy": {"speculative_execution_policy": "0.1x2"},
    "protocol_version": {"protocol_version": 4},
    "compression": {"compression": True},
    "ssl_enabled": {"ssl_enabled": True},
    "ssl_verify_flags": {"ssl_verify_flags": 1},
    "ssl_hostname": {"ssl_enabled": True, "ssl_hostname": "db.example.org"},
    "ssl_context": {"ssl_context": ssl.create_default_context()},
    "session": {"session": object()},
    "application": {"application": "shop/1.4.2"},
    "address_map": {"address_map": {"10.0.0.1": "db1:9043"}},
    "local_rack": {"local_dc": "dc1", "local_rack": "rack1"},
}

#: Further capabilities for these arguments.
ALSO = {"ssl_hostname": (Capability.TLS,)}

#: Arguments → the option in the error, if it is another one.
FIELDS = {"password": "username", "credentials": "username", "ssl_hostname": "ssl_hostname"}


class Declaring(Backend):
    """Declares what the test says."""

    def __init__(self, *capabilities: Capability) -> None:
        super().__init__()
        self._capabilities = frozenset(capabilities)

    @hookimpl
    def coodie_describe_driver(self) -> DriverDescription:
        """Describe it."""
        return DriverDescription(summary="declaring", capabilities=self._capabilities)


def test_every_option_is_tried() -> None:
    """No option of connecting that takes a capability is left out here, files aside; TLS has several."""
    named = {name for name, option in OPTIONS.items() if option.for_connections and option.capability}
    files = {"bundle", "ssl_trusted_cert", "ssl_cert", "ssl_private_key", "ssl_key_password"}
    assert named - set(CONNECTING) == files


@pytest.mark.parametrize("name", CONNECTING)
def test_option_of_connecting(name: str) -> None:
    """It is refused by name with the backends that have it, unless the backend declares its capability."""
    need = OPTIONS[name].capability
    assert need is not None
    able, unable = Declaring(need, *ALSO.get(name, ())), Declaring(*set(Capability) - {need})
    registry = registry_of(able=able, unable=unable)
    with using_registry(registry):
        registry.plugins.check(config_for("able", **CONNECTING[name]))
        with pytest.raises(ConfigurationError) as caught:
            registry.plugins.check(config_for("unable", **CONNECTING[name]))
    error = caught.value
    field = FIELDS.get(name, "ssl_context" if name.startswith("ssl_") else name)
    assert error.option == field
    assert f"driver_type='unable' doesn't support {need}, which {field}= " in str(error)
    assert "able" in error.alternatives
    assert "unable" not in error.alternatives
    assert f"use one that supports it: {', '.join(error.alternatives)}." in str(error)


def test_different_ports_of_hosts() -> None:
    """They are refused unless the backend declares that it reads them; one port for all hosts isn't."""
    hosts = ["db1:1", "db2:2"]
    host_of(acme=Declaring(Capability.HOST_PORTS)).check(config_for(hosts=hosts))
    unable = host_of(acme=Declaring())
    unable.check(config_for(hosts=["db1:1", "db2:1"]))
    with pytest.raises(
        ConfigurationError, match="support different ports of hosts, which hosts= with"
    ) as caught:
        unable.check(config_for(hosts=hosts))
    assert caught.value.option == "hosts"


@pytest.mark.parametrize(
    ("option", "value"), [("hosts", ["db1", "/run/a"]), ("address_map", {"10.0.0.1": "/run/a"})]
)
def test_paths_of_unix_sockets(option: str, value: Any) -> None:
    """They are refused unless the backend declares that it connects to them."""
    host_of(acme=Declaring(Capability.UNIX_SOCKETS, Capability.ADDRESS_MAP)).check(
        config_for(**{option: value})
    )
    message = f"doesn't support Unix sockets, which a path in {option}= requires"
    with pytest.raises(ConfigurationError, match=message) as caught:
        host_of(acme=Declaring(*set(Capability) - {Capability.UNIX_SOCKETS})).check(
            config_for(**{option: value})
        )
    assert caught.value.option == option


def test_no_compression_needs_no_capability() -> None:
    """compression=False is what a backend without compression gives."""
    host_of(acme=Declaring()).check(config_for(compression=False))


def test_request_profiles() -> None:
    """What a connection's request profiles ask for is refused when it's made, with the profile's name."""
    host = host_of(acme=Declaring(Capability.PAGING))
    host.check(config_for(profiles={"reports": {"timeout": 5, "fetch_size": 10, "idempotent": True}}))
    with pytest.raises(
        ConfigurationError, match="doesn't support tracing, which trace in the profile 'reports' requires"
    ) as caught:
        host.check(config_for(profiles={"reports": {"trace": True}}))
    assert caught.value.option == "trace"


#: What one request asks for, and what that takes.
REQUESTS = [
    ({"consistency": "ONE"}, Capability.CONSISTENCY, "consistency"),
    ({"fetch_size": 10}, Capability.PAGING, "fetch_size"),
    ({"paging_state": b"x"}, Capability.PAGING, "paging_state"),
    ({"options": RequestOptions(trace=True)}, Capability.TRACING, "RequestOptions.trace"),
    (
        {"options": RequestOptions(custom_payload={"a": b""})},
        Capability.CUSTOM_PAYLOAD,
        "RequestOptions.custom_payload",
    ),
    (
        {"options": RequestOptions(retry_policy="never")},
        Capability.RETRY_POLICY,
        "RequestOptions.retry_policy",
    ),
    (
        {"options": RequestOptions(serial_consistency="SERIAL")},
        Capability.LIGHTWEIGHT_TRANSACTIONS,
        "RequestOptions.serial_consistency",
    ),
    ({"options": RequestOptions(routing_token=0)}, Capability.ROUTING, "RequestOptions.routing_token"),
    (
        {"options": RequestOptions(speculative_execution_policy="0.1x2", idempotent=True)},
        Capability.SPECULATIVE_EXECUTION,
        "RequestOptions.speculative_execution_policy",
    ),
]


@pytest.mark.parametrize(("asked", "need", "name"), REQUESTS)
def test_option_of_a_request(asked: dict[str, Any], need: Capability, name: str) -> None:
    """It is refused by name with the driver's, and the backends that have it."""
    check_capabilities(frozenset({need}), "It", **asked)
    with pytest.raises(
        UnsupportedError, match=f"^It doesn't support {need}, which {name} requires"
    ) as caught:
        check_capabilities(frozenset(Capability) - {need}, "It", **asked)
    assert caught.value.feature == need.value
    able = tuple(sorted(name for name, backend in KNOWN.items() if need in backend.capabilities))
    assert {"cassandra", "local", "scylla"} <= set(able)
    assert caught.value.alternatives == able
    assert f"use one that supports it: {', '.join(able)}." in str(caught.value)


class Plain(MemoryDriver):
    """Declares nothing."""

    capabilities = frozenset()


@pytest.mark.parametrize("method", ["execute_one", "execute_many", "execute_batch", "stream"])
async def test_what_core_makes_of_the_six(method: str, is_async: bool) -> None:
    """Core's own methods refuse for a driver what it doesn't declare; nothing reaches it."""
    driver = Plain()
    api = Api(driver, is_async=is_async)
    trace = RequestOptions(trace=True)
    arguments: dict[str, list[Any]] = {"execute_many": ["s", [[]]], "execute_batch": [["INSERT"]]}
    with pytest.raises(UnsupportedError, match="Plain doesn't support tracing"):
        if method == "stream":
            _ = [row async for row in api.stream("s", [], options=trace)]
        else:
            await getattr(api, method)(*arguments.get(method, ["s", []]), options=trace)
    assert driver.calls == []


def test_nothing_is_imported_for_the_message(registry: DriverRegistry) -> None:
    """Backends that were never loaded aren't asked; coodie's are known without."""
    assert "memory" not in backends_with(Capability.TLS)
    registry.plugins.check(config_for("memory"))
    assert backends_with(Capability.TLS) == ("cassandra", "memory", "scylla")
    assert backends_with(Capability.NATIVE_ASYNC) == ("acsylla", "memory", "rust")


def test_ours_declare_what_is_known_of_them() -> None:
    """What the table says of our backends is what those that are installed here say themselves."""
    names = {entry.driver_type for entry in installed_drivers()} & set(KNOWN)
    assert "local" in names
    for name in names:
        with using_registry(type(registry_of())()) as registry:
            description = registry.plugins.described(config_for(name))
        assert description.capabilities == KNOWN[name].capabilities, name
