"""What the last line of an error says, run as it stands, in environments that pip made."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugins.conftest import Environment

pytestmark = [pytest.mark.extended, pytest.mark.timeout(300)]

_OWNER = """
import json, coodie
print(json.dumps(coodie.init_coodie(driver_type={driver_type!r}).execute_one("s", [])))
"""


def owner(environment: Environment, driver_type: str) -> Any:
    """Open a backend, and return whose it is."""
    return environment.code(_OWNER.format(driver_type=driver_type))


def doctor(environment: Environment) -> Any:
    """Return what the doctor reports."""
    done = environment.run(environment.python, "-m", "coodie_doctor", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1)
    return report


@pytest.mark.parametrize("theirs_last", [False, True])
def test_the_other_coodie(make_environment: Callable[..., Environment], *, theirs_last: bool) -> None:
    """Beside somebody else's `coodie`, whoever came last, the doctor works and its command repairs."""
    environment = make_environment("acme-good", "coodie")
    if not theirs_last:
        environment.pip("install", "--force-reinstall", "--no-deps", "coodie-core")
        assert environment.failure("acme")["type"] == "OverwrittenModuleError"
    else:
        # Their code runs, so that ours can't tell.
        assert environment.code("import json, coodie; print(json.dumps(hasattr(coodie, 'THEIRS')))") is True
    report = doctor(environment)
    assert report["backends"] is None
    (finding,) = report["findings"]
    assert "coodie 1.9.0 is installed in addition to coodie-core" in finding["message"]
    if not theirs_last:
        assert environment.failure("acme")["last"] == finding["command"]
    done = environment.shell(finding["command"])
    assert done.returncode == 0, done.stderr
    assert doctor(environment)["ok"] is True
    assert owner(environment, "acme") == "acme_good.plugin"


def test_what_the_other_coodie_leaves(make_environment: Callable[..., Environment]) -> None:
    """Uninstalled, it has taken files of ours along: the doctor says which, and repairs that, too."""
    environment = make_environment("acme-good", "coodie")
    environment.pip("uninstall", "--yes", "coodie")
    (finding,) = doctor(environment)["findings"]
    assert "coodie/__init__.py, coodie/drivers/__init__.py aren't the files" in finding["message"]
    assert environment.shell(finding["command"]).returncode == 0
    assert doctor(environment)["ok"] is True


@pytest.mark.parametrize("last", ["scylla-driver", "cassandra-driver"])
def test_both_drivers(make_environment: Callable[..., Environment], last: str) -> None:
    """Two distributions in one package are told before anything is connected, whoever came last."""
    first = "cassandra-driver" if last == "scylla-driver" else "scylla-driver"
    environment = make_environment("coodie-scylla", first)
    environment.pip("install", "--no-deps", last)
    error = environment.failure("scylla")
    assert error["type"] == "OverwrittenModuleError"
    assert error["distributions"] == ["scylla-driver", "cassandra-driver"]
    (broken,) = [finding for finding in doctor(environment)["findings"] if finding["subject"] == "scylla"]
    assert broken["command"] == error["last"]
    assert environment.shell(error["last"]).returncode == 0
    names = environment.code("import json, cassandra; print(json.dumps(cassandra.NAME))")
    assert names == "scylla-driver"


def test_a_removed_rival_leaves_damage(make_environment: Callable[..., Environment]) -> None:
    """Files that went with an uninstalled rival are told by their hashes, not by an import that fails."""
    environment = make_environment("coodie-scylla", "scylla-driver", "cassandra-driver")
    environment.pip("uninstall", "--yes", "cassandra-driver")
    error = environment.failure("scylla")
    assert error["type"] == "OverwrittenModuleError"
    assert error["last"] == "pip install --force-reinstall --no-deps scylla-driver==3.29.3"


def test_only_the_rival(make_environment: Callable[..., Environment]) -> None:
    """Where the other driver is what is there, the command brings the version that the backend asks for."""
    environment = make_environment("coodie-scylla", "cassandra-driver")
    error = environment.failure("scylla")
    assert (error["type"], error["missing"]) == ("DriverDependencyError", "scylla-driver")
    assert error["last"].startswith("pip uninstall --yes cassandra-driver && pip install --force-reinstall")
    assert ">=3.29.2" in error["last"]
    assert environment.shell(error["last"]).returncode == 0
    assert environment.code("import json, cassandra; print(json.dumps(cassandra.NAME))") == "scylla-driver"


def test_the_commands_of_the_rest(make_environment: Callable[..., Environment]) -> None:
    """A duplicate is uninstalled, and a missing backend installed, by what the error's last line says."""
    environment = make_environment("acme-twice", "acme-again")
    assert environment.shell(environment.failure("twice")["last"]).returncode == 0
    assert owner(environment, "twice") == "acme_again.plugin"
    error = environment.failure("acme@acme-good")
    assert error["last"] == "pip install acme-good"
    assert environment.shell(error["last"]).returncode == 0
    assert owner(environment, "acme@acme-good") == "acme_good.plugin"


def test_a_rival_of_a_known_name(make_environment: Callable[..., Environment]) -> None:
    """Who announces `scylla` beside coodie-scylla is never used unless pinned, and listed as a duplicate."""
    environment = make_environment("coodie-scylla", "acme-rival")
    error = environment.failure("scylla")
    assert error["distribution"] == "coodie-scylla"  # which lacks its driver here; but it was the one
    assert owner(environment, "scylla@acme-rival") == "acme_rival.plugin"
    listed = json.loads(environment.run("coodie", "drivers", "--json").stdout)
    states = {one["distribution"]: one["state"] for one in listed}
    assert (states["acme-rival"], states["coodie-scylla"]) == ("duplicate", "broken")
    environment.pip("uninstall", "--yes", "coodie-scylla")
    assert owner(environment, "scylla") == "acme_rival.plugin"


def test_without_any_metadata(make_environment: Callable[..., Environment], tmp_path: Path) -> None:
    """In a program that was frozen without metadata, a plug-in is registered; until then it's said how."""
    environment = make_environment("acme-good")
    (site,) = environment.path.glob("lib/python*/site-packages")
    for info in site.glob("*.dist-info"):
        shutil.rmtree(info)
    error = environment.failure("acme")
    assert error["type"] == "DriverNotFoundError"
    assert "register_plugin('acme', its_package.plugin)" in error["text"]
    shown = environment.shell(error["last"])
    assert "register_plugin(driver_type" in shown.stdout, shown.stderr
    code = """
import json, coodie, acme_good.plugin
from coodie.plugins import register_plugin
register_plugin("acme", acme_good.plugin)
print(json.dumps(coodie.init_coodie(driver_type="acme").execute_one("s", [])))
"""
    assert environment.code(code) == "acme_good.plugin"
