"""Connections by URL: every option has its form, and no error has a password in it."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from coodie_core.tests.fakes import Backend, registry_of
from hypothesis import example, given
from hypothesis import strategies as st

import coodie
from coodie import LazyDriver, RequestProfile
from coodie.config import build_config
from coodie.config.url import parse_url
from coodie.exceptions import ConfigurationError, CoodieError, DriverLoadError
from coodie.options import Scope, options_for
from coodie.options.connection import check_option
from coodie.plugins import DriverDescription, OptionDescription, hookimpl
from coodie.registry import using_registry

if TYPE_CHECKING:
    from coodie.registry import DriverRegistry


def arguments_of(url: str) -> dict[str, Any]:
    """Return what init_coodie would be given."""
    parts = parse_url(url)
    return parts.arguments | parts.own


def test_the_whole_form() -> None:
    """Each part arrives where init_coodie has it."""
    url = "scylla://ada:secret@db1,db2:9142/shop?consistency=LOCAL_QUORUM&lazy=true&name=main&colour=blue"
    assert arguments_of(url) == {
        "driver_type": "scylla",
        "username": "ada",
        "password": "secret",
        "hosts": ["db1", "db2"],
        "port": 9142,
        "keyspace": "shop",
        "consistency": "LOCAL_QUORUM",
        "lazy": True,
        "name": "main",
        "colour": "blue",
    }


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("local://", {}),
        ("local:///shop", {"keyspace": "shop"}),
        ("local://?node=x", {"node": "x"}),
        ("local://db1", {"hosts": ["db1"]}),
        ("local://db1/", {"hosts": ["db1"]}),
        (" local://db1/Shop/\n", {"hosts": ["db1"], "keyspace": "Shop"}),
        ("local://[::1]", {"hosts": ["::1"]}),
        ("local://ada@db1", {"hosts": ["db1"], "username": "ada"}),
        ("local://[2001:db8::1]:9142,db2", {"hosts": ["2001:db8::1", "db2"], "port": 9142}),
        ("local://[fe80::1%25eth0]", {"hosts": ["fe80::1%eth0"]}),
        ("local://db1:9142,db2:9142", {"hosts": ["db1", "db2"], "port": 9142}),
        ("local://db1:1,[::1]:2", {"hosts": ["db1:1", "[::1]:2"]}),
        ("local://a%40b:p%2F%3F%3A@db1/k%2Fs", {"username": "a@b", "password": "p/?:", "keyspace": "k/s"}),
        ("local://ada:a:b@db1", {"username": "ada", "password": "a:b"}),
        ("local://ada:@db1", {"username": "ada", "password": ""}),
        ("local://db1?ssl_cert=a%2Bb+c&local_dc=dc%26", {"ssl_cert": "a+b+c", "local_dc": "dc&"}),
        ("local://db1?profiles.a.b.timeout=5", {"profiles": {"a.b": {"timeout": 5}}}),
    ],
)
def test_forms(url: str, more: dict[str, Any]) -> None:
    """What may be left out, addresses, escapes."""
    found = arguments_of(url)
    assert found | more == found
    assert found["driver_type"] == "local"


@pytest.mark.parametrize("option", options_for(Scope.CONNECTION), ids=lambda option: option.name)
def test_every_option_has_a_form(option: Any) -> None:
    """The example in the table of options gives the option a value that its type lets through."""
    if not option.url:
        with pytest.raises(ConfigurationError) as caught:
            parse_url(f"scylla://db1?{option.name}=x")
        assert option.instead in str(caught.value)
        return
    url = option.url if "://" in option.url else f"scylla://db1{option.url}"
    assert check_option(option.name, arguments_of(url)[option.name]) is not None


@pytest.mark.parametrize("option", options_for(Scope.REQUEST), ids=lambda option: option.name)
def test_every_option_of_a_profile_has_a_form(option: Any) -> None:
    """The same for those of requests, behind a profile's name."""
    if option.key:
        text = option.url.rpartition("=")[2]
        more = "" if option.name == "idempotent" else "&profiles.p.idempotent=true"
        found = arguments_of(f"scylla://db1?profiles.p.{option.name}={text}{more}")
        profile = build_config(profiles=found["profiles"]).profiles["p"]
        assert getattr(profile, option.name) != getattr(RequestProfile(), option.name)


