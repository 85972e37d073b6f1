"""The installation that all nodes of a version share: Java runtime, jars, class archive.

The class archive (AppCDS) is created once, in the background after the first start. Later starts map it.
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

#: "0": don't create a class archive, but use an existing one; for machines that start a node only once.
_ARCHIVE_VARIABLE = "COODIE_LOCAL_ARCHIVE"

_BUILDER = Path(__file__).with_name("_archive_builder.py")

_log = logging.getLogger("coodie_local")


@dataclass(frozen=True, slots=True)
class ClassArchive:
    """The path of the archive for a runtime and a set of jars."""

    file: Path

    @property
    def exists(self) -> bool:
        """Whether the file exists."""
        return self.file.exists()

    def build_in_background(
        self, java: JavaRuntime, jars: Sequence[Path], class_list: Path
    ) -> subprocess.Popen[bytes] | None:
        """Start creating it, in a process that may outlive this one.

        Args:
            java: The runtime.
            jars: The class path.
            class_list: The file with the classes that a node's JVM has loaded; it is copied.

        Returns:
            The process; None if another one is creating the archive.
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
                    # the builder holds the archive's lock until it exits, and never a node's
                    pass_fds=(lock.fd,),
                    start_new_session=True,
                )


def archive_is_built() -> bool:
    """Return whether a class archive is being created in the background."""
    return any(is_locked(file) for file in (cache_directory() / "archives").glob("*.lock"))


def locate_archive(cache: Path, java: JavaRuntime, manifest: Manifest, jars: Sequence[Path]) -> ClassArchive:
    """Return the path of the class archive of a runtime and its class path.

    The JVM rejects an archive if a jar was modified later, so the name depends on the jars' modification
    times. It doesn't depend on the path of the runtime, so all virtual environments share one archive.

    Args:
        cache: The cache directory.
        java: The runtime.
        manifest: The jars' checksums.
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
    """Copy a file that another process is writing, without an incomplete last line."""
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The parts of an installation: the runtime, and the list of jars."""

    java: JavaRuntime
    manifest: Manifest

    def install(self, progress: Progress, cancellation: Cancellation) -> Installation:
        """Download missing jars; raises the errors of JarCache.ensure()."""
        cache = cache_directory()
        jars = JarCache(cache).ensure(self.manifest, progress, cancellation)
        archive = locate_archive(cache, self.java, self.manifest, jars)
        return Installation(self.java, self.manifest, jars, archive)


@dataclass(frozen=True, slots=True)
class Installation:
    """The files that nodes run."""

    java: JavaRuntime
    manifest: Manifest
    jars: tuple[Path, ...]
    archive: ClassArchive

    @property
    def lacks_archive(self) -> bool:
        """Whether a class archive should be created."""
        return not self.archive.exists and os.environ.get(_ARCHIVE_VARIABLE, "1") != "0"

    def build_archive(self, class_list: Path) -> None:
        """Create the class archive in the background, from the classes that a node has loaded."""
        try:
            builder = self.archive.build_in_background(self.java, self.jars, class_list)
        except OSError as exc:
            # the node is running; without an archive, only the next start is slower
            _log.warning("Could not create the class archive for faster starts: %s", exc)
            return
        if builder is not None:
            # a thread waits for the builder, or it would remain a zombie
            threading.Thread(target=builder.wait, name="coodie-local-archive", daemon=True).start()


def find_recipe(version: str) -> Recipe:
    """Find the runtime and the list of jars of a Cassandra version, without downloading.

    Raises:
        ConfigurationError: There is no such version.
        UnsupportedPlatformError: There is no list of jars, or no runtime, for this machine.
    """
    release = find_release(version)
    manifest = load_manifest(version, platform_tag())
    return Recipe(find_java(release), manifest)
