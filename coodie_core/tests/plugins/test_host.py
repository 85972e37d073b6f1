"""Backends that are loaded, checked and called."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.distributions import Site, announcing
from coodie_core.tests.fakes import (
    PATIENCE,
    AsyncBackend,
    Backend,
    DuckDriver,
    LoopWatch,
    MemoryDriver,
    host_of,
    run_threads,
    wait_until_async,
)

from coodie.config import build_config
from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    CoodieError,
    DriverDependencyError,
    DriverImportError,
    DriverLoadError,
    DriverNotFoundError,
    NotADriverError,
)
from coodie.plugins import ConnectionConfig, DriverDescription, OptionDescription, hookimpl
from coodie.plugins.host import DRIVER_METHODS, PluginHost, missing_methods

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("no_thread_left")

#: A backend as a third party writes it: a module with the one hook that must be.
MODULE = """
from coodie.plugins import hookimpl
from coodie_core.tests.fakes import MemoryDriver

@hookimpl
def coodie_open_driver(config):
    return MemoryDriver()
"""


@pytest.fixture
def on_path(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site-packages directory whose modules can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(site.path))
    before = set(sys.modules)
    yield site
    for name in set(sys.modules) - before:
        if str(site.path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def host_with(site: Site, source: str, value: str = "acme_plugin") -> PluginHost:
    """Install a backend made of this source under the driver_type ``acme``."""
    site.install("acme-db", "2.0", entry_points=announcing("acme", value), files={"acme_plugin.py": source})
    return PluginHost(site.index())


def config_for(driver_type: str = "acme", **options: Any) -> ConnectionConfig:
    """Return a configuration for that backend."""
    return build_config(driver_type=driver_type, **options)


# --- loading ----------------------------------------------------------------------------


def test_only_the_named_backend_is_imported(on_path: Site) -> None:
    """Opening one backend imports its module and no other's."""
    on_path.install(
        "other-db", entry_points=announcing("other", "other_plugin"), files={"other_plugin.py": MODULE}
    )
    host = host_with(on_path, MODULE)
    host.index.announcements()
    assert "acme_plugin" not in sys.modules
    assert isinstance(host.open(config_for()), MemoryDriver)
    assert "acme_plugin" in sys.modules
    assert "other_plugin" not in sys.modules


def test_loaded_once(on_path: Site) -> None:
    """However many threads name a backend first, its module is executed once."""
    host = host_with(on_path, MODULE + "\nimport acme_count; acme_count.loads.append(1)\n")
    (on_path.path / "acme_count.py").write_text("loads = []\n", encoding="utf-8")
    outcomes = run_threads(16, lambda _: host.open(config_for()))
    assert all(isinstance(outcome, MemoryDriver) for outcome in outcomes)
    assert len(set(map(id, outcomes))) == 16
    del sys.modules["acme_plugin"]
    host.open(config_for())
    assert sys.modules["acme_count"].loads == [1]


def test_an_object_of_a_module(on_path: Site) -> None:
    """The entry point may name an object in the module, also one that can't be hashed."""
    source = """
from coodie_core.tests.fakes import Backend

class Unhashable(Backend):
    __hash__ = None

    def __eq__(self, other):
        return True

plugin = Unhashable()
"""
    host = host_with(on_path, source, "acme_plugin:plugin")
    assert isinstance(host.open(config_for()), MemoryDriver)


def test_one_module_under_two_names(on_path: Site) -> None:
    """One module may be announced under several driver_types; the configuration says which."""
    source = MODULE + "\nfrom coodie_core.tests.fakes import Backend\nplugin = Backend()\n"
    points = {
        group: {"acme": "acme_plugin:plugin", "acme2": "acme_plugin:plugin"} for group in announcing("x", "y")
    }
    on_path.install("acme-db", entry_points=points, files={"acme_plugin.py": source})
    host = PluginHost(on_path.index())
    for name in ("acme", "acme2"):
        host.open(config_for(name))
    attempts = sys.modules["acme_plugin"].plugin.attempts
    assert [config.driver_type for config in attempts] == ["acme", "acme2"]


def test_not_installed(site: Site) -> None:
    """A name that nobody announces is not found."""
    with pytest.raises(DriverNotFoundError):
        PluginHost(site.index()).open(config_for())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('boom')", "RuntimeError: boom"),
        ("def (", "SyntaxError"),
        ("from json import no_such_name", "no_such_name"),
        ("import acme_plugin.missing", "no module 'acme_plugin.missing'"),
    ],
)
def test_import_fails(on_path: Site, source: str, said: str) -> None:
    """A module that raises while it is imported is named with its distribution; the cause is kept."""
    with pytest.raises(DriverImportError, match=r"acme-db 2\.0") as caught:
        host_with(on_path, source).open(config_for())
    assert said in str(caught.value)
    assert str(caught.value).endswith("Run: pip install --force-reinstall acme-db")
    assert caught.value.__cause__ is not None
    assert (caught.value.driver_type, caught.value.distribution) == ("acme", "acme-db")


