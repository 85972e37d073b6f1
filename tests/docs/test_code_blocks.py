"""The Python blocks of the READMEs and of docs/ do what they say: each runs against a real server.

The blocks of a page share a namespace and run in their order, as a reader would type them, with ``await``
at the top level as in ``python -m asyncio``. Three words stand for the reader's own and are exchanged: the
address ``"127.0.0.1"``, ``port=9042`` and ``driver_type="scylla"`` or ``"cassandra"`` (also ``backend=``), or
``scylla://127.0.0.1:9042``; ``"127.0.0.1:9042"`` is the first two. A block with a mark (scripts/pages.py has
them) doesn't run.

What a ``print`` prints stands behind it, as in ``print(x)  # what is printed``, or in the comment lines below
it; a comment line that is indented by three spaces continues the line before it. A block of the language
``pycon`` is a session at Python's prompt, and has the output itself; a traceback has `...` for its frames.

Before a page's blocks run, a file with a plain name is written to the working directory, and the others are
installed as one distribution. A block that says what it prints has to print just that.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import codeop
import contextlib
import inspect
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from traceback import format_exception_only
from types import FunctionType
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from coodie.config.loading import find_configuration
from pages import LOCAL, PAGES, Block, PageError, Typed, blocks_of, name_of
from steps import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from _pytest.mark import ParameterSet

    from coodie.registry import DriverRegistry

#: The pages whose reader writes files.
WRITING = {"README.md", "docs/guides/configuration.md"}

#: The pages whose blocks start nodes, beside README.md.
STARTING = {"coodie_local/README.md", "docs/guides/local-node.md", "docs/tutorial.md"}

KEYSPACE = "coodie_docs"

#: Columns that fit beside the navigation of the site, and in a terminal.
COLUMNS = 79

_BEHIND = re.compile(r"\)  # (?P<said>.*)$")
_BELOW = re.compile(r"[ ]*# (?P<continued>  )?(?P<said>.*)$")


def said_by(code: str) -> list[str]:
    """Return the lines that a block says it prints."""
    lines = code.splitlines()
    prints = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    said: list[str] = []
    for end in sorted(node.end_lineno or 0 for node in prints):
        behind = _BEHIND.search(lines[end - 1])
        if behind:
            said.append(behind["said"])
            continue
        first = True
        for line in lines[end:]:
            below = _BELOW.match(line)
            if below is None:
                break
            if below["continued"] and not first:
                said[-1] += f" {below['said']}"
            else:
                said.append(f"{below['continued'] or ''}{below['said']}")
            first = False
    return said


class Reader:
    """Whoever reads one page: types its blocks in, one after the other.

    Args:
        names: What the page presupposes.
        words: What stands in the blocks for the reader's own → that.
    """

    def __init__(self, names: Mapping[str, Any], words: Mapping[str, str]) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__", **names}
        self._words = words
        self._loop = asyncio.new_event_loop()

    def run(self, block: Block) -> None:
        """Run a block, and compare what it prints with what it says that it does."""
        if block.language == "pycon":
            for each in block.typed():
                self._type(block, each)
            return
        said = said_by(block.code)
        printed = self._printed_by(block, block.line, block.code, "exec")
        if said:
            assert printed.splitlines() == said, block.place

    def _type(self, block: Block, typed: Typed) -> None:
        """Type a statement at the prompt, and compare what is printed, but for the frames of a traceback."""
        expected = typed.output
        try:
            printed = self._printed_by(block, typed.line - 1, typed.code, "single")
        except Exception as exc:
            if not expected.startswith("Traceback "):
                raise
            printed = format_exception_only(exc)[0]  # without notes, which Python 3.10 doesn't print
            expected = expected.partition("\n  ...\n")[2]
        assert printed.split() == expected.split(), f"{block.page.name}:{typed.line}"

    def _printed_by(self, block: Block, lines_above: int, source: str, mode: str) -> str:
        """Run code, and return what it prints; in the mode "single", values of expressions are printed."""
        for word, own in self._words.items():
            source = source.replace(word, own)
        # So many empty lines before it that a traceback shows the page's own.
        code = compile(
            "\n" * lines_above + source,
            str(block.page),
            mode,
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            outcome = FunctionType(code, self.names)()
            if inspect.iscoroutine(outcome):
                self._loop.run_until_complete(outcome)
        return printed.getvalue()

    def close(self) -> None:
        """End what the page left running."""
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


def install(blocks: list[Block], directory: Path) -> Path:
    """Write the files of a page and install the distribution that they make.

    Args:
        blocks: The page's.
        directory: An empty one.

    Returns:
        A directory for ``sys.path``.
    """
    for block in blocks:
        file = directory / "project" / block.about
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.code, encoding="utf-8")
    (pyproject,) = (directory / "project").rglob("pyproject.toml")
    # Without an index: its build backend and what it depends on are here.
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    target = directory / "installed"
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target)]
    subprocess.run([*command, str(pyproject.parent)], check=True)
    return target


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[list[Block]], None]]:
    """Install a page's files where Python finds them, for this test alone."""

    def make(files: list[Block]) -> None:
        monkeypatch.syspath_prepend(install(files, tmp_path))

    yield make
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def reader(
    request: pytest.FixtureRequest, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Path], Reader]]:
    """Make somebody who has what a page presupposes: a driver, or a directory for local nodes."""
    registry: DriverRegistry = request.getfixturevalue("registry")
    made: list[Reader] = []

    def make(page: Path) -> Reader:
        if name_of(page) in WRITING:
            monkeypatch.chdir(tmp_path)
        words = {
            f'{option}="{name}"': f'{option}="{backend}"'
            for option in ("driver_type", "backend")
            for name in ("scylla", "cassandra")
        }
        names: dict[str, Any] = {}
        node = request.getfixturevalue("cassandra_node")
        if name_of(page) in LOCAL:
            monkeypatch.setenv("COODIE_LOCAL_HOME", str(tmp_path / "home"))
            words['"127.0.0.1"'] = f'"{node.host}:{node.port}"'
        else:
            words |= {'"127.0.0.1"': f'"{node.host}"', "port=9042": f"port={node.port}"}
            words['"127.0.0.1:9042"'] = f'"{node.host}:{node.port}"'
            words["scylla://127.0.0.1:9042"] = f"{backend}://{node.host}:{node.port}"
            replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
            request.getfixturevalue("driver").execute(
                f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {replication}", []
            )
            names["driver"] = request.getfixturevalue("connect")(keyspace=KEYSPACE)
        made.append(Reader(names, words))
        return made[-1]

    # For pages that set variables, and Python's prompt, which sets `_`.
    with mock.patch.dict(os.environ), mock.patch.object(builtins, "_", None, create=True):
        yield make
    for each in made:
        each.close()
    for name in registry.names():
        registry.get(name).close()


