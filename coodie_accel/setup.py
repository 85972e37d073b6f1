"""Build the extension module; all else about the distribution is in pyproject.toml."""

from __future__ import annotations

from Cython.Build import cythonize
from setuptools import Extension, setup

setup(
    ext_modules=cythonize(
        [Extension("coodie_accel._native", ["src/coodie_accel/_native.pyx"])],
        build_dir="build",
        compiler_directives={"language_level": 3},
    )
)
