"""What is the same for every node of a version: the runtime, the jars, the class archive."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coodie_local._archive import locate_archive
from coodie_local._jars import JarCache
from coodie_local._manifest import load_manifest
from coodie_local._places import cache_directory
from coodie_local._platform import find_java, platform_tag
from coodie_local._releases import find_release

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._archive import ClassArchive
    from coodie_local._cancellation import Cancellation
    from coodie_local._manifest import Manifest
    from coodie_local._platform import JavaRuntime
    from coodie_local._progress import Progress

__all__ = ["Installation", "Recipe", "find_recipe"]

_log = logging.getLogger("coodie_local")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an installation is made of: the runtime, and the list of jars."""

    java: JavaRuntime
    manifest: Manifest

    def install(self, progress: Progress, cancellation: Cancellation) -> Installation:
        """Download the jars that are missing.

        Raises:
            LocalNodeError: See JarCache.ensure.
        """
        cache = cache_directory()
        jars = JarCache(cache).ensure(self.manifest, progress, cancellation)
        archive = locate_archive(cache, self.java, self.manifest, jars)
        return Installation(self.java, self.manifest, jars, archive)


@dataclass(frozen=True, slots=True)
class Installation:
    """What is there to run."""

    java: JavaRuntime
    manifest: Manifest
    jars: tuple[Path, ...]
    archive: ClassArchive

    def build_archive(self, class_list: Path) -> None:
        """Make the class archive in the background, from what a node has loaded."""
        try:
            builder = self.archive.build_in_background(self.java, self.jars, class_list)
        except OSError as exc:
            # the node runs; without an archive the next start merely takes longer
            _log.warning("The class archive for faster starts can't be made: %s", exc)
            return
        if builder is not None:
            # somebody has to wait for it, or it stays as a zombie while this process lives
            threading.Thread(target=builder.wait, name="coodie-local-archive", daemon=True).start()


def find_recipe(version: str) -> Recipe:
    """Find what a Cassandra version takes on this machine; nothing is downloaded.

    Raises:
        ConfigurationError: There is no such version.
        UnsupportedPlatformError: There is no list of jars, or no runtime.
    """
    release = find_release(version)
    manifest = load_manifest(version, platform_tag())
    return Recipe(find_java(release), manifest)
