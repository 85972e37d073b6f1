"""The class archive."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coodie_local import LocalNode, _archive_builder
from coodie_local._installation import ClassArchive, locate_archive
from coodie_local._paths import cache_directory
from coodie_local._releases import JavaRuntime, load_manifest

if TYPE_CHECKING:
    from collections.abc import Callable


def test_an_archive_belongs_to_its_jars_and_runtime(tmp_path: Path) -> None:
    """Another lock file, a rewritten jar or another Java requires another archive."""
    image = tmp_path / "java" / "lib" / "modules"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"modules")
    jar = tmp_path / "a.jar"
    jar.write_bytes(b"jar")
    java = JavaRuntime(tmp_path / "java" / "bin" / "java", (17, 0, 9))
    manifest = load_manifest("5.0.9", "linux-x86_64")

    def locate(java: JavaRuntime = java) -> ClassArchive:
        return locate_archive(tmp_path, java, manifest, [jar])

    first = locate()
    assert locate() == first
    assert not first.exists
    assert locate(JavaRuntime(java.executable, (17, 0, 10))) != first
    os.utime(jar, ns=(1, 1))
    assert locate() != first


@pytest.mark.parametrize(("status", "published"), [(0, True), (3, False)])
def test_only_a_whole_archive_is_published(tmp_path: Path, status: int, published: bool) -> None:
    """A builder whose JVM fails leaves neither an archive nor a draft."""
    draft, final = tmp_path / "draft", tmp_path / "final"
    code = f"import pathlib, sys; pathlib.Path({str(draft)!r}).write_text('x'); sys.exit({status})"
    builder = [sys.executable, "-I", "-S", _archive_builder.__file__, str(draft), str(final)]
    command = [*builder, sys.executable, "-c", code]
    assert subprocess.run(command, check=False).returncode == status
    assert final.exists() == published
    assert not draft.exists()


def test_one_builder_at_a_time(tmp_path: Path) -> None:
    """While a builder holds the lock, no second one starts; an incomplete line isn't copied."""
    go, java = tmp_path / "go", tmp_path / "java"
    java.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys, time\n"
        "begun = time.monotonic()\n"
        f"while not pathlib.Path({str(go)!r}).exists() and time.monotonic() < begun + 20: time.sleep(0.01)\n"
        "options = dict(part.split('=', 1) for part in sys.argv if part.startswith('-XX:Shared'))\n"
        "classes = pathlib.Path(options['-XX:SharedClassListFile']).read_text()\n"
        "pathlib.Path(options['-XX:SharedArchiveFile']).write_text(classes)\n"
    )
    java.chmod(0o700)
    classes = tmp_path / "classes.lst"
    classes.write_text("java/lang/Object\njava/lang/Str")
    archive = ClassArchive(tmp_path / "archives" / "a.jsa")
    runtime = JavaRuntime(java, (17, 0, 9))
    first = archive.build_in_background(runtime, [], classes)
    assert first is not None
    assert archive.build_in_background(runtime, [], classes) is None
    assert not archive.exists
    go.touch()
    assert first.wait(20) == 0
    assert archive.file.read_text() == "java/lang/Object\n"


@pytest.mark.reliability
@pytest.mark.server
def test_the_first_start_builds_one_in_the_background_and_the_next_maps_it(
    node_dir: Path,
    tmp_path: Path,
    cassandra_node: Any,
    python: Callable[..., Any],
    eventually: Callable[..., bool],
) -> None:
    """The class archive is completed even if its node and process have exited, and delays no node."""
    cache = tmp_path / "cache"
    # they are there since the session's node started; or that is another server, and they are fetched here
    if (cache_directory() / "jars").is_dir():
        shutil.copytree(cache_directory() / "jars", cache / "jars", copy_function=os.link)
    code = (
        "import sys; from coodie_local import LocalNode\n"
        "with LocalNode('n', directory=sys.argv[1]) as node: print(node.running)\n"
        "print(LocalNode('n', directory=sys.argv[1]).running)"
    )
    process = python(code, node_dir, COODIE_LOCAL_CACHE=str(cache), COODIE_LOCAL_ARCHIVE="1")
    output, errors = process.communicate(timeout=60)
    assert output.split() == ["True", "False"], errors
    archives = cache / "archives"
    assert archives.is_dir()
    assert eventually(lambda: list(archives.glob("*.jsa")), 100), list(archives.iterdir())
    assert eventually(lambda: not list(archives.glob("*.new")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COODIE_LOCAL_CACHE", str(cache))
        with LocalNode("n", directory=node_dir) as node:
            mapped = Path(f"/proc/{node.pid}/maps").read_text(encoding="utf-8")
            command = Path(f"/proc/{node.pid}/cmdline").read_bytes()
    assert str(next(archives.glob("*.jsa"))) in mapped
    assert b"DumpLoadedClassList" not in command
