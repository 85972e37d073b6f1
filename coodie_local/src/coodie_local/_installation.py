"""What all nodes of a version share: the Java runtime, the jars, the class archive.

The class archive (AppCDS) is made once, in the background after a first start, and mapped by later starts.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coodie_local._flock import is_locked, try_acquire
from coodie_local._jars import JarCache
from coodie_local._paths import cache_directory, make_private
from coodie_local._releases import find_java, find_release, load_manifest, platform_tag
from coodie_local._settings import archive_command, clean_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coodie_local._cancellation import Cancellation
    from coodie_local._progress import Progress
    from coodie_local._releases import JavaRuntime, Manifest

__all__ = ["ClassArchive", "Installation", "Recipe", "archive_is_built", "find_recipe", "locate_archive"]

#: "0": no class archive is made, but one that exists is used; for machines that start a node once.
_ARCHIVE_VARIABLE = "COODIE_LOCAL_ARCHIVE"

_BUILDER = Path(__file__).with_name("_archive_builder.py")

_log = logging.getLogger("coodie_local")


@dataclass(frozen=True, slots=True)
class ClassArchive:
    """The place of the archive for one runtime and one set of jars."""

    file: Path

    @property
    def exists(self) -> bool:
        """Whether it was made."""
        return self.file.exists()

    def build_in_background(
        self, java: JavaRuntime, jars: Sequence[Path], class_list: Path
    ) -> subprocess.Popen[bytes] | None:
        """Begin to make it, in a process that outlives this one and ends by itself.

        Args:
            java: The runtime.
            jars: The class path.
            class_list: The classes that a node's JVM has loaded so far; the file is copied.

        Returns:
            The process; None if another one is making the archive.
        """
        make_private(self.file.parent)
        lock = try_acquire(self.file.with_suffix(".lock"))
        if lock is None:
            return None
        with lock:
            classes = self.file.with_suffix(".classes")
            _copy_whole_lines(class_list, classes)
            draft = self.file.with_suffix(".new")
            command = archive_command(java, jars, classes, draft)
            with self.file.with_suffix(".log").open("wb") as log:
                return subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_BUILDER), str(draft), str(self.file), *command],
                    env=clean_environment(os.environ),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # the builder holds the archive's lock until it ends, and never a node's
                    pass_fds=(lock.fd,),
                    start_new_session=True,
                )


def archive_is_built() -> bool:
    """Return whether a class archive is being created in the background now."""
    return any(is_locked(file) for file in (cache_directory() / "archives").glob("*.lock"))


def locate_archive(cache: Path, java: JavaRuntime, manifest: Manifest, jars: Sequence[Path]) -> ClassArchive:
    """Name the class archive of a runtime and its class path.

    The JVM refuses an archive whose jars were modified since, so their modification times are part of the
    name. The path of the runtime isn't, so all virtual environments share one archive.

    Args:
        cache: The cache directory.
        java: The runtime.
        manifest: The content of the jars.
        jars: The paths of the jars.
    """
    image = java.executable.parent.parent / "lib" / "modules"
    digest = hashlib.sha256(manifest.digest.encode())
    digest.update(f"{image.stat().st_size}\n".encode())
    for jar in jars:
        digest.update(f"{jar.stat().st_mtime_ns}\n".encode())
    version = ".".join(map(str, java.version))
    return ClassArchive(cache / "archives" / f"java-{version}-{digest.hexdigest()[:16]}.jsa")


def _copy_whole_lines(source: Path, target: Path) -> None:
    """Copy a file that is still being written, without an incomplete last line."""
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an installation needs: the runtime, and the list of jars."""

    java: JavaRuntime
    manifest: Manifest

    def install(self, progress: Progress, cancellation: Cancellation) -> Installation:
        """Download missing jars; raises what JarCache.ensure() does."""
        cache = cache_directory()
        jars = JarCache(cache).ensure(self.manifest, progress, cancellation)
        archive = locate_archive(cache, self.java, self.manifest, jars)
        return Installation(self.java, self.manifest, jars, archive)


@dataclass(frozen=True, slots=True)
class Installation:
    """What nodes run."""

    java: JavaRuntime
    manifest: Manifest
    jars: tuple[Path, ...]
    archive: ClassArchive

    @property
    def lacks_archive(self) -> bool:
        """Whether a class archive is to be made."""
        return not self.archive.exists and os.environ.get(_ARCHIVE_VARIABLE, "1") != "0"

    def build_archive(self, class_list: Path) -> None:
        """Make the class archive in the background, of the classes that a node has loaded."""
        try:
            builder = self.archive.build_in_background(self.java, self.jars, class_list)
        except OSError as exc:
            # the node runs; without an archive the next start takes longer
            _log.warning("Could not create the class archive for faster starts: %s", exc)
            return
        if builder is not None:
            # a thread waits for it, or it would stay as a zombie while this process lives
            threading.Thread(target=builder.wait, name="coodie-local-archive", daemon=True).start()


def find_recipe(version: str) -> Recipe:
    """Find what a Cassandra version needs on this machine, without downloading it.

    Raises:
        ConfigurationError: There is no such version.
        UnsupportedPlatformError: There is no list of jars, or no runtime, for this machine.
    """
    release = find_release(version)
    manifest = load_manifest(version, platform_tag())
    return Recipe(find_java(release), manifest)