@pytest.mark.parametrize(
    ("url", "said", "option"),
    [
        (5, "expected str, got int", "url"),
        ("db1", "doesn't start with a backend's name", "url"),
        ("://db1", "doesn't start with a backend's name", "url"),
        ("ada:x@db://db1", "doesn't start with a backend's name", "url"),
        ("s://db1#x", "contains a #", "url"),
        ("s://db1/%zz", "without two hexadecimal", "url"),
        ("s://a:b@c@db1", "contains an @ elsewhere", "url"),
        ("s://a:b/c@db1", "contains an @ elsewhere", "url"),
        ("s://a:b?c@db1", "contains an @ elsewhere", "url"),
        ("s://@db1", "no user before it", "username"),
        ("s://db1,,db2", "empty host 2 of 3", "hosts"),
        ("s://:9042", "empty host 1 of 1", "hosts"),
        ("s://db1:x", "port of host 1", "port"),
        ("s://db1:", "port of host 1", "port"),
        ("s://db1:0", "port of host 1", "port"),
        ("s://db1:65536", "port of host 1", "port"),
        ("s://db1:٣", "port of host 1", "port"),
        ("s://db1:1,db2:2,db3", "different ports, and a host without a port", "port"),
        ("s://::1", "more than one colon", "hosts"),
        ("s://[::1", "invalid IPv6", "url"),
        ("s://[db1]", "invalid IPv6", "url"),
        ("s://[::1]9042", "invalid IPv6", "url"),
        ("s://db1/a/b", "more than one /", "url"),
        ("s://db1/%ff", "isn't UTF-8", "url"),
        ("s://db1?lazy", "without a name or a value, number 1", "url"),
        ("s://db1?a=1&=2", "without a name or a value, number 2", "url"),
        ("s://db1?a=1&a=2", "'a' twice", "a"),
        ("s://db1?port=9042", "elsewhere in the URL: scylla://db1:9142", "port"),
        ("s://db1?password=x", "elsewhere in the URL", "password"),
        ("s://db1?lazy=maybe", "lazy='maybe' can't be used", "lazy"),
        ("s://db1?request_timeout=soon", "request_timeout='soon' can't be used", "request_timeout"),
        ("s://db1?profiles.timeout=5", "profiles.NAME.OPTION=value", "profiles.timeout"),
    ],
)
def test_refused(url: Any, said: str, option: str) -> None:
    """What can't be read is refused, with the part that is wrong and how to write it."""
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert said in str(caught.value)
    assert caught.value.hint
    assert caught.value.option == option


# --- no password in any error -----------------------------------------------------------

MARK = "hunter2"

#: What may go wrong around a password: characters that separate parts, and escapes that are none.
AROUND = st.text(st.sampled_from("@/?#%:&=,[]+ \\\"'\n0aé\ufffd"), max_size=6)


def everything_in(error: BaseException | None) -> str:
    """Return all that a log could print of an error: itself, its attributes, what it came from."""
    found = []
    while error is not None:
        found += [str(error), repr(error), repr(vars(error)), repr(error.args)]
        found += traceback.format_exception(type(error), error, error.__traceback__)
        error = error.__cause__ or error.__context__
    # The source lines of this module are in a traceback, too.
    return "\n".join(line for line in found if "MARK" not in line)


@given(
    before=AROUND,
    after=AROUND,
    rest=st.sampled_from(["", "/ks", "/ks?lazy=x", "?port=1", ":x", ",,", "/a/b"]),
)
@example(before="", after="", rest="?request_timeout=soon")
@example(before="%", after="", rest="")
@example(before="a@", after="/x", rest="")
@example(before="", after="", rest=":9042:1")
def test_a_password_is_in_no_error(before: str, after: str, rest: str) -> None:
    """However a URL is broken, around the password or elsewhere, no piece of the password is told."""
    password = f"{before}{MARK}{after}"
    for written in (password, quote(password, safe="")):
        url = f"scylla://ada:{written}@db1{rest}"
        try:
            parts = parse_url(url)
            arguments = {k: v for k, v in parts.arguments.items() if k not in ("lazy", "name")}
            config = build_config(**arguments, **parts.own)
            told = repr(config) + repr(parts)
        except CoodieError as error:
            told = everything_in(error)
        assert MARK not in told


