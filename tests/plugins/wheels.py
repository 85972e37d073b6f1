"""Wheels: built from sources, repacked from what is installed here, or written as somebody else's."""

from __future__ import annotations

import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

__all__ = ["build", "repack", "write_wheel"]


def build(project: Path, wheels: Path) -> None:
    """Build a project's wheel with its build backend, in this process: there are many."""
    list(WheelBuilder(str(project)).build(directory=str(wheels), versions=["standard"]))


def repack(name: str, wheels: Path) -> None:
    """Make the wheel anew that an installed distribution came from, so that no index is asked."""
    installed = distribution(name)
    info = next(file for file in installed.files or () if file.name == "METADATA").parent
    tag = next(
        line.removeprefix("Tag: ")
        for line in (installed.read_text("WHEEL") or "").splitlines()
        if line.startswith("Tag: ")
    )
    path = wheels / f"{info.name.removesuffix('.dist-info')}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file in installed.files or ():
            # pip writes scripts and what it knows itself; the rest is the wheel's.
            if ".." in file.parts or file.suffix == ".pyc" or file.name in ("INSTALLER", "REQUESTED"):
                continue
            wheel.write(Path(str(installed.locate_file(file))), str(file))


def write_wheel(name: str, version: str, files: dict[str, str], wheels: Path) -> None:
    """Write a wheel of plain files, as somebody else's distribution."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in contents.items())
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    with zipfile.ZipFile(wheels / f"{module}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in contents.items():
            wheel.writestr(path, text)


def _digest(text: str) -> str:
    return urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()
