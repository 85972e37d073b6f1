"""What a script imports that connects, reads a row and ends: no more than it needs."""

from __future__ import annotations

import json
import subprocess
import sys

from coodie.registry import DriverRegistry, using_registry
from coodie_testing import FakeCluster

#: Slow imports, and modules of ours for what the script doesn't do; neither driver imports them.
RARE = {
    "coodie.batch",
    "coodie.codec_registry",
    "coodie.codecs",
    "coodie.columnar",
    "coodie.config.loading",
    "coodie.drivers.cassandra._authentication",
    "coodie.drivers.cassandra._cloud",
    "coodie.drivers.cassandra.fastpath.generated_columns",
    "coodie.observers.events",
    "coodie.options.bundle",
    "coodie.options.credentials",
    "coodie.options.profiles",
    "coodie.paging",
    "coodie.registry.lazy",
    "coodie.schema.apply",
    "coodie.schema.definitions",
    "coodie.types",
    "coodie_doctor.findings",
    "difflib",
    "packaging",
    "sysconfig",
}

SCRIPT = """
import json, sys
import coodie

with coodie.init_coodie(**json.loads(sys.argv[1])) as driver:
    rows = driver.execute("SELECT id, name FROM shop.orders WHERE id = ?", [7])
print(json.dumps([list(rows), sorted(sys.modules)]))
"""


def run(script: str, *arguments: str) -> list[object]:
    """Run a script in a fresh interpreter; return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


def test_script_imports_what_it_needs(backend: str) -> None:
    """A script that connects and reads a row leaves out what few programs use."""
    with using_registry(DriverRegistry()), FakeCluster() as cluster:
        cluster.table("shop.orders", {"id": "int", "name": "text"})
        cluster.when("SELECT id, name FROM shop.orders WHERE id = ?", [7]).rows([{"id": 7, "name": "x"}])
        options = {"driver_type": backend, **cluster.connection_options()}
        rows, modules = run(SCRIPT, json.dumps(options))
    assert rows == [{"id": 7, "name": "x"}]
    assert isinstance(modules, list)
    assert sorted(RARE.intersection(modules)) == []
