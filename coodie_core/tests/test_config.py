"""The arguments of init_coodie, validated and frozen."""

from __future__ import annotations

import dataclasses
import ssl
from typing import Any

import pytest

from coodie.config import NOT_OF_THE_CONNECTION, ConnectionConfig, build_config
from coodie.exceptions import ConfigurationError
from coodie.options.hosts import parse_host


def test_defaults() -> None:
    """Without arguments: scylla, and nothing else given."""
    config = build_config()
    assert config.driver_type == "scylla"
    assert config.given() == ()
    assert dict(config.options) == {}


def test_every_field_arrives() -> None:
    """Each named argument becomes the field of its name; what has no field becomes an option."""
    context = ssl.create_default_context()
    policy = object()
    config = build_config(
        driver_type="other",
        hosts=["a", "::1"],
        keyspace="Ks",
        ssl_context=context,
        ssl_hostname="db.example.org",
        port=9142,
        address_map={"10.0.0.1": "db1:9043"},
        username="u",
        password="p",
        local_dc="dc1",
        local_rack="rack1",
        application="shop/1.4.2",
        request_timeout=2.5,
        consistency="local_quorum",
        serial_consistency="local_serial",
        retry_policy="never",
        protocol_version=5,
        compression="lz4",
        speculative_execution_policy=policy,
        metrics_enabled=True,
        colour=None,
    )
    assert config == ConnectionConfig(
        driver_type="other",
        hosts=("a", "::1"),
        keyspace="Ks",
        ssl_context=context,
        ssl_hostname="db.example.org",
        port=9142,
        address_map={"10.0.0.1": "db1:9043"},
        username="u",
        password="p",
        local_dc="dc1",
        local_rack="rack1",
        application="shop/1.4.2",
        request_timeout=2.5,
        consistency="LOCAL_QUORUM",
        serial_consistency="LOCAL_SERIAL",
        retry_policy="never",
        protocol_version=5,
        compression="lz4",
        speculative_execution_policy=policy,
        options={"metrics_enabled": True, "colour": None},
    )
    everything = {entry.name for entry in dataclasses.fields(ConnectionConfig)}
    assert set(config.given()) == everything - NOT_OF_THE_CONNECTION - {"session", "bundle"}


def test_false_is_given() -> None:
    """compression=False is a wish, not the absence of one."""
    assert build_config(compression=False).given() == ("compression",)


def test_frozen() -> None:
    """Nobody changes a configuration, its hosts or its options."""
    hosts = ["a"]
    options: dict[str, Any] = {"colour": "blue"}
    config = build_config(hosts=hosts, **options)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.port = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.options["colour"] = "red"  # type: ignore[index]
    hosts.append("b")
    options["colour"] = "red"
    assert (config.hosts, config.options["colour"]) == (("a",), "blue")


def test_repr_keeps_secrets() -> None:
    """Neither the password nor an option's value is in the repr, nor what a session's repr may hold."""
    secret = "hunter2"
    for config in (
        build_config(username="bob", password=secret, token=secret),
        build_config(session=[secret]),
    ):
        assert secret not in repr(config)
    assert "bob" in repr(build_config(username="bob", password=secret))


def test_error_keeps_secrets() -> None:
    """A password of the wrong type isn't in the error."""
    with pytest.raises(ConfigurationError) as caught:
        build_config(username="bob", password=b"hunter2")
    assert "hunter2" not in str(caught.value)
    assert caught.value.option == "password"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("driver_type", ""),
        ("driver_type", None),
        ("driver_type", 5),
        ("hosts", []),
        ("hosts", ()),
        ("hosts", "127.0.0.1"),
        ("hosts", [""]),
        ("hosts", [" "]),
        ("hosts", [None]),
        ("hosts", ["127.0.0.1:90420"]),
        ("hosts", {"127.0.0.1"}),
        ("hosts", ["db1/shop"]),
        ("hosts", [" db1"]),
        ("hosts", ["db1:"]),
        ("hosts", ["db1:a:b"]),
        ("hosts", ["run/cassandra.sock"]),
        ("hosts", 5),
        ("keyspace", ""),
        ("keyspace", 5),
        ("port", 0),
        ("port", 65536),
        ("port", "9042"),
        ("port", True),
        ("port", 9042.0),
        ("username", ""),
        ("local_dc", ""),
        ("address_map", {}),
        ("address_map", ["10.0.0.1"]),
        ("address_map", {"db1": "10.0.0.1"}),
        ("address_map", {"10.0.0.1": ""}),
        ("address_map", {"10.0.0.1": 9042}),
        ("address_map", {"::1": "db1", "0::1": "db2"}),
        ("application", ""),
        ("application", " shop"),
        ("application", "shop "),
        ("application", "/1"),
        ("application", "shop/"),
        ("application", "shop/1/2"),
        ("application", "x" * 201),
        ("application", 5),
        ("request_timeout", 0),
        ("request_timeout", -1),
        ("request_timeout", "5"),
        ("request_timeout", True),
        ("request_timeout", float("inf")),
        ("request_timeout", float("nan")),
        ("consistency", "QUORUMS"),
        ("consistency", 4),
        ("serial_consistency", "ONE"),
        ("retry_policy", "often"),
        ("retry_policy", True),
        ("retry_policy", {"name": "never"}),
        ("speculative_execution_policy", "0.1"),
        ("speculative_execution_policy", "0.1x0"),
        ("speculative_execution_policy", 2),
        ("distribution", ""),
        ("profiles", ["reports"]),
        ("profiles", {"": {}}),
        ("profiles", {"reports": 5}),
        ("protocol_version", 0),
        ("protocol_version", "4"),
        ("protocol_version", True),
        ("compression", "gzip"),
        ("compression", 1),
        ("compression", 0),
        ("compression", ["lz4"]),
        ("ssl_context", True),
        ("ssl_enabled", "yes"),
        ("ssl_verify_flags", 7),
    ],
)
def test_refused(option: str, value: Any) -> None:
    """A value of the wrong kind is refused; the error names the option, the value and what to give."""
    with pytest.raises(ConfigurationError) as caught:
        build_config(**{option: value})
    assert caught.value.option == option
    assert caught.value.hint or ": expected " in str(caught.value)
    assert option in str(caught.value)


