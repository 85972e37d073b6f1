"""Backends that are checked and called."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.distributions import MODULE, Site, announcing, config_for, host_with
from coodie_core.tests.fakes import (
    PATIENCE,
    AsyncBackend,
    Backend,
    DuckDriver,
    LoopWatch,
    MemoryDriver,
    host_of,
    wait_until_async,
)

from coodie.codecs import Codec, ip_address_codec
from coodie.contract.driver_like import DRIVER_METHODS, missing_methods
from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    CoodieError,
    DriverDependencyError,
    DriverImportError,
    DriverLoadError,
    NotADriverError,
)
from coodie.plugins import ConnectionConfig, DriverDescription, OptionDescription, hookimpl

if TYPE_CHECKING:
    from coodie.plugins.host import PluginHost

pytestmark = pytest.mark.usefixtures("no_thread_left")

# --- checking -----------------------------------------------------------------------------


class Picky(Backend):
    """Takes two options of its own and two fields."""

    @hookimpl
    def coodie_describe_driver(self) -> DriverDescription:
        """Describe it."""
        return DriverDescription(
            summary="picky",
            options=(OptionDescription(name="colour"), OptionDescription(name="wrap_width", type="int")),
            connection_fields=frozenset({"hosts", "keyspace"}),
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"color": 1}, "Did you mean 'colour'?"),
        ({"wrapwidth": 1}, "Did you mean 'wrap_width'?"),
        ({"keyspaces": 1}, "Did you mean 'keyspace'?"),
        ({"metrics_enabled": 1}, "It takes colour, wrap_width."),
        ({"metrics_enabled": None}, "It takes colour, wrap_width."),
    ],
)
def test_unknown_option(options: dict[str, Any], said: str) -> None:
    """An option that the backend doesn't know is refused with the nearest that it does, or with all."""
    with pytest.raises(ConfigurationError) as caught:
        host_of(acme=Picky()).check(config_for(**options))
    assert caught.value.option == next(iter(options))
    assert "driver_type='acme' has no option" in str(caught.value)
    assert said in str(caught.value)


def test_mistyped_tls_option() -> None:
    """A slip in an ssl_… option is recognised, too."""
    with pytest.raises(ConfigurationError, match="Did you mean 'ssl_trusted_cert'"):
        host_of(acme=Backend()).check(config_for(ssl_trusted_certs="ca.pem"))


def test_field_that_cannot_be_honoured() -> None:
    """A field of the configuration that the backend doesn't take is refused in its name."""
    with pytest.raises(ConfigurationError, match="driver_type='acme' doesn't support port=") as caught:
        host_of(acme=Picky()).check(config_for(hosts=["a"], port=9042))
    assert caught.value.option == "port"
    assert "hosts, keyspace" in str(caught.value)


def test_what_it_takes() -> None:
    """What the backend describes comes through, and reaches it with the configuration."""
    backend = Picky()
    host = host_of(acme=backend)
    config = config_for(hosts=["a"], keyspace="k", colour="blue")
    host.open(config)
    assert backend.attempts == [config]


class Coded(Backend):
    """Has codecs, and an option for others."""

    options: tuple[OptionDescription, ...] = (OptionDescription(name="codecs", type="codecs"),)

    @hookimpl
    def coodie_describe_driver(self) -> DriverDescription:
        """Describe it."""
        return DriverDescription(summary="coded", options=self.options)

    @hookimpl
    def coodie_codecs(self) -> list[Codec]:
        """Convert addresses, and texts to bytes."""
        return [ip_address_codec(), Codec("text", bytes, bytes.decode, str.encode)]


