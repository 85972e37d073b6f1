"""The real distributions that overwrite each other's files, from the index that pip is set to."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugins.conftest import Environment

pytestmark = [pytest.mark.extended, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetch both drivers, the distribution `coodie`, and what they need."""
    directory = tmp_path_factory.mktemp("downloaded")
    wanted = ["coodie", "scylla-driver>=3.29.2,<3.30", "cassandra-driver>=3.30,<3.31"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--no-input"]
    for requirement in wanted:
        done = subprocess.run(
            [*command, "--dest", str(directory), requirement], check=False, capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"no wheel of {requirement}: {done.stderr.strip().splitlines()[-1]}")
    return directory


def found(environment: Environment, places: str) -> list[dict[str, Any]]:
    """Return what the doctor finds."""
    done = environment.run(environment.python, "-m", "coodie_doctor", "--json", PIP_FIND_LINKS=places)
    findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    assert done.returncode == bool([one for one in findings if one["is_problem"]])
    return findings


@pytest.mark.parametrize("theirs_last", [False, True])
def test_the_coodie_of_the_index(
    make_environment: Callable[..., Environment], downloaded: Path, *, theirs_last: bool
) -> None:
    """Beside the published `coodie`, in both orders: the doctor works, and its command leaves ours."""
    environment = make_environment("acme-good")
    # The published one first: of two places with one version, either may be chosen, and ours isn't there.
    wheel = next(path for path in downloaded.glob("coodie-*.whl"))
    places = f"{downloaded} {environment.wheels}"
    done = environment.run("pip", "install", str(wheel), PIP_FIND_LINKS=places)
    assert done.returncode == 0, done.stderr
    if not theirs_last:
        environment.pip("install", "--force-reinstall", "--no-deps", "coodie-core")
        assert environment.failure("acme")["type"] == "OverwrittenModuleError"
    (finding,) = found(environment, places)
    assert "is installed in addition to coodie-core" in finding["message"]
    assert environment.shell(finding["command"]).returncode == 0
    assert found(environment, places) == []
    code = 'import json, coodie; print(json.dumps(coodie.init_coodie(driver_type="acme").execute("s", [])))'
    assert environment.code(code) == [{"owner": "acme_good.plugin"}]


@pytest.mark.parametrize("driver_type", ["scylla", "cassandra"])
@pytest.mark.parametrize("mine_last", [False, True])
def test_both_drivers_of_the_index(
    make_environment: Callable[..., Environment], downloaded: Path, driver_type: str, *, mine_last: bool
) -> None:
    """Both real drivers, in both orders: told before connecting; the command leaves the one that is meant."""
    names = [f"{driver_type}-driver", "cassandra-driver" if driver_type == "scylla" else "scylla-driver"]
    environment = make_environment(f"coodie-{driver_type}")
    wheels = {name: str(next(downloaded.glob(f"{name.replace('-', '_')}-*.whl"))) for name in names}
    for name in reversed(names) if mine_last else names:
        done = environment.run("pip", "install", wheels[name], PIP_FIND_LINKS=str(downloaded))
        assert done.returncode == 0, done.stderr
    error = environment.failure(driver_type)
    assert (error["type"], error["module"]) == ("OverwrittenModuleError", "cassandra")
    assert set(error["distributions"]) == set(names)
    repaired = environment.shell(error["last"], PIP_FIND_LINKS=str(downloaded))
    assert repaired.returncode == 0, repaired.stderr
    report = json.loads(environment.run(environment.python, "-m", "coodie_doctor", "--json").stdout)
    (ready,) = [one for one in report["backends"] if one["driver_type"] == driver_type]
    assert ready["state"] == "ready", ready
    assert ready["facts"]["reactor"]


def test_installing_what_is_missing(make_environment: Callable[..., Environment], downloaded: Path) -> None:
    """The error's last line installs the backend, with its driver."""
    environment = make_environment()
    error = environment.failure("scylla")
    places = f"{downloaded} {environment.wheels}"
    done = environment.shell(f"{error['last']}", PIP_FIND_LINKS=places)
    assert done.returncode == 0, done.stderr
    (scylla,) = [
        one
        for one in json.loads(environment.run("coodie", "drivers", "--json").stdout)
        if one["driver_type"] == "scylla"
    ]
    assert scylla["state"] == "ready", scylla
