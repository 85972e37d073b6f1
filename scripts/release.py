"""The release check: build the distributions, install them as users do, and run them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from accelerator import missing
from checks import NATIVE
from environments import ENVIRONMENTS, VENVS, Environment
from steps import ROOT, Failure

if TYPE_CHECKING:
    from pathlib import Path

    from steps import Steps

__all__ = ["BACKENDS", "DISTRIBUTIONS", "check"]

#: The directories of the released distributions, which have the same version.
DISTRIBUTIONS = (
    "coodie_core",
    "coodie_scylla",
    "coodie_cassandra",
    *NATIVE.values(),
    "coodie_testing",
    "coodie_local",
    "coodie_arrow",
)
#: Each has a separate environment, with all native backends: their drivers overwrite each other's files.
BACKENDS = ("scylla", "cassandra")

#: The directories, relative to the root, of the built distributions and of the wheels from sdists.
_BUILT = ".venvs/release/dist"
_FROM_SDISTS = ".venvs/release/from-sdists"

#: hatchling builds the project in its working directory.
_BUILD = """
import os, runpy, sys
os.chdir(sys.argv.pop(1))
runpy.run_module("hatchling", run_name="__main__", alter_sys=True)
"""

#: The compiled distribution, which setuptools builds.
_ACCELERATOR = "coodie_accel"
_BUILD_SDIST = """
import os, sys
from setuptools.build_meta import build_sdist
os.chdir(sys.argv[1])
build_sdist(sys.argv[2])
"""


def check(steps: Steps, builder: Path) -> None:
    """Build all distributions, install them, import them and run the demo, once for each backend.

    Args:
        steps: Runs the steps.
        builder: The interpreter of an environment with the build backend.

    Raises:
        Failure: A build, an installation or a run failed.
    """
    _build(steps, builder)
    _build_accelerator(steps)
    for backend in BACKENDS:
        wanted = (
            "coodie_core[cli,testing,arrow]",
            f"coodie_{backend}",
            *NATIVE.values(),
            "coodie_testing",
            "coodie_local",
            "coodie_arrow",
        )
        for origin, wheels in (("wheels", _BUILT), ("sdists", _FROM_SDISTS)):
            environment = Environment(
                f"release-{backend}-{origin}", (backend, *NATIVE, "testing", "arrow"), wanted, wheels
            )
            shutil.rmtree(environment.path, ignore_errors=True)
            environment.ensure(steps)
            # Isolated: neither the source tree nor the user's site-packages can hide a missing file.
            look: list[str | Path] = [environment.python, "-I", "scripts/installed.py", backend, *NATIVE]
            steps.run(f"{backend}: installed from {origin}", look)
            if origin == "wheels":
                steps.run(f"{backend}: demo", [environment.python, "examples/demo.py"])


def _build_accelerator(steps: Steps) -> None:
    """Build the accelerator's sdist and, if this machine can compile it, a wheel from the sdist."""
    environment = ENVIRONMENTS["accel"]
    environment.ensure(steps)
    built, wheels = ROOT / _BUILT, ROOT / _FROM_SDISTS
    log = VENVS / "release" / "accelerator.log"
    steps.run_logged(
        "accelerator: sdist", [[environment.python, "-c", _BUILD_SDIST, _ACCELERATOR, built]], log
    )
    sdists = list(built.glob(f"{_ACCELERATOR}-*.tar.gz"))
    if len(sdists) != 1:
        raise Failure(f"expected one sdist of {_ACCELERATOR}, got {len(sdists)}")
    lacking = missing()
    if lacking:
        print(f"   skipped the wheel from the accelerator's sdist, which requires {lacking}", flush=True)
        return
    options = ("--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels)
    steps.run_logged(
        "accelerator: wheel from sdist", [[environment.python, "-m", "pip", "wheel", *options, *sdists]], log
    )


def _build(steps: Steps, builder: Path) -> None:
    """Build each distribution's wheel and sdist, and a wheel from each sdist."""
    shutil.rmtree(VENVS / "release", ignore_errors=True)
    (ROOT / _FROM_SDISTS).mkdir(parents=True)
    steps.run_logged(
        "build",
        [[builder, "-c", _BUILD, name, "build", "--directory", ROOT / _BUILT] for name in DISTRIBUTIONS],
        VENVS / "release" / "build.log",
    )
    sdists = sorted((ROOT / _BUILT).glob("*.tar.gz"))
    if len(sdists) != len(DISTRIBUTIONS):
        names = ", ".join(sdist.name for sdist in sdists)
        raise Failure(f"expected {len(DISTRIBUTIONS)} sdists, got: {names or 'none'}")
        # Without an index, with the pinned build backend: an sdist with a missing file fails here.
    options = ("--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", _FROM_SDISTS)
    steps.run_logged(
        "wheels from sdists",
        [[builder, "-m", "pip", "wheel", *options, *sdists]],
        VENVS / "release" / "sdists.log",
    )