async def test_codecs_of_a_backend(is_async: bool) -> None:
    """They are added to those of the option, which come first; the option is checked before connecting."""
    backend, given = Coded(), Codec("text", bytes, bytes.hex, bytes.fromhex)
    await opened(host_of(acme=backend), codecs=[given], is_async=is_async)
    await opened(host_of(acme=backend), is_async=is_async)
    first, second = [[*config.options["codecs"]] for config in backend.attempts]
    assert first == [given, ip_address_codec()]
    assert [codec.cql_type for codec in second] == ["inet", "text"]
    with pytest.raises(ConfigurationError, match="codecs: 5 can't be used"):
        await opened(host_of(acme=backend), codecs=5, is_async=is_async)
    backend.options = ()
    with pytest.raises(NotADriverError, match="implements coodie_codecs, but has no option codecs"):
        await opened(host_of(acme=backend), is_async=is_async)


def test_its_own_check() -> None:
    """The backend's check runs before anything is opened."""
    backend = Backend()
    with pytest.raises(ConfigurationError, match="colour='grey'"):
        host_of(acme=backend).open(config_for(colour="grey"))
    assert backend.attempts == []


def test_check_opens_nothing() -> None:
    """check() alone connects to nothing."""
    backend = Backend()
    host_of(acme=backend).check(config_for(hosts=["a"]))
    assert backend.attempts == []


def test_without_a_description() -> None:
    """A backend that describes nothing takes what every backend takes, and no option of its own."""

    class Plain:
        @hookimpl
        def coodie_open_driver(self, config: ConnectionConfig) -> Any:
            return MemoryDriver()

    host = host_of(acme=Plain())
    host.check(config_for(hosts=["a"], port=1, compression=False))
    with pytest.raises(ConfigurationError, match="support compression"):
        host.check(config_for(hosts=["a"], compression="lz4"))
    with pytest.raises(ConfigurationError, match="It takes none"):
        host.check(config_for(metrics_enabled=True))


def test_description_of_the_wrong_type() -> None:
    """A description that is none is the backend's fault."""

    class Wrong(Backend):
        @hookimpl
        def coodie_describe_driver(self) -> Any:
            return {"summary": "a dict"}

    with pytest.raises(NotADriverError, match="returned a dict, not a DriverDescription"):
        host_of(acme=Wrong()).check(config_for())


@pytest.mark.parametrize(
    "given", [{}, {"driver_type": "acme"}, {"driver_type": "acme", "distribution": "mine"}]
)
async def test_errors_of_a_hook_name_the_backend(given: dict[str, str], is_async: bool) -> None:
    """A load error that a hook raises has the backend and its distribution, unless the hook gave them."""

    class Missing(Backend):
        @hookimpl
        def coodie_open_driver(self, config: ConnectionConfig) -> Any:
            raise DriverLoadError("The client library isn't there.", **given)

    host = host_of(acme=Missing())
    with pytest.raises(DriverLoadError, match="isn't there") as caught:
        await opened(host, is_async=is_async)
    (entry,) = host.entry_points()
    expected = given.get("distribution", entry.distribution)
    assert (caught.value.driver_type, caught.value.distribution) == ("acme", expected)


# --- opening ------------------------------------------------------------------------------


async def opened(host: PluginHost, *, is_async: bool, **options: Any) -> Any:
    """Open the backend ``acme`` one way or the other."""
    config = config_for(**options)
    return await host.open_async(config) if is_async else host.open(config)


async def test_open(is_async: bool) -> None:
    """The driver that the backend opens is what comes back."""
    backend = Backend()
    assert await opened(host_of(acme=backend), is_async=is_async) is backend.driver


async def test_open_natively_async() -> None:
    """An async hook is awaited on the loop, and the sync one isn't used."""
    backend = AsyncBackend()
    assert await opened(host_of(acme=backend), is_async=True) is backend.driver
    assert backend.threads == {threading.current_thread().name}


class Half:
    """Not quite a driver."""

    execute = close = sync_table = print


@pytest.mark.parametrize("made", [lambda: None, lambda: 5, Half])
@pytest.mark.parametrize("kind", [Backend, AsyncBackend])
async def test_opens_no_driver(kind: type[Backend], made: Any) -> None:
    """A backend that opens something else than a driver is refused with what it lacks."""
    with pytest.raises(NotADriverError, match="driver_type='acme' opened a") as caught:
        await opened(host_of(acme=kind(made)), is_async=True)
    assert caught.value.missing == missing_methods(made())
    assert "execute_async" in caught.value.missing


