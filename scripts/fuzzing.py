"""`make fuzz`: coverage-guided fuzzing of parsers; the accelerator is built with sanitizers.

atheris contains libFuzzer and the runtime of AddressSanitizer, which is compatible with gcc's: the
accelerator is compiled for it, but not linked to gcc's runtime. Inputs with new coverage are kept in
.venvs/fuzz-work; selected ones are in tests/fuzz/corpus and run as tests.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sysconfig
from typing import TYPE_CHECKING

import accelerator
from environments import ENVIRONMENTS, VENVS
from steps import ROOT, Failure

if TYPE_CHECKING:
    from pathlib import Path

    from steps import Steps

__all__ = ["fuzz"]

_WORK = VENVS / "fuzz-work"
_SOURCE = ROOT / "coodie_accel" / "src" / "coodie_accel"
_SANITIZERS = (
    "-O1",
    "-g",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover",
)

#: Python doesn't free all memory at exit. Without a symbolizer on PATH, the runtime's own kills the process.
_ASAN_OPTIONS = "detect_leaks=0:allocator_may_return_null=1:symbolize=0"


def fuzz(steps: Steps, *options: str) -> None:
    """Fuzz all targets, or selected ones, or run single inputs.

    Args:
        steps: Runs the steps.
        options: Targets of `tests.fuzz`, the seconds for each, and input files to run instead.

    Raises:
        Failure: A target raised, or a sanitizer reported an error; the message has the file of the input.
    """
    environment = ENVIRONMENTS["fuzz"]
    environment.ensure(steps)
    built = _sanitized(steps, environment.python)
    targets = [path.stem for path in sorted((ROOT / "tests" / "fuzz" / "corpus").glob("*.txt"))]
    named = [option for option in options if option in targets]
    seconds = next((option for option in options if option.isdecimal()), "60")
    inputs = [option for option in options if option not in targets and not option.isdecimal()]
    show = "import atheris; print(atheris.path())"
    runtime = subprocess.run([environment.python, "-c", show], check=True, capture_output=True, text=True)
    variables = {
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *built))),
        "LD_PRELOAD": f"{runtime.stdout.strip()}/asan_with_fuzzer.so",
        "ASAN_OPTIONS": _ASAN_OPTIONS,
        "PYTHONMALLOC": "malloc",  # separate allocations, so that the sanitizer sees their ends
    }
    for target in named or targets:
        reached = _WORK / target
        reached.mkdir(parents=True, exist_ok=True)
        limits = (f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=3000", "-verbosity=0")
        shown = ("-print_final_stats=1", f"-artifact_prefix={_WORK}/{target}-")
        what = inputs or [str(reached)]
        command: list[str | Path] = [environment.python, "-m", "tests.fuzz", target, *what, *limits, *shown]
        try:
            steps.run(f"fuzz: {target}", command, variables=variables)
        except Failure as exc:
            found = max(_WORK.glob(f"{target}-*"), key=lambda path: path.stat().st_mtime, default=None)
            if found is None:
                raise
            again = f'make fuzz ARGS="{target} {found.relative_to(ROOT)}"'
            raise Failure(f"{exc}\n  to run its input alone: {again}") from exc


def _sanitized(steps: Steps, python: Path) -> list[Path]:
    """Build the accelerator with sanitizers; return directories for the path, none without a compiler."""
    lacking = accelerator.missing()
    if lacking:
        steps.skip("fuzz: accelerator", f"fuzzing the accelerator needs {lacking}")
        return []
    built = _WORK / "accelerator"
    package = built / "coodie_accel"
    shutil.rmtree(built, ignore_errors=True)
    package.mkdir(parents=True)
    for file in _SOURCE.glob("*.py"):
        shutil.copy(file, package)
    variables = sysconfig.get_config_vars()
    compiler = shlex.split(os.environ.get("CC") or variables.get("CC") or "cc")
    headers = f"-I{sysconfig.get_path('include')}"
    module = package / f"_native{variables['EXT_SUFFIX']}"
    commands: tuple[list[str | Path], ...] = (
        [python, "-m", "cython", "-3", _SOURCE / "_native.pyx", "-o", built / "native.c"],
        [*compiler, *_SANITIZERS, "-fPIC", headers, "-c", built / "native.c", "-o", built / "native.o"],
        [*compiler, "-shared", built / "native.o", "-o", module],
    )
    steps.run_logged("fuzz: accelerator", commands, _WORK / "accelerator.log")
    return [built]
