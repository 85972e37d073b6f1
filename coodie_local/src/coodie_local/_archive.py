"""The class archive (AppCDS): made once in the background after a first start, mapped by later ones."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coodie_local._flock import try_acquire
from coodie_local._java_command import archive_command, clean_environment
from coodie_local._places import make_private

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coodie_local._manifest import Manifest
    from coodie_local._platform import JavaRuntime

__all__ = ["ARCHIVE_VARIABLE", "ClassArchive", "archive_wanted", "locate_archive"]

#: Set to "0", no archive is made (one that is there is used): for machines that start a node once.
ARCHIVE_VARIABLE = "COODIE_LOCAL_ARCHIVE"

_BUILDER = Path(__file__).with_name("_archive_builder.py")


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
            class_list: What a node's JVM has listed so far; it is copied.

        Returns:
            The process, or None where another one is at it.
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
                    # the builder has the archive's lock until it ends, and never a node's
                    pass_fds=(lock.fd,),
                    start_new_session=True,
                )


def archive_wanted() -> bool:
    """Say whether an archive that is missing is to be made."""
    return os.environ.get(ARCHIVE_VARIABLE, "1") != "0"


def locate_archive(cache: Path, java: JavaRuntime, manifest: Manifest, jars: Sequence[Path]) -> ClassArchive:
    """Name the archive for a runtime and its class path.

    The JVM refuses an archive whose jars were touched since, so their modification times are part
    of the name, and such an archive is made anew. It doesn't mind where the runtime lies, so
    that all virtual environments share one.

    Args:
        cache: The cache directory.
        java: The runtime.
        manifest: The jars by content.
        jars: The jars by place.
    """
    image = java.executable.parent.parent / "lib" / "modules"
    digest = hashlib.sha256(manifest.digest.encode())
    digest.update(f"{image.stat().st_size}\n".encode())
    for jar in jars:
        digest.update(f"{jar.stat().st_mtime_ns}\n".encode())
    version = ".".join(map(str, java.version))
    return ClassArchive(cache / "archives" / f"java-{version}-{digest.hexdigest()[:16]}.jsa")


def _copy_whole_lines(source: Path, target: Path) -> None:
    """Copy a file that is still being written, without a last line that may be half there."""
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
