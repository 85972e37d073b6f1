"""Installed distributions as pip leaves them, in a directory of the test's own."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import importlib_metadata

from coodie.config import build_config
from coodie.plugins.discovery import DriverIndex
from coodie.plugins.host import PluginHost

if TYPE_CHECKING:
    from pathlib import Path

    from coodie.config import ConnectionConfig

__all__ = ["MODULE", "Site", "announcing", "config_for", "host_with"]

#: A backend as a third party writes it: a module with the one hook that must be.
MODULE = """
from coodie.plugins import hookimpl
from coodie_core.tests.fakes import MemoryDriver

@hookimpl
def coodie_open_driver(config):
    return MemoryDriver()
"""


def announcing(driver_type: str, value: str, *versions: int) -> dict[str, dict[str, str]]:
    """Return the entry points that announce a backend, made for these versions of the driver API."""
    groups = {"coodie.drivers": {driver_type: value}}
    return groups | {f"coodie.driver_api.{version}": {driver_type: value} for version in versions or (1,)}


class Site:
    """A site-packages directory; coodie-core's metadata is in it, unless a test wants none.

    Args:
        path: Where.
        core: Whether that is so.
    """

    def __init__(self, path: Path, *, core: bool = True) -> None:
        self.path = path
        path.mkdir(exist_ok=True)
        if core:
            self.install("coodie-core", "0.1.0")

    def install(
        self,
        name: str,
        version: str = "1.0",
        *,
        entry_points: dict[str, dict[str, str]] | str | None = None,
        files: dict[str, str] | None = None,
        record: bool = True,
        metadata: str | None = None,
    ) -> Path:
        """Write a distribution's files and its dist-info directory; return the latter.

        What is there already is overwritten, as pip does it.
        """
        info = self.path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        if metadata is None:
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: of nothing\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        if isinstance(entry_points, dict):
            entry_points = "\n".join(
                f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
                for group, points in entry_points.items()
            )
        if entry_points is not None:
            (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")
        lines = [f"{info.name}/METADATA,,"]
        for relative, text in (files or {}).items():
            path = self.path / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            digest = urlsafe_b64encode(sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
            lines.append(f"{relative},sha256={digest},{path.stat().st_size}")
        if record:
            (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,", ""]), encoding="utf-8")
        return info

    def uninstall(self, info: Path) -> None:
        """Remove what the distribution's RECORD lists, as pip does it."""
        for line in (info / "RECORD").read_text(encoding="utf-8").splitlines():
            (self.path / line.partition(",")[0]).unlink(missing_ok=True)
        for left in info.iterdir():
            left.unlink()
        info.rmdir()

    def distributions(self, **context: Any) -> list[Any]:
        """Return what importlib_metadata finds here."""
        return list(importlib_metadata.distributions(path=[str(self.path)], **context))

    def index(self) -> DriverIndex:
        """Return an index of what is here alone."""
        return DriverIndex(source=self.distributions)


def host_with(site: Site, source: str, value: str = "acme_plugin") -> PluginHost:
    """Install a backend made of this source under the driver_type ``acme``."""
    site.install("acme-db", "2.0", entry_points=announcing("acme", value), files={"acme_plugin.py": source})
    return PluginHost(site.index())


def config_for(driver_type: str = "acme", **options: Any) -> ConnectionConfig:
    """Return a configuration for that backend."""
    return build_config(driver_type=driver_type, **options)