def test_missing_methods() -> None:
    """Six callables make a driver; the names of those that lack are told in order."""
    assert missing_methods(DuckDriver()) == ()
    assert missing_methods(object()) == DRIVER_METHODS
    assert missing_methods(Half()) == ("execute_async", "sync_table_async", "close_async")


@pytest.mark.parametrize(
    ("raised", "becomes", "builtin"),
    [
        (ConnectionRefusedError("no"), ConnectionFailedError, ConnectionError),
        (TimeoutError("no"), ConnectionFailedError, ConnectionError),
        (KeyError("no"), DriverLoadError, ImportError),
        (ModuleNotFoundError("No module named 'geo'", name="geo"), DriverDependencyError, ImportError),
        (ImportError("half"), DriverImportError, ImportError),
    ],
)
@pytest.mark.parametrize("kind", [Backend, AsyncBackend])
async def test_opening_raises_something_else(
    kind: type[Backend], raised: Exception, becomes: type[CoodieError], builtin: type[Exception]
) -> None:
    """Whatever a backend lets through comes as one of our errors, with its own as the cause."""
    backend = kind()
    backend.failures = [raised]
    with pytest.raises(becomes) as caught:
        await opened(host_of(acme=backend), is_async=True)
    assert type(caught.value) is becomes
    assert isinstance(caught.value, builtin)
    assert caught.value.__cause__ is raised


class SpeechlessError(Exception):
    """Has no words."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (SystemExit(3), "raised SystemExit: 3."),
        (SpeechlessError(), "raised SpeechlessError: (no text: RuntimeError)."),
        (KeyError("\x1b[2J"), "raised KeyError: "),
        (ValueError("a\x1b]0;b\x07\u202ec\npip install me"), r"a\x1b]0;b\x07\u202ec pip install me."),
    ],
)
@pytest.mark.parametrize("kind", [Backend, AsyncBackend])
async def test_opening_raises_what_is_hard_to_tell(
    kind: type[Backend], raised: BaseException, said: str, is_async: bool
) -> None:
    """It ends no program, and comes as one of our errors, with words that a terminal may have."""
    backend = kind()
    backend.failures = [raised]  # type: ignore[list-item]  # one of them is no Exception
    with pytest.raises(DriverLoadError) as caught:
        await opened(host_of(acme=backend), is_async=is_async)
    assert said in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize("hook", ["coodie_describe_driver", "coodie_check_config", "coodie_inspect_driver"])
def test_other_hooks_raise_what_is_hard_to_tell(hook: str) -> None:
    """So does what the other hooks raise."""

    class Wrong(Backend):
        pass

    def fail(self: Any) -> Any:
        raise errors.pop()

    errors: list[BaseException] = [SystemExit(3), SpeechlessError()]
    setattr(Wrong, hook, hookimpl(fail))
    host = host_of(acme=Wrong())
    for said in ("SpeechlessError: ", "SystemExit: 3"):
        with pytest.raises(DriverLoadError, match=f"{hook} of dist-acme 1.0 raised {said}"):
            host.inspect(config_for(), None) if "inspect" in hook else host.check(config_for())


def test_a_signal_ends_the_program() -> None:
    """A handler that exits on SIGTERM isn't the backend's: while a backend connects, it is let through."""

    class Slow(Backend):
        @hookimpl
        def coodie_open_driver(self, config: ConnectionConfig) -> Any:
            signal.raise_signal(signal.SIGTERM)

    def end(number: int, frame: object) -> None:
        sys.exit(3)

    before = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(SystemExit):
            host_of(acme=Slow()).open(config_for())
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_opening_raises_one_of_ours(is_async: bool) -> None:
    """A CoodieError of the backend comes through as it is."""
    backend = Backend()
    error = ConnectionFailedError("no", hosts={"a": "refused"})
    backend.failures = [error]
    with pytest.raises(ConnectionFailedError) as caught:
        await opened(host_of(acme=backend), is_async=is_async)
    assert caught.value is error


@pytest.mark.parametrize("hook", ["coodie_describe_driver", "coodie_check_config"])
def test_checking_raises_something_else(hook: str) -> None:
    """An error in the other hooks is one of ours, too, and names the hook and the distribution."""

    class Wrong(Backend):
        pass

    def fail(self: Any) -> Any:
        raise OSError("disk")

    setattr(Wrong, hook, hookimpl(fail))
    with pytest.raises(DriverLoadError, match=rf"{hook} of dist-acme 1\.0 raised OSError: disk"):
        host_of(acme=Wrong()).check(config_for())


async def test_hooks_of_one_never_reach_another(is_async: bool) -> None:
    """While one backend opens, others may load and open; each gets its own configuration."""
    slow, quick = Backend(), Backend()
    host = host_of(acme=slow, quick=quick)
    slow.gate.clear()
    opening = asyncio.ensure_future(host.open_async(config_for()))
    await wait_until_async(slow.begun.is_set)
    await asyncio.wait_for(host.open_async(config_for("quick")), PATIENCE)
    slow.gate.set()
    await opening
    assert [c.driver_type for c in slow.attempts] == ["acme"]
    assert [c.driver_type for c in quick.attempts] == ["quick"]


# --- not blocking the loop --------------------------------------------------------------------


async def test_slow_import_and_slow_connect(on_path: Site) -> None:
    """Neither the import of a backend nor its connect keeps the loop from other tasks."""
    source = "import time\ntime.sleep(0.3)\n" + MODULE.replace(
        "    return", "    time.sleep(0.3)\n    return"
    )
    host = host_with(on_path, source)
    async with LoopWatch() as watch:
        await host.open_async(config_for())
    assert watch.longest_stall < 0.25


async def test_own_thread(quiet_loop: list[Any]) -> None:
    """Connecting runs in a thread of ours, not in the loop's default executor."""
    backend = Backend()
    await host_of(acme=backend).open_async(config_for())
    (name,) = backend.threads
    assert name.startswith("coodie-open-acme")


