"""A generated driver in a clean environment: unmodified, it keeps the contract on a real server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.wheels import build

from pages import blocks_of

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]

#: What the generated package asks for: of this project, and of others, at the versions that are tested.
DISTRIBUTIONS = ("coodie_core", "coodie_scylla", "coodie_testing", "coodie_local")
PINS = ("build", "scylla", "dev")

#: Settings that would lead pip or Python somewhere else.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project's wheels."""
    directory = tmp_path_factory.mktemp("wheels")
    for name in DISTRIBUTIONS:
        build(ROOT / name, directory)
    return directory


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, wheels: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A clean environment with this project's wheels, and a program in it."""
    path = tmp_path_factory.mktemp("environment")
    venv.create(path, with_pip=True, symlinks=True)
    base = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    base["PATH"] = f"{path / 'bin'}{os.pathsep}{base['PATH']}"

    def run_(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(path / "bin" / command[0]), *map(str, command[1:])],
            cwd=cwd,
            env=base | variables,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
        return done

    pins = [option for name in PINS for option in ("-c", str(ROOT / "requirements" / f"{name}.txt"))]
    install = ("pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", *pins)
    run_(*install, "hatchling", "editables", cwd=path)
    core = next(wheels.glob("coodie_core-*.whl"))
    run_(*install, *wheels.glob("*.whl"), f"coodie-core[cli,testing] @ {core.as_uri()}", cwd=path)
    return run_


@pytest.mark.extended
@pytest.mark.server
@pytest.mark.timeout(1800)
def test_a_generated_driver_keeps_the_contract(
    backend: str,
    run: Callable[..., subprocess.CompletedProcess[str]],
    cassandra_node: Any,
    tmp_path: Path,
) -> None:
    """Generate, install, and run what its README says: the kit, mypy --strict, ruff; nothing is changed."""
    if backend != "scylla":
        pytest.skip("the stand-in of a generated driver is the backend scylla; one run is enough")
    run("coodie", "new-driver", "my-db", cwd=tmp_path)
    package = tmp_path / "coodie-my-db"
    pins = [option for name in PINS for option in ("-c", str(ROOT / "requirements" / f"{name}.txt"))]
    run("pip", "install", "--quiet", "--no-build-isolation", *pins, "-e", ".[test]", cwd=package)
    server = {"COODIE_HOSTS": cassandra_node.host, "COODIE_PORT": str(cassandra_node.port)}
    report = ("--coodie-report=markdown:conformance.md", "-p", "no:cacheprovider")
    said = run("pytest", *report, cwd=package, **server).stdout
    assert "0 failed" in said
    table = (package / "conformance.md").read_text(encoding="utf-8")
    assert "MyDbDriver" in table
    assert "❌" not in table
    assert "waived" not in said
    run("mypy", cwd=package)
    run("ruff", "check", "--no-cache", ".", cwd=package)
    run("ruff", "format", "--check", "--no-cache", ".", cwd=package)
    # From outside: whoever installs it has a driver_type, and a command that tells of it.
    code = (
        "import coodie, sys; host, port = sys.argv[1:]\n"
        "with coodie.init_coodie([host], port=int(port), driver_type='my-db') as driver:\n"
        "    print(driver.execute_one('SELECT key FROM system.local', []))"
    )
    done = run(
        "python", "-W", "error", "-c", code, cassandra_node.host, str(cassandra_node.port), cwd=tmp_path
    )
    assert done.stdout == "local\n"


@pytest.mark.extended
@pytest.mark.server
@pytest.mark.timeout(1800)
def test_the_guide_can_be_followed(backend: str, wheels: Path, cassandra_node: Any, tmp_path: Path) -> None:
    """Whoever types in docs/guides/writing-a-driver.md, line by line, gets to its end."""
    if backend != "scylla":
        pytest.skip("the guide is followed once")
    script = ["set -e"]
    for block in blocks_of(ROOT / "docs" / "guides" / "writing-a-driver.md"):
        if block.language == "bash":
            script.append(block.code)
        elif block.file:
            script.append(f"cat > {block.file} <<'END OF FILE'\n{block.code}END OF FILE\n")
    assert len(script) > 6
    pins = (ROOT / "requirements" / f"{name}.txt" for name in (*PINS, "rust"))
    base = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    base |= {"COODIE_HOSTS": cassandra_node.host, "COODIE_PORT": str(cassandra_node.port)}
    base |= {"PIP_FIND_LINKS": str(wheels), "PIP_CONSTRAINT": " ".join(map(str, pins)), "PIP_QUIET": "1"}
    base["PATH"] = f"{Path(sys.executable).resolve().parent}{os.pathsep}{base['PATH']}"
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-c", "\n".join(script)],
        cwd=tmp_path,
        env=base,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
    assert "scylladb-rs-driver" in (tmp_path / "coodie-acme" / "pyproject.toml").read_text("utf-8")
