"""What an import of coodie brings with it: little."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

#: What must not come in with ``import coodie``: drivers, whatever scans metadata, and what is slow to import.
HEAVY = (
    "asyncio",
    "base64",
    "cassandra",
    "click",
    "coodie.config.configuration",
    "coodie.config.loading",
    "coodie.config.settings",
    "coodie.config.url",
    "coodie.options.connection",
    "coodie.options.profiles",
    "coodie.paging",
    "coodie.plugins",
    "coodie.drivers.cassandra",
    "coodie.registry.lazy",
    "coodie.observers.events",
    "coodie.observers.active_request",
    "coodie.types",
    "coodie_cassandra",
    "coodie_doctor.examination",
    "coodie_doctor.findings",
    "coodie_local",
    "coodie_scylla",
    "csv",
    "datetime",
    "difflib",
    "email",
    "hashlib",
    "importlib.metadata",
    "importlib_metadata",
    "json",
    "pathlib",
    "platform",
    "pluggy",
    "pydantic",
    "rich",
    "ssl",
    "tempfile",
)


def run(code: str, *, blocking: tuple[str, ...] = ()) -> Any:
    """Run code in a fresh interpreter, some modules of which are missing; return the JSON it prints."""
    prelude = f"import sys\nfor name in {blocking!r}: sys.modules[name] = None\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", prelude + code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def loaded_after(code: str) -> set[str]:
    """Return the names of the modules that the code brings in."""
    return set(
        run(
            f"before = set(sys.modules)\n{code}\nloaded = sorted(set(sys.modules) - before)\n"
            "import json\nprint(json.dumps(loaded))"
        )
    )


@pytest.mark.parametrize("module", ["coodie", "coodie.drivers"])
def test_light(module: str) -> None:
    """No database driver, no plug-in machinery, no metadata and no event loop comes in with the import."""
    loaded = loaded_after(f"import {module}")
    assert "coodie.drivers" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_driver_without_the_planner() -> None:
    """Importing the driver leaves out what only programs that sync tables use."""
    loaded = loaded_after("import coodie.drivers.cassandra")
    assert {name for name in loaded if name.startswith("coodie.schema")} == {
        "coodie.schema",
        "coodie.schema.sync",
    }


@pytest.mark.parametrize(
    "module", ["coodie", "coodie.config", "coodie.drivers", "coodie.observers", "coodie.schema"]
)
def test_names_that_are_imported_late(module: str) -> None:
    """``dir`` lists the public names and no others; each can be imported, and a misspelt one can't."""
    code = f"""
import json, {module} as package
listed = sorted(set(package.__all__) ^ set(dir(package)))
lacking = [name for name in package.__all__ if not hasattr(package, name)]
from {module} import *
print(json.dumps([listed, lacking, hasattr(package, "nothing_of_the_kind")]))
"""
    assert run(code) == [[], [], False]


@pytest.mark.parametrize(
    "module",
    [
        "coodie.config",
        "coodie.cql",
        "coodie.options.tls",
        "coodie.types",
        "coodie.observers.events",
        "coodie.observers.statements",
    ],
)
def test_modules_that_are_imported_late(module: str) -> None:
    """A module that the import leaves out is there as an attribute, as those that it brings in."""
    assert run(f"import json, coodie\nprint(json.dumps({module}.__name__))") == module


def test_no_scan() -> None:
    """Importing, registering a driver and getting it back look at no installed distribution."""
    code = """
import coodie, json
class Driver:
    execute = execute_async = sync_table = sync_table_async = close = close_async = print
coodie.register_driver("one", Driver())
coodie.get_driver()
loaded = [name for name in ("importlib_metadata", "cassandra") if name in sys.modules]
from coodie.registry import current_registry
print(json.dumps([loaded, current_registry().plugins.index._found]))
"""
    assert run(code) == [[], None]


def test_class_without_its_database_driver() -> None:
    """CassandraDriver can be imported, subclassed and looked at where no database driver is installed."""
    code = """
import json
from coodie.drivers.cassandra import CassandraDriver
from coodie.drivers import AbstractDriver
class Mine(CassandraDriver): pass
print(json.dumps(issubclass(Mine, AbstractDriver)))
"""
    assert run(code, blocking=("cassandra",)) is True


def test_backend_without_its_database_driver() -> None:
    """Without any backend the error of init_coodie ends in the command that installs one."""
    code = """
import json, coodie
from importlib_metadata import distributions
from coodie.plugins.discovery import DriverIndex
from coodie.plugins.host import PluginHost
from coodie.registry import DriverRegistry, using_registry
index = DriverIndex(source=lambda **_: distributions(name="coodie-core"))
with using_registry(DriverRegistry(PluginHost(index))):
    try:
        coodie.init_coodie(["127.0.0.1"])
    except ImportError as exc:
        print(json.dumps(str(exc)))
"""
    assert run(code, blocking=("cassandra",)).endswith("\npip install ./coodie_scylla")


def test_dependencies_are_checked_without_packaging() -> None:
    """Requirements that are met need neither packaging nor a parser of all metadata."""
    code = """
import json
from coodie.config import build_config
from coodie.plugins import DriverDescription, hookimpl
from coodie.plugins.host import PluginHost

class Backend:
    @hookimpl
    def coodie_describe_driver(self):
        return DriverDescription(summary="x", needs=("coodie-core>=0.0.1,<9", "pluggy"))

    @hookimpl
    def coodie_open_driver(self, config):
        raise AssertionError

host = PluginHost()
host.register("mine", Backend())
host.check(build_config(driver_type="mine"))
print(json.dumps([name for name in ("packaging", "email.policy", "subprocess") if name in sys.modules]))
"""
    assert run(code) == []


def test_optional_modules_stay_optional() -> None:
    """Core imports where click, rich, pydantic and the test tools aren't installed."""
    assert (
        run("import json, coodie\nprint(json.dumps(1))", blocking=("click", "rich", "pydantic", "pytest"))
        == 1
    )


def test_first_async_connect_leaves_the_loop_alone() -> None:
    """In a fresh process, the imports and certificates of the first connect leave the loop alone."""
    code = """
import asyncio, json, threading, time
import coodie
from coodie.exceptions import DriverNotFoundError

where = {}

class Finder:
    def find_spec(self, name, path=None, target=None):
        where.setdefault(name, threading.current_thread() is threading.main_thread())

async def main():
    longest, before = 0.0, time.perf_counter()

    async def tick():
        nonlocal longest, before
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now

    ticking = asyncio.ensure_future(tick())
    await asyncio.sleep(0.005)
    sys.meta_path.insert(0, Finder())
    try:
        await coodie.init_coodie_async(["127.0.0.1"], driver_type="none", ssl_enabled=True)
    except DriverNotFoundError:
        pass
    ticking.cancel()
    return longest, {name: where[name] for name in ("pluggy", "importlib_metadata", "coodie.plugins")}

print(json.dumps(asyncio.run(main())))
"""
    longest, on_the_loop = run(code)
    assert on_the_loop == {"pluggy": False, "importlib_metadata": False, "coodie.plugins": False}
    assert longest < 0.25