def runnable(page: Path) -> list[Block]:
    """Return the blocks that run."""
    return [block for block in blocks_of(page) if block.python and not block.mark]


def pages() -> Iterator[ParameterSet]:
    """Give the pages; those that start nodes of their own are for the second tier, but for README."""
    for page in PAGES:
        if runnable(page):
            marks = [pytest.mark.extended] if name_of(page) in STARTING else []
            yield pytest.param(page, id=name_of(page), marks=marks)


@pytest.mark.server
@pytest.mark.parametrize("page", list(pages()))
def test_the_blocks_of_a_page_run(
    page: Path, reader: Callable[[Path], Reader], installed: Callable[[list[Block]], None]
) -> None:
    """Whoever types in a page's blocks gets what the page says."""
    if page.name == "data-frames.md":
        pytest.importorskip("pyarrow", reason="pyarrow isn't installed: it has no wheels for this Python")
    files = [block for block in blocks_of(page) if block.mark == "file"]
    one = reader(page)
    packaged = [block for block in files if "/" in block.about]
    if packaged:
        installed(packaged)
    for block in files:
        if block not in packaged:
            Path(block.about).write_text(block.code, encoding="utf-8")
    for block in runnable(page):
        one.run(block)


def test_the_tutorial_can_be_typed_in() -> None:
    """Its reader types into a prompt, where what is indented ends with an empty line."""
    prompt = codeop.CommandCompiler()
    prompt.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for block in runnable(ROOT / "docs" / "tutorial.md"):
        assert block.language == "pycon"
        for each in block.typed():
            lines = each.code.split("\n")
            entered = [prompt("\n".join(lines[: end + 1])) is not None for end in range(len(lines))]
            # Python goes on asking for lines until the last one.
            assert entered == [False] * (len(lines) - 1) + [True], f"{block.page.name}:{each.line}"


def test_configurations_are_without_mistakes(tmp_path: Path) -> None:
    """Whoever copies a configuration from a page has one that can be read; its secrets are the reader's."""
    file = tmp_path / "coodie.toml"
    blocks = [block for page in PAGES for block in blocks_of(page) if "[connections." in block.code]
    copied = [block for block in blocks if block.language == "toml"]
    assert len(copied) > 2
    for block in copied:
        file.write_text(block.code, encoding="utf-8")
        assert find_configuration(file, {}).connections, block.place


def test_code_fits() -> None:
    """No line of a block is longer than 79 columns; ruff says so of recipes, which pages include."""
    blocks = [block for page in PAGES for block in blocks_of(page) if not block.language.startswith("{")]
    found = [
        f"{block.place}: {line}"
        for block in blocks
        for line in block.code.splitlines()
        if len(line) > COLUMNS
    ]
    assert found == []


