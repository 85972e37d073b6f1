"""Small packages with backends, good ones and ones that are broken in each way, as authors write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PACKAGES", "Package"]

#: A backend that works: its driver answers each request with its own name.
GOOD = '''
"""The hooks of a backend made of memory."""

from coodie import Rows
from coodie.drivers import AbstractDriver
from coodie.plugins import Capability, DriverDescription, OptionDescription, hookimpl


class MemoryDriver(AbstractDriver):
    """Answer with one row, whatever is asked."""

    capabilities = frozenset({Capability.PAGING, Capability.NATIVE_ASYNC})

    def execute(
        self, stmt, params, consistency=None, timeout=None, fetch_size=None, paging_state=None, **kwargs
    ):
        return Rows([{"owner": __name__}])

    async def execute_async(self, stmt, params, *args, **kwargs):
        return self.execute(stmt, params)

    def sync_table(self, *args, **kwargs):
        return []

    async def sync_table_async(self, *args, **kwargs):
        return []

    def close(self):
        pass

    async def close_async(self):
        pass


@hookimpl
def coodie_describe_driver():
    return DriverDescription(
        summary="in memory",
        options=(OptionDescription(name="colour", type="str"),),
        capabilities=MemoryDriver.capabilities,
    )


@hookimpl
def coodie_open_driver(config):
    return MemoryDriver()


@hookimpl
def coodie_inspect_driver(driver):
    return {"reactor": "none", "connected": "yes" if driver else "no"}
'''

NEEDY = GOOD.replace('summary="in memory"', 'summary="in memory", needs=("acme-client",)')

HOOKLESS = '''
"""Has the functions, and forgets to mark them."""


def coodie_open_driver(config):
    return None
'''

MISNAMED = GOOD.replace("def coodie_open_driver(config)", "def coodie_open_a_driver(config)")

NO_DRIVER = GOOD.replace("return MemoryDriver()", "return object()")

#: Notes down that it was imported, for whoever wants to know that it wasn't.
NOTED = "import os; open(os.environ['NOTES'], 'a').write('PACKAGE\\n') if 'NOTES' in os.environ else None\n"


@dataclass(frozen=True)
class Package:
    """One distribution.

    Args:
        name: Its name.
        source: Its module of hooks.
        driver_type: What it announces.
        version: Its own version.
        api: The group that declares its version of the contract; "" for none.
        requires: Its dependencies.
    """

    name: str
    source: str
    driver_type: str
    version: str = "1.0"
    api: str = "coodie.driver_api.1"
    requires: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Its import name."""
        return self.name.replace("-", "_")

    def write(self, directory: Path) -> None:
        """Write its project as it would stand in a repository."""
        package = directory / "src" / self.module
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(NOTED.replace("PACKAGE", self.name), encoding="utf-8")
        (package / "plugin.py").write_text(self.source, encoding="utf-8")
        announced = f'{self.driver_type} = "{self.module}.plugin"\n'
        text = (
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n'
            f'[project]\nname = "{self.name}"\nversion = "{self.version}"\n'
            f"dependencies = {list(self.requires)!r}\n\n"
            f'[project.entry-points."coodie.drivers"]\n{announced}\n'
        )
        if self.api:
            text += f'[project.entry-points."{self.api}"]\n{announced}\n'
        text += f'[tool.hatch.build.targets.wheel]\npackages = ["src/{self.module}"]\n'
        (directory / "pyproject.toml").write_text(text, encoding="utf-8")


_ALL = (
    Package("acme-good", GOOD, "acme"),
    Package("acme-raises", "raise RuntimeError('boom')", "raises"),
    Package("acme-syntax", "def (", "syntax"),
    Package("acme-lacking", "import no_such_client", "lacking", requires=("no-such-client>=2",)),
    Package("acme-needy", NEEDY, "needy", requires=("acme-client>=3",)),
    Package("acme-old", GOOD, "old", api="coodie.driver_api.7"),
    Package("acme-silent", GOOD, "silent", api=""),
    Package("acme-hookless", HOOKLESS, "hookless"),
    Package("acme-misnamed", MISNAMED, "misnamed"),
    Package("acme-nodriver", NO_DRIVER, "nodriver"),
    Package("acme-twice", GOOD, "twice", version="1.1"),
    Package("acme-again", GOOD, "twice", version="1.2"),
    Package("acme-shut", GOOD, "shut"),
    Package("acme-hangs", "import time; time.sleep(600)", "hangs"),
    Package("acme-exits", "import sys; sys.exit(3)", "exits"),
    Package("acme-dies", "import os; print('about to die', flush=True); os._exit(7)", "dies"),
    Package("acme-noisy", "print('{}'); import sys; sys.stderr.write('noise')\n" + GOOD, "noisy"),
    Package("acme-rival", GOOD, "scylla"),
    Package("acme-client", "", "client", api="", version="2.0"),
)

#: Name → package.
PACKAGES = {package.name: package for package in _ALL}
