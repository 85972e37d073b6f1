"""Backends that are imported and checked."""

from __future__ import annotations

import sys

import pytest
from coodie_core.tests.distributions import MODULE, Site, announcing, config_for, host_with
from coodie_core.tests.fakes import MemoryDriver, run_threads

from coodie.exceptions import (
    CoodieError,
    DriverDependencyError,
    DriverImportError,
    DriverLoadError,
    DriverNotFoundError,
    NotADriverError,
)
from coodie.hooks import DRIVER_HOOKS
from coodie.plugins.hooks import DriverHooks
from coodie.plugins.host import PluginHost


def test_names_of_the_hooks() -> None:
    """The names that observers let pass are those of the specifications."""
    assert {name for name in vars(DriverHooks) if name.startswith("coodie_")} == DRIVER_HOOKS


def test_only_the_named_backend_is_imported(on_path: Site) -> None:
    """Opening one backend imports its module and no other's."""
    on_path.install(
        "other-db", entry_points=announcing("other", "other_plugin"), files={"other_plugin.py": MODULE}
    )
    host = host_with(on_path, MODULE)
    host.index.entry_points()
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
        ("raise RuntimeError('\\x1b[2J boom')", r"RuntimeError: \x1b[2J boom"),
        (
            "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E",
            "E: (no text",
        ),
        ("import acme_plugin.missing", "no module 'acme_plugin.missing'"),
    ],
)
def test_import_fails(on_path: Site, source: str, said: str) -> None:
    """A module that raises while it is imported is named with its distribution; the cause is kept."""
    with pytest.raises(DriverImportError, match=r"acme-db 2\.0") as caught:
        host_with(on_path, source).open(config_for())
    assert said in str(caught.value)
    assert str(caught.value).endswith("To reinstall it, run:\npip install --force-reinstall acme-db")
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
        DriverDependencyError, match=r"(?s)acme-db 2\.0 needs the module 'no_such.*pip install"
    ) as caught:
        host_with(on_path, "import no_such_dependency.of.acme").open(config_for())
    assert caught.value.missing == "no_such_dependency"
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_error_of_ours_while_importing(on_path: Site) -> None:
    """A CoodieError that the module raises comes through as it is."""
    source = "from coodie.exceptions import OverwrittenModuleError\nraise OverwrittenModuleError('mixed')"
    with pytest.raises(CoodieError, match=r"(?m)^mixed$"):
        host_with(on_path, source).open(config_for())


@pytest.mark.parametrize(
    ("source", "value", "said"),
    [
        ("", "acme_plugin", "doesn't implement the hook coodie_open_driver"),
        ("def coodie_open_driver(config): ...", "acme_plugin", "marked with coodie.plugins.hookimpl"),
        ("plugin = 5", "acme_plugin:plugin", "doesn't implement the hook"),
        ("plugin = None", "acme_plugin:plugin", "doesn't implement the hook"),
        (MODULE.replace("coodie_open_driver", "coodie_open_drivers"), "acme_plugin", "unknown hook"),
        (MODULE.replace("(config)", "(settings)"), "acme_plugin", "settings"),
    ],
)
def test_not_a_plugin(on_path: Site, source: str, value: str, said: str) -> None:
    """What doesn't implement the hooks as specified is refused, and whose it is is said."""
    with pytest.raises(NotADriverError, match="authors of acme-db") as caught:
        host_with(on_path, source, value).open(config_for())
    assert str(caught.value).endswith("\npip install --upgrade acme-db")
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
    assert isinstance(host.failures()["acme"], DriverDependencyError)
    (on_path.path / "acme_dependency.py").write_text("", encoding="utf-8")
    # The finders keep a directory's listing for as long as its time stamp stays.
    sys.path_importer_cache.clear()
    assert isinstance(host.open(config_for()), MemoryDriver)
    assert host.failures() == {}


def test_what_failed_before_is_told_as_broken(on_path: Site) -> None:
    """Who asks for a name that isn't there hears of those that failed to load in this process."""
    host = host_with(on_path, "raise RuntimeError")
    with pytest.raises(DriverImportError):
        host.open(config_for())
    with pytest.raises(DriverNotFoundError) as caught:
        host.open(config_for("acmee"))
    assert (caught.value.installed, caught.value.broken) == ((), ("acme",))


@pytest.mark.parametrize(
    "way_out", ["sys.exit(3)", "raise SystemExit", "class E(BaseException): ...\nraise E"]
)
def test_a_module_that_ends_the_program(on_path: Site, way_out: str) -> None:
    """A plug-in that calls sys.exit() while it is imported is broken; the application lives on."""
    with pytest.raises(DriverImportError, match="raised"):
        host_with(on_path, f"import sys\n{way_out}").open(config_for())


def test_ctrl_c_while_importing(on_path: Site) -> None:
    """An interrupt during a plug-in's import is the user's, not the plug-in's."""
    with pytest.raises(KeyboardInterrupt):
        host_with(on_path, "raise KeyboardInterrupt").open(config_for())


@pytest.mark.parametrize(
    ("module", "requires", "missing", "command"),
    [
        ("no_such_db", "No.Such-DB>=2", "No.Such-DB", "pip install 'No.Such-DB>=2'"),
        ("other", "no-such-db", "no-such-db", "pip install no-such-db"),
        (
            "other_name",
            "no-such-db ; python_version < '3'",
            "other_name",
            "pip install --force-reinstall acme-db",
        ),
        ("other_name", "no-such-db ; extra == 'fast'", "other_name", "pip install --force-reinstall acme-db"),
    ],
)
def test_the_distribution_of_a_missing_module(
    on_path: Site, module: str, requires: str, missing: str, command: str
) -> None:
    """The backend's own metadata tells which distribution a missing module comes with."""
    host = host_with(on_path, f"import {module}")
    (on_path.path / "acme_db-2.0.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: acme-db\nVersion: 2.0\nRequires-Dist: {requires}\n", encoding="utf-8"
    )
    with pytest.raises(DriverDependencyError) as caught:
        host.open(config_for())
    assert caught.value.missing == missing
    assert str(caught.value).splitlines()[-1] == command