@given(password=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd")))
def test_any_password_arrives(password: str) -> None:
    """Percent-encoded, any password arrives as it is."""
    url = f"scylla://ada:{quote(password, safe='')}@db1"
    assert parse_url(url).arguments["password"] == password


# --- connecting -------------------------------------------------------------------------


async def opened(url: str, *, is_async: bool, **options: Any) -> Any:
    """Connect either way."""
    return await coodie.connect_async(url, **options) if is_async else coodie.connect(url, **options)


async def test_connect(registry: DriverRegistry, memory: Backend, is_async: bool) -> None:
    """The URL's options reach the backend, and the driver is registered under its name."""
    url = "memory://ada:secret@db1:9142/shop?name=main&consistency=one&colour=blue"
    driver = await opened(url, is_async=is_async)
    (config,) = memory.attempts
    assert (config.hosts, config.port, config.keyspace, config.consistency) == (("db1",), 9142, "shop", "ONE")
    assert (config.username, config.password) == ("ada", "secret")
    assert config.options == {"colour": "blue"}
    assert registry.get("main") is driver


async def test_connect_lazily_with_an_object(
    registry: DriverRegistry, memory: Backend, is_async: bool
) -> None:
    """lazy=true connects at the first request; what no URL can hold is given beside it."""
    policy = object()
    driver = await opened(
        "memory://db1?lazy=true", is_async=is_async, speculative_execution_policy=policy, name="later"
    )
    assert isinstance(driver, LazyDriver)
    assert memory.attempts == []
    driver.execute("SELECT", [])
    assert memory.attempts[0].speculative_execution_policy is policy


async def test_nothing_is_given_twice(registry: DriverRegistry, is_async: bool) -> None:
    """An option in the URL and beside it is refused: neither is dropped in silence."""
    for url in ("memory://db1?consistency=one", "memory://db1?colour=blue"):
        name = "colour" if "colour" in url else "consistency"
        with pytest.raises(ConfigurationError, match="is set in the URL and") as caught:
            await opened(url, is_async=is_async, **{name: "all"})
        assert caught.value.option == name


async def test_the_pin(registry: DriverRegistry, memory: Backend, is_async: bool) -> None:
    """?distribution= is the pin that driver_type has behind an @: no other's backend is opened."""
    await opened("memory://?distribution=dist-memory", is_async=is_async)
    with pytest.raises(DriverLoadError, match="dist-other"):
        await opened("memory://?distribution=dist-other", is_async=is_async)
    assert len(memory.attempts) == 1


class Typed(Backend):
    """A backend with options of several types."""

    @hookimpl
    def coodie_describe_driver(self) -> DriverDescription:
        """Take them."""
        kinds = {"node": "str", "wait": "seconds", "loud": "bool", "token": "secret", "level": "in words"}
        options = tuple(OptionDescription(name=n, type=t, secret=n == "token") for n, t in kinds.items())
        return DriverDescription(summary="typed", options=options)


async def test_a_backends_own_options_have_its_types(is_async: bool) -> None:
    """Text becomes what the backend says that the option is: a str of digits stays one."""
    backend = Typed()
    with using_registry(registry_of(typed=backend)):
        await opened("typed://?node=5&wait=0.5&loud=yes&token=7&level=7", is_async=is_async)
        assert backend.attempts[0].options == {
            "node": "5",
            "wait": 0.5,
            "loud": True,
            "token": "7",
            "level": 7,
        }
        with pytest.raises(ConfigurationError, match=r"no option 'nodes'\. Did you mean 'node'"):
            await opened("typed://?nodes=5", is_async=is_async)
