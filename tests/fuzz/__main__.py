"""Run one target with atheris: python -m tests.fuzz TARGET PATH... [options of libFuzzer].

A path is a directory, which gets the inputs of the corpus first, or a file with one input.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.fuzz import corpus

atheris: Any = import_module("atheris")  # which only its own environment has

with atheris.instrument_imports(include=["coodie"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    target = sys.argv.pop(1)
    directory = Path(sys.argv[1])
    if directory.is_dir():
        for number, data in enumerate(corpus.inputs(target)):
            (directory / f"corpus-{number}").write_bytes(data)
    atheris.Setup(sys.argv, TARGETS[target])
    atheris.Fuzz()