async def test_loading_another_backend_blocks_no_loop(on_path: Site) -> None:
    """A natively async open isn't held up while another thread imports another backend."""
    slow_module = "import time\ntime.sleep(0.3)\n" + MODULE
    on_path.install(
        "slow-db", entry_points=announcing("slow", "slow_plugin"), files={"slow_plugin.py": slow_module}
    )
    source = "from coodie_core.tests.fakes import AsyncBackend\nplugin = AsyncBackend()\n"
    host = host_with(on_path, source, "acme_plugin:plugin")
    host.check(config_for())
    async with LoopWatch() as watch:
        slow = asyncio.ensure_future(host.open_async(config_for("slow")))
        await asyncio.sleep(0.05)
        await host.open_async(config_for())
        await slow
    assert watch.longest_stall < 0.25


async def test_cancelled_connect(quiet_loop: list[Any]) -> None:
    """A cancelled connect returns at once; the driver that comes late is closed."""
    backend = Backend()
    backend.gate.clear()
    opening = asyncio.ensure_future(host_of(acme=backend).open_async(config_for()))
    await wait_until_async(backend.begun.is_set)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(opening, 1)
    assert backend.opened == []
    backend.gate.set()
    await wait_until_async(lambda: backend.opened and backend.driver.closings == 1)


async def test_cancelled_connect_natively_async(quiet_loop: list[Any]) -> None:
    """A native async connect is cancelled where it waits."""
    backend = AsyncBackend()
    backend.gate.clear()
    opening = asyncio.ensure_future(host_of(acme=backend).open_async(config_for()))
    await wait_until_async(backend.begun.is_set)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert backend.opened == []
