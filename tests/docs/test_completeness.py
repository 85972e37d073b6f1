"""What the pages have to name, because it exists."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import get_args

import click
import pytest

import coodie
from backends import PAGE, page_of_backends
from coodie import exceptions
from coodie.capabilities import KNOWN
from coodie.config import TLS_OPTIONS, ConnectionConfig
from coodie.drivers.cassandra.values.types import _families
from coodie.schema import ColumnDefinition
from coodie_local import errors as local_errors
from coodie_local._inventory import Condition
from coodie_local._releases import DEFAULT_VERSION, RELEASES
from coodie_local.cli import local

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def in_tables(page: str) -> set[str]:
    """Return what a page has as code in the first cells of its tables."""
    text = (DOCS / page).read_text(encoding="utf-8")
    cells = re.findall(r"^\|([^|]*)\|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_option_of_connecting_is_in_a_table() -> None:
    """Whatever init_coodie and init_coodie_async name, and each field of ConnectionConfig."""
    functions = (coodie.init_coodie, coodie.init_coodie_async)
    options = {name for function in functions for name in inspect.signature(function).parameters}
    options |= {field.name for field in dataclasses.fields(ConnectionConfig)} | set(TLS_OPTIONS)
    options |= {"aware_timestamps", "statement_cache_size"}
    internal = {"kwargs", "options", "host_ports", "certificate_files"}
    tables = in_tables("guides/connecting.md") | in_tables("guides/authentication-and-tls.md")
    assert options - internal - tables == set()


def test_every_request_option_is_in_the_table() -> None:
    """Each field of RequestOptions, and each attribute of Rows."""
    options = {field.name for field in dataclasses.fields(coodie.RequestOptions)}
    assert options - in_tables("guides/requests.md") == set()
    rows = {"paging_state", "has_more_pages", "applied", "warnings", "trace_id"}
    assert rows - in_tables("guides/requests.md") == set()


def test_every_logger_is_in_the_table() -> None:
    """Each logger that a module of ours has, by its name or its module's."""
    sources = [path for name in ("core", "local") for path in (ROOT / f"coodie_{name}" / "src").rglob("*.py")]
    found = set()
    for path in sources:
        module = ".".join(path.with_suffix("").parts[path.parts.index("src") + 1 :])
        for name in re.findall(
            r"^\w+ = (?:logging\.)?getLogger\(([^)]+)\)", path.read_text("utf-8"), re.MULTILINE
        ):
            found.add(module if name == "__name__" else name.strip('"'))
    assert len(found) > 5
    assert found - in_tables("guides/observing.md") == set()


def test_every_attribute_of_a_column_is_in_the_table() -> None:
    """Each field of ColumnDefinition."""
    attributes = {field.name for field in dataclasses.fields(ColumnDefinition)}
    assert attributes - in_tables("guides/schema.md") == set()


def test_every_command_for_local_nodes_is_in_the_tables() -> None:
    """Each command of `coodie local`, each of its options, each state, each version."""
    named = in_tables("guides/local-cli.md")
    context = click.Context(local)
    for name in local.list_commands(context):
        command = local.get_command(context, name)
        assert command is not None
        options = {o for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("-")}
        assert {name, *options} - named == set(), name
    assert set(get_args(Condition)) - named == set()
    text = (DOCS / "guides" / "local-cli.md").read_text(encoding="utf-8")
    for release in RELEASES:
        assert f"| {release.version} | {release.java} |" in text


def test_the_page_of_errors_has_all_sections() -> None:
    """The page includes the sections of both trees; that each class has one, the distributions test."""
    page = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    files = [Path(str(module.__file__)).with_suffix(".md") for module in (exceptions, local_errors)]
    for file in files:
        assert f"```{{include}} ../../{file.relative_to(ROOT)}\n" in page


def test_the_page_of_errors_has_the_tree() -> None:
    """The list of links is the tree in the docstrings of both modules."""
    expected = ["- `CoodieError`"]
    for module in (exceptions, local_errors):
        for line in str(module.__doc__).splitlines():
            found = re.match(r"    ([│ ├└─]+)(\w+Error)(?: \((\w+)\))?\s*(.*)", line)
            if found:
                depth, name, base, meaning = len(found[1]) // 4, found[2], found[3], found[4]
                builtin = f" (`{base}`)" if base else ""
                meaning = meaning or "a local node can't be started or used" * (name == "LocalNodeError")
                tail = f": {meaning}" if meaning else ""
                expected.append(f"{'  ' * depth}- [`{name}`](#{name.lower()}){builtin}{tail}")
    page = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    lines = page.partition("## The tree")[2].partition("```")[0].splitlines()
    assert [line for line in lines if line.lstrip().startswith("- ")] == expected