def test_a_file_is_named_to_its_reader() -> None:
    """The path in a mark, which isn't seen, stands in the text, too."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert [b.about for b in blocks_of(page) if b.mark == "file" and f"`{b.about}`" not in text] == []


# --- the reading of pages itself --------------------------------------------------------


@pytest.fixture
def page_of(tmp_path: Path) -> Callable[[str], Path]:
    """Write a page."""

    def write(text: str) -> Path:
        path = tmp_path / "page.md"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("assert 1 == 2", AssertionError),
        ("import asyncio\nawait asyncio.wait_for(asyncio.sleep(1), 0.01)", asyncio.TimeoutError),
        ("print(1 + 1)  # 3", AssertionError),
        ("print(2)\nprint(3)  # 3", AssertionError),
        ("print(1 + 1)\n# 3", AssertionError),
        ("print('one two')\n# one\n# two", AssertionError),
        ("pass  # 'unterminated\n'", SyntaxError),
    ],
)
def test_a_broken_block_fails(page_of: Callable[[str], Path], code: str, error: type[Exception]) -> None:
    """A block that raises, or prints something else than it says, is a failed test."""
    (block,) = blocks_of(page_of(f"# A page\n\n```python\n{code}\n```\n"))
    one = Reader({}, {})
    with pytest.raises(error):
        one.run(block)
    one.close()


@pytest.mark.parametrize(
    ("session", "error"),
    [
        (">>> 1 + 1\n2\n>>> await sleep(0, 'a')\n'a'", None),
        (">>> for n in (1, 2):\n...     n\n...\n1\n2", None),
        (">>> 1 / 0\nTraceback (most recent call last):\n  ...\nZeroDivisionError: division by zero", None),
        (">>> 1 + 1\n3", AssertionError),
        (">>> 1 + 1", AssertionError),
        (">>> 1 / 0\n1", ZeroDivisionError),
        (">>> 1 / 0\nTraceback (most recent call last):\n  ...\nZeroDivisionError: other", AssertionError),
        ("1 + 1", PageError),
    ],
)
def test_a_session_is_compared(
    page_of: Callable[[str], Path], session: str, error: type[Exception] | None
) -> None:
    """Each statement at a prompt prints what is below it, or raises the error whose traceback is there."""
    (block,) = blocks_of(page_of(f"```pycon\n{session}\n```\n"))
    one = Reader({"sleep": asyncio.sleep}, {})
    with contextlib.nullcontext() if error is None else pytest.raises(error):
        one.run(block)
    one.close()


def test_output_below_a_print_is_compared(page_of: Callable[[str], Path]) -> None:
    """A long line of output goes on in an indented comment; a comment behind an empty line isn't output."""
    code = "for n in (1,):\n    print(\n        'one two',\n    )\n    # one\n    #   two\n\n# not output"
    (block,) = blocks_of(page_of(f"```python\n{code}\n```\n"))
    assert said_by(block.code) == ["one two"]
    one = Reader({}, {})
    one.run(block)
    one.close()


def test_a_traceback_names_the_pages_line(page_of: Callable[[str], Path]) -> None:
    """The line of a failure is the line in the page."""
    (block,) = blocks_of(page_of("# A page\n\n```python\nnothing = 0\n1 / nothing\n```\n"))
    one = Reader({}, {})
    with pytest.raises(ZeroDivisionError) as caught:
        one.run(block)
    one.close()
    last = caught.traceback[-1]
    assert (str(last.path), last.lineno + 1) == (str(block.page), 5)


def test_blocks_build_on_each_other(page_of: Callable[[str], Path]) -> None:
    """Names stay from block to block, `await` works at the top level, words are exchanged."""
    page = page_of(
        "```python\nport = dict(port=9042)\n```\ntext\n\n```python\nprint(port)  # {'port': 1}\n```\n"
    )
    one = Reader({}, {"port=9042": "port=1"})
    for block in runnable(page):
        one.run(block)
    one.close()


@pytest.mark.parametrize(
    "text",
    [
        "```py\nx\n```",
        "```Python\nx\n```",
        "```{code-block} python\nx\n```",
        "```python\nno end",
        "<!-- not run -->\n```python\nx\n```",
        "<!-- not run: a reason -->\n\n```python\nx\n```",
        "<!--not run: a reason -->\n```python\nx\n```",
    ],
)
def test_nothing_escapes_by_a_typo(page_of: Callable[[str], Path], text: str) -> None:
    """A fence or a mark that isn't known is refused, instead of passed over."""
    with pytest.raises(PageError):
        blocks_of(page_of(text))


def test_marks_are_read(page_of: Callable[[str], Path]) -> None:
    """A mark belongs to the block right below it; code inside of blocks is no mark."""
    blocks = blocks_of(
        page_of(
            "<!-- not run: no server -->\n```python\na\n```\n"
            "<!-- file: x/pyproject.toml -->\n```toml\n<!-- not a mark here -->\n```\n"
            "1. text\n\n   ```python\n   b\n   ```\n"
        )
    )
    assert [(block.line, block.language, block.mark, block.about) for block in blocks] == [
        (2, "python", "not run", "no server"),
        (6, "toml", "file", "x/pyproject.toml"),
        (11, "python", "", ""),
    ]
    assert blocks[2].code == "b\n"