@pytest.mark.parametrize("value", ["acme_missing", "acme_plugin:missing"])
def test_entry_point_leads_nowhere(on_path: Site, value: str) -> None:
    """An entry point that names what isn't there is the distribution's fault."""
    with pytest.raises(DriverImportError, match=r"acme-db 2\.0"):
        host_with(on_path, MODULE, value).open(config_for())


def test_entry_point_that_is_none(on_path: Site) -> None:
    """One that isn't even a name is refused: by some versions of importlib-metadata while it is read."""
    with pytest.raises((DriverNotFoundError, DriverImportError)):
        host_with(on_path, MODULE, "not a module!").open(config_for())


def test_dependency_missing(on_path: Site) -> None:
    """A module that the backend needs and that isn't installed is named."""
    with pytest.raises(
        DriverDependencyError, match=r"acme-db 2\.0 needs the module 'no_such.*pip install"
    ) as caught:
        host_with(on_path, "import no_such_dependency.of.acme").open(config_for())
    assert caught.value.missing == "no_such_dependency"
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_error_of_ours_while_importing(on_path: Site) -> None:
    """A CoodieError that the module raises comes through as it is."""
    source = "from coodie.exceptions import OverwrittenModuleError\nraise OverwrittenModuleError('mixed')"
    with pytest.raises(CoodieError, match=r"^mixed$"):
        host_with(on_path, source).open(config_for())


@pytest.mark.parametrize(
    ("source", "value", "said"),
    [
        ("", "acme_plugin", "implements no hook coodie_open_driver"),
        ("def coodie_open_driver(config): ...", "acme_plugin", "marked with coodie.plugins.hookimpl"),
        ("plugin = 5", "acme_plugin:plugin", "implements no hook"),
        ("plugin = None", "acme_plugin:plugin", "implements no hook"),
        (MODULE.replace("coodie_open_driver", "coodie_open_drivers"), "acme_plugin", "unknown hook"),
        (MODULE.replace("(config)", "(settings)"), "acme_plugin", "settings"),
    ],
)
def test_not_a_plugin(on_path: Site, source: str, value: str, said: str) -> None:
    """What doesn't implement the hooks as specified is refused, and whose it is is said."""
    with pytest.raises(NotADriverError, match="authors of acme-db") as caught:
        host_with(on_path, source, value).open(config_for())
    assert said in str(caught.value)
    assert isinstance(caught.value, TypeError)
    assert caught.value.distribution == "acme-db"


def test_a_broken_backend_leaves_the_others_alone(on_path: Site) -> None:
    """After a backend failed to load, another loads and opens as if nothing had been."""
    for name, source in {
        "raises": "raise RuntimeError",
        "hookless": "",
        "unknown": MODULE.replace("coodie_open_driver", "coodie_open_drivers"),
    }.items():
        on_path.install(
            name, entry_points=announcing(name, f"{name}_plugin"), files={f"{name}_plugin.py": source}
        )
    host = host_with(on_path, MODULE)
    for name in ("raises", "hookless", "unknown", "raises"):
        with pytest.raises(DriverLoadError):
            host.open(config_for(name))
    assert isinstance(host.open(config_for()), MemoryDriver)


def test_mended_while_running(on_path: Site) -> None:
    """A backend that failed to load is tried anew: what was missing may be there now."""
    host = host_with(on_path, "import acme_dependency\n" + MODULE)
    with pytest.raises(DriverDependencyError):
        host.open(config_for())
    (on_path.path / "acme_dependency.py").write_text("", encoding="utf-8")
    # The finders keep a directory's listing for as long as its time stamp stays.
    sys.path_importer_cache.clear()
    assert isinstance(host.open(config_for()), MemoryDriver)


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
    with pytest.raises(ConfigurationError, match="driver_type='acme' can't honour port=") as caught:
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
    """A backend that describes nothing takes every field and no option of its own."""

    class Plain:
        @hookimpl
        def coodie_open_driver(self, config: ConnectionConfig) -> Any:
            return MemoryDriver()

    host = host_of(acme=Plain())
    host.check(config_for(hosts=["a"], port=1, compression="lz4"))
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


# --- opening ------------------------------------------------------------------------------


async def opened(host: PluginHost, *, is_async: bool) -> Any:
    """Open the backend ``acme`` one way or the other."""
    return await host.open_async(config_for()) if is_async else host.open(config_for())


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