def test_the_reference_has_every_exception() -> None:
    """Each class that can be caught has its attributes in the reference."""
    page = (DOCS / "reference" / "api" / "exceptions.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"autoexception:: (\w+)", page)) == sorted(exceptions.__all__)


def test_every_cql_type_is_in_the_table() -> None:
    """Each type that the drivers know; a user-defined type is in words."""
    types = set(_families().values()) - {"frozen", "reversed", "udt"}
    named = {name.partition("<")[0] for name in in_tables("guides/values.md")}
    assert types - named == set()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_of_the_front_pages_lead_somewhere(page: str) -> None:
    """A relative link is the path of a file; Sphinx looks after those inside of docs."""
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    files = [link.partition("#")[0] for link in links if "://" not in link and not link.startswith("#")]
    assert files
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_what_protects_users_has_its_tests() -> None:
    """Each line of the table names files of tests, and they are there."""
    table = (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("| guarantee | tests |")[2]
    lines = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("|---")]
    assert lines
    for line in lines:
        files = re.findall(r"`([^`]+\.py)`", line)
        assert files, line
        assert [file for file in files if not (ROOT / file).is_file()] == []


def test_every_make_target_is_for_contributors_to_find() -> None:
    """Each target that `make` lists is in the table, and no other."""
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)) - {"help"}
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `make ")]
    assert {name for row in rows for name in re.findall(r"`make ([a-z-]+)`", row)} == targets


def test_the_readme_begins_with_what_a_newcomer_needs() -> None:
    """Three sentences, two commands that there are, and at most ten lines of code, sync and async."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = text.split("\n\n")[1]
    assert len(re.findall(r"\.(?=\s|$)", first)) == 3
    commands = text.partition("## Two commands")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `make ([a-z-]+)` ", commands, re.MULTILINE)
    assert named == ["demo", "test"]
    assert all(re.search(f"^{name}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for name in named)
    lines = text.partition("## Ten lines")[2].partition("\n## ")[0]
    sync, asynchronous = re.findall(r"```python\n(.*?)```", lines, re.DOTALL)
    assert max(sum(map(bool, block.splitlines())) for block in (sync, asynchronous)) <= 10
    assert "await" in asynchronous
    assert "await" not in sync


def test_the_readme_is_short() -> None:
    """It can be read in some minutes; its code doesn't scroll sideways."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 130
    code = "\n".join(lines).split("```")[1::2]
    assert [line for block in code for line in block.splitlines() if len(line) > 79] == []


def test_the_ratios_in_the_readme_were_measured() -> None:
    """Each is the linked table's median of coodie-scylla ÷ scylla-driver, up to the 15 % that are noise."""
    sections: dict[str, list[list[str]]] = {}
    for section in (DOCS / "benchmarks.md").read_text(encoding="utf-8").split("\n### ")[1:]:
        title, *lines = section.splitlines()
        anchor = f"{title}-1" if title in sections else title
        sections[anchor] = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    said = re.findall(r"\[(?:1/(\d+)|([\d.]+) times)\]\(docs/benchmarks\.md#([\w-]+)\)", text)
    assert len(said) == text.count("docs/benchmarks.md#") > 0
    for part, times, anchor in said:
        head, *rows = sections[anchor]
        (column,) = [number for number, name in enumerate(head) if name.endswith(" ÷ scylla-driver")]
        (median,) = [float(row[column].split()[0]) for row in rows if row[0] == "coodie-scylla"]
        assert float(times or 1 / int(part)) == pytest.approx(median, rel=0.15), anchor


def test_the_readme_has_every_backend() -> None:
    """The table of backends is that of the code."""
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Backends")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([\w-]+) \|", table, re.MULTILINE)
    assert rows[1:] == [(name, backend.distribution) for name, backend in KNOWN.items()]


def test_the_table_of_capabilities_is_current() -> None:
    """The comparison of backends has what `python scripts/backends.py` writes."""
    assert PAGE.read_text(encoding="utf-8") == page_of_backends(), "run python scripts/backends.py"


def test_the_versions_that_are_named_are_tested() -> None:
    """What pages say that the tests run with is what is pinned."""
    pages = {
        name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/what-was-tested.md")
    }
    drivers = {backend: f"{backend}-driver" for backend in ("scylla", "cassandra")}
    for backend, driver in (drivers | {"rust": "scylladb-rs-driver", "acsylla": "acsylla"}).items():
        pins = (ROOT / "requirements" / f"{backend}.txt").read_text(encoding="utf-8")
        (version,) = re.findall(rf"^{driver}==(.+)$", pins, re.MULTILINE)
        own = (ROOT / f"coodie_{backend}" / "README.md").read_text(encoding="utf-8")
        assert f"tested with {version}." in own
        assert f"| {version} |" in pages["README.md"]
        assert f"{driver} {version}" in pages["docs/what-was-tested.md"]
    assert all(DEFAULT_VERSION in page for page in pages.values())


def test_the_versions_of_frameworks_are_tested() -> None:
    """What the page says that the recipes ran with is what is pinned for them."""
    pins = (ROOT / "requirements" / "recipes.txt").read_text(encoding="utf-8")
    page = (DOCS / "what-was-tested.md").read_text(encoding="utf-8")
    for name in ("FastAPI", "uvicorn", "Flask", "Django", "gunicorn", "Celery", "Dask"):
        (version,) = re.findall(rf"^{name.lower()}==(.+)$", pins, re.MULTILINE)
        (said,) = re.findall(rf"\b{name} (\d[\d.]*\d)", page)
        assert version.startswith(said), name