@pytest.mark.parametrize(
    ("hosts", "port", "points", "names"),
    [
        (["a", "b"], None, [("a", None), ("b", None)], ("a", "b")),
        (["a", "b"], 9142, [("a", 9142), ("b", 9142)], ("a", "b")),
        (["a:9142", "b:9142"], None, [("a", 9142), ("b", 9142)], ("a", "b")),
        (["a:1", "b"], 9142, [("a", 1), ("b", 9142)], ("a:1", "b:9142")),
        (["a:1", "b"], None, [("a", 1), ("b", None)], ("a:1", "b")),
        (["a:1"], 9142, [("a", 1)], ("a:1",)),
        (["[::1]:1", "10.0.0.1:2"], None, [("::1", 1), ("10.0.0.1", 2)], ("[::1]:1", "10.0.0.1:2")),
        (["[::1]", "::2"], 3, [("::1", 3), ("::2", 3)], ("::1", "::2")),
        (["[fe80::1%eth0]:1"], None, [("fe80::1%eth0", 1)], ("fe80::1%eth0",)),
        (["/run/a:b.sock"], None, [("/run/a:b.sock", None)], ("/run/a:b.sock",)),
        (["/run/a", "b"], 1, [("/run/a", None), ("b", 1)], ("/run/a", "b")),
        (["/run/a", "b:1"], None, [("/run/a", None), ("b", 1)], ("/run/a", "b")),
        (["/run/a", "b:1", "c:2"], 3, [("/run/a", None), ("b", 1), ("c", 2)], ("/run/a", "b:1", "c:2")),
    ],
)
def test_ports_of_hosts(hosts: list[str], port: int | None, points: Any, names: tuple[str, ...]) -> None:
    """A host's port takes precedence over port=; backends that read one port get it if it is that of all."""
    config = build_config(hosts=hosts, port=port)
    assert list(config.contact_points) == points
    assert config.host_names == names
    assert config.hosts == tuple(host for host, _ in points)
    if config.host_ports is None:
        assert {config.port} == {port for host, port in points if host[0] != "/"} or {config.port} == {port}


@pytest.mark.parametrize("text", ["a", "a:1", "::1", "[::1]:9042", "1.0.0.1:65535", "fe80::1%eth0", "/a:1"])
def test_a_contact_point_as_text(text: str) -> None:
    """The text of a parsed contact point is what was parsed."""
    assert str(parse_host(text)) == text


@pytest.mark.parametrize(
    ("host", "hint"),
    [
        ("unix:///x", "the absolute path of a Unix socket, such as '/run/cassandra.sock'"),
        ("/run/", "the absolute path of a Unix socket, such as '/run/cassandra.sock'"),
        ("/run/\0", "the absolute path of a Unix socket, such as '/run/cassandra.sock'"),
        ("run/x", "or absolute paths"),
        ("http://a:1", "not a URL"),
        ("a, b", "one str per host: hosts=['a', 'b']."),
        ("::1:x", "an IPv6 address in full"),
        ("[::1:x]:1", "an IPv6 address in full"),
        ("[a]:1", "'a' without brackets"),
        ("[::1", "without spaces and slashes"),
        ("[::1]9042", "without spaces and slashes"),
        (":9042", "an address before the port"),
        ("a:", "an integer from 1 to 65535 as the port"),
        ("a:0", "an integer from 1 to 65535 as the port"),
        ("a:65536", "an integer from 1 to 65535 as the port"),
        ("a:1_0", "an integer from 1 to 65535 as the port"),
        ("a:٣", "an integer from 1 to 65535 as the port"),
        ("[::1]:", "an integer from 1 to 65535 as the port"),
    ],
)
def test_what_is_no_host(host: str, hint: str) -> None:
    """It is refused before anything connects, with the way to write what was meant."""
    with pytest.raises(ConfigurationError) as caught:
        build_config(hosts=["a", host])
    assert hint in str(caught.value)
    assert caught.value.option == "hosts"


@pytest.mark.parametrize("host", ["db-1.example", "db_1", "größe.example", "10.0.0.1", "fe80::1%eth0"])
def test_what_is_a_host(host: str) -> None:
    """Names, addresses, and those with a scope."""
    assert build_config(hosts=[host]).hosts == (host,)


def test_a_url_in_the_place_of_a_host() -> None:
    """It may have a password in it, which the error doesn't show."""
    with pytest.raises(ConfigurationError, match="not a URL") as caught:
        build_config(hosts=["scylla://ada:hunter2@db1"])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("given", "lacking"), [("username", "password"), ("password", "username")])
def test_credentials_come_in_pairs(given: str, lacking: str) -> None:
    """A username without a password is refused, and the other way round."""
    alone: dict[str, Any] = {given: "x"}
    with pytest.raises(ConfigurationError) as caught:
        build_config(**alone)
    assert caught.value.option == lacking


@pytest.mark.parametrize(
    "beside",
    [
        {"hosts": ["a"]},
        {"port": 9042},
        {"ssl_context": ssl.create_default_context()},
        {"username": "u", "password": "p"},
        {"local_dc": "dc1"},
        {"local_dc": "dc1", "local_rack": "rack1"},
        {"application": "shop"},
        {"protocol_version": 4},
        {"compression": False},
        {"compression": "lz4"},
        {"speculative_execution_policy": object()},
        {"ssl_enabled": True},
        {"ssl_enabled": False},
        {"ssl_verify_flags": 0},
    ],
    ids=",".join,
)
def test_session_is_connected_already(beside: dict[str, Any]) -> None:
    """session= beside anything that only matters while connecting is refused, and the error names it."""
    with pytest.raises(ConfigurationError) as caught:
        build_config(session=object(), **beside)
    assert str(caught.value).startswith("session= can't be combined with")
    assert caught.value.option in beside
    assert f"{caught.value.option}=" in str(caught.value)


def test_session_with_what_is_each_requests() -> None:
    """Beside a session, what concerns each request or the mappers may be given."""
    session = object()
    config = build_config(session=session, keyspace="ks", consistency="one", request_timeout=5)
    assert config.session is session
    assert set(config.given()) == {"session", "keyspace", "consistency", "request_timeout"}


def test_tls_options_become_a_context() -> None:
    """The ssl_… options end in ssl_context and aren't handed to the backend as its own."""
    config = build_config(ssl_enabled=True)
    assert isinstance(config.ssl_context, ssl.SSLContext)
    assert dict(config.options) == {}
    assert build_config(ssl_enabled=False).ssl_context is None


def test_options_is_no_way_round() -> None:
    """An argument named ``options`` is an option of that name, not a bag that is opened."""
    assert dict(build_config(options={"port": 1}).options) == {"options": {"port": 1}}


@pytest.mark.parametrize(
    ("driver_type", "distribution", "is_named", "is_pinned"),
    [
        ("scylla", None, "scylla", None),
        ("scylla", "coodie-scylla", "scylla", "coodie-scylla"),
        ("scylla@coodie-scylla", None, "scylla", "coodie-scylla"),
        ("scylla@coodie-scylla", "coodie-scylla", "scylla", "coodie-scylla"),
    ],
)
def test_pin(driver_type: str, distribution: str | None, is_named: str, is_pinned: str | None) -> None:
    """A backend is pinned in its name or beside it; neither is a field of the connection."""
    config = build_config(driver_type=driver_type, distribution=distribution)
    assert (config.driver_type, config.distribution) == (is_named, is_pinned)
    assert config.given() == ()


@pytest.mark.parametrize(
    ("driver_type", "distribution", "option"),
    [
        ("@coodie-scylla", None, "driver_type"),
        ("scylla@", None, "driver_type"),
        ("scylla@ ", None, "driver_type"),
        ("scylla", "", "distribution"),
        ("scylla", 5, "distribution"),
        ("scylla@one", "two", "distribution"),
    ],
)
def test_pin_that_is_none(driver_type: str, distribution: Any, option: str) -> None:
    """Half a pin, or two that differ, are refused."""
    with pytest.raises(ConfigurationError) as caught:
        build_config(driver_type=driver_type, distribution=distribution)
    assert caught.value.option == option


def test_a_rack_is_in_a_data_centre() -> None:
    """local_rack= without local_dc= is refused."""
    with pytest.raises(ConfigurationError, match="local_rack= without local_dc=") as caught:
        build_config(local_rack="rack1")
    assert caught.value.option == "local_dc"
