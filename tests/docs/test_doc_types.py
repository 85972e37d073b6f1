"""The pages' blocks are type-checked, and what is wrong in them may only become less."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

import pytest

import doc_types
import pages
from doc_types import LIST, TypeFault, compare, modules_of, shrink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    #: Writes a page with a text and returns its path.
    PageOf = Callable[[str], Path]

FAULTS = [
    TypeFault("a.md", 3, "mypy", "one [x]"),
    TypeFault("a.md", 5, "mypy", "two [y]"),
    TypeFault("b.md", 9, "pyright", "three [z]"),
]


@pytest.fixture
def page_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PageOf:
    """Have one page, in a directory of its own."""
    monkeypatch.setattr(pages, "ROOT", tmp_path)

    def write(text: str) -> Path:
        path = tmp_path / "docs" / "some-page.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


PAGE = """\
# A page

```python
import asyncio
await asyncio.sleep(0)
```

1. text

   ```python
   word = '''two
   lines'''
   ```

```text
not Python
```
"""


def test_a_line_has_the_number_that_it_has_in_the_page(page_of: PageOf) -> None:
    """What a checker says of a module's line holds for the page's."""
    page = page_of(PAGE)
    ((path, code),) = modules_of(page).items()
    assert path == "docs_some_page_page.py"
    ast.parse(code)
    lines, of_page = code.splitlines(), PAGE.splitlines()
    for number in (3, 4, 10, 11):
        assert lines[number].strip() == of_page[number].strip() != ""
    assert "not Python" not in code


def test_a_page_has_what_it_presupposes(page_of: PageOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a driver, but on the pages that make one."""
    page = page_of(PAGE)
    (code,) = modules_of(page).values()
    assert "async def page(driver: Driver) -> None:" in code
    monkeypatch.setattr(doc_types, "LOCAL", {"docs/some-page.md"})
    (code,) = modules_of(page).values()
    assert "async def page() -> None:" in code


@pytest.mark.parametrize(
    ("mark", "path"),
    [
        ("file: acme/src/coodie_acme/client.py", "coodie_acme/client.py"),
        ("file: acme/coodie_acme/__init__.py", "coodie_acme/__init__.py"),
        ("file: program.py", "program.py"),
        ("not run: goes to src/coodie_acme/client.py", "coodie_acme/client.py"),
    ],
)
def test_a_file_is_a_module_of_its_own(page_of: PageOf, mark: str, path: str) -> None:
    """What a page says is a file can be imported by the page's other files."""
    code = "from __future__ import annotations\n"
    page = page_of(f"# A page\n\n<!-- {mark} -->\n```python\n{code}```\n")
    assert modules_of(page) == {path: "\n" * 4 + code}


def test_a_block_that_is_not_run_is_by_itself(page_of: PageOf) -> None:
    """Two examples of one thing may have one name, and none is defined for the blocks that run."""
    block = "<!-- not run: a reason -->\n```python\ndef example() -> None: ...\n```\n"
    (code,) = modules_of(page_of(f"# A page\n\n{block}\n{block}")).values()
    (page,) = (node for node in ast.parse(code).body if isinstance(node, ast.AsyncFunctionDef))
    scopes = [node for node in page.body if isinstance(node, ast.AsyncFunctionDef)]
    assert [len(scope.body) for scope in scopes] == [1, 1]
    assert [scope.body[0].lineno for scope in scopes] == [5, 10]


def test_a_session_has_what_is_typed(page_of: PageOf) -> None:
    """The lines behind the prompts are checked, at their places; what Python prints isn't."""
    session = ">>> for n in range(2):\n...     n\n...\n0\n1\n>>> await f(n)\n"
    (code,) = modules_of(page_of(f"# A page\n\n```pycon\n{session}```\n")).values()
    lines = [line.strip() for line in code.splitlines()]
    assert lines[3:] == ["for n in range(2):", "n", "", "", "", "await f(n)"]


def test_a_page_without_python_has_no_module(page_of: PageOf) -> None:
    """Other languages aren't looked at."""
    assert modules_of(page_of("# A page\n\n```bash\nls\n```\n")) == {}


def test_what_the_list_has_passes() -> None:
    """Nothing is said while the pages are as the list says."""
    assert compare(FAULTS, {"a.md": {"mypy": 2}, "b.md": {"pyright": 1}}) == ([], [])
    assert compare([], {}) == ([], [])


def test_more_errors_fail_with_the_pages_lines() -> None:
    """Whoever adds an error sees where it is, on a page that the list has and on one that it hasn't."""
    worse, better = compare(FAULTS, {"a.md": {"mypy": 1}})
    assert worse == [
        "a.md:3: mypy: one [x]",
        "a.md:5: mypy: two [y]",
        "a.md: errors of mypy: 2, in the list: 1",
        "b.md:9: pyright: three [z]",
        "b.md: errors of pyright: 1, in the list: 0",
    ]
    assert better == []


def test_fewer_errors_fail() -> None:
    """What was corrected, or has gone, goes from the list."""
    allowed = {"a.md": {"mypy": 3}, "b.md": {"pyright": 1}, "gone.md": {"mypy": 1, "pyright": 2}}
    worse, better = compare(FAULTS, allowed)
    assert worse == []
    assert better == [
        "a.md: errors of mypy: 2, in the list: 3",
        "gone.md: errors of mypy: 0, in the list: 1",
        "gone.md: errors of pyright: 0, in the list: 2",
    ]


def test_the_list_only_shrinks() -> None:
    """Writing it anew adds nothing."""
    allowed = {"a.md": {"mypy": 1}, "gone.md": {"mypy": 1}, "less.md": {"pyright": 2}}
    faults = [*FAULTS, TypeFault("less.md", 1, "pyright", "four")]
    assert shrink(faults, allowed) == {"a.md": {"mypy": 1}, "less.md": {"pyright": 1}}


def test_the_lists_pages_exist() -> None:
    """A page that was moved takes its errors along, or loses them."""
    assert set(json.loads(LIST.read_text(encoding="utf-8"))) <= {pages.name_of(page) for page in pages.PAGES}


class Checkers:
    """Both checkers, of which each says that a page's line has an error; the list; and the command."""

    def __init__(self, directory: Path) -> None:
        module = directory / "modules" / "docs_some_page_page.py"
        told = {"file": str(module), "line": 5, "message": "no", "code": "misc", "severity": "error"}
        self.list = directory / "list.json"
        python = self._program(directory / "python", json.dumps(told))
        start = {"start": {"line": 3}}
        found = {"file": str(module), "range": start, "message": "nor here", "rule": "reportX"}
        summary = {"generalDiagnostics": [found], "summary": {"filesAnalyzed": 1}}
        pyright = self._program(directory / "pyright", json.dumps(summary))
        self.options = ["--mypy", str(python), "--pyright", str(pyright)]

    @staticmethod
    def _program(path: Path, output: str) -> Path:
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\nexit 1\n", encoding="utf-8")
        path.chmod(0o755)
        return path


@pytest.fixture
def checkers(page_of: PageOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkers:
    """Have one page with two errors, and a list to write."""
    made = Checkers(tmp_path)
    monkeypatch.setattr(doc_types, "ROOT", tmp_path)
    monkeypatch.setattr(doc_types, "PAGES", [page_of(PAGE)])
    monkeypatch.setattr(doc_types, "_MODULES", tmp_path / "modules")
    monkeypatch.setattr(doc_types, "LIST", made.list)
    return made


def test_the_command_names_the_pages_lines(checkers: Checkers, capsys: pytest.CaptureFixture[str]) -> None:
    """Both checkers' errors are on the lines of the page."""
    checkers.list.write_text("{}", encoding="utf-8")
    assert doc_types.main(checkers.options) == 1
    said = capsys.readouterr().out.splitlines()
    assert "docs/some-page.md:5: mypy: no [misc]" in said
    assert "docs/some-page.md:4: pyright: nor here [reportX]" in said


def test_the_command_writes_the_list(checkers: Checkers, capsys: pytest.CaptureFixture[str]) -> None:
    """It says how, and does it; then all is as the list says."""
    checkers.list.write_text('{"docs/some-page.md": {"mypy": 2, "pyright": 1}}', encoding="utf-8")
    assert doc_types.main(checkers.options) == 1
    assert "--write" in capsys.readouterr().out
    assert doc_types.main([*checkers.options, "--write"]) == 0
    assert json.loads(checkers.list.read_text()) == {"docs/some-page.md": {"mypy": 1, "pyright": 1}}
    assert doc_types.main(checkers.options) == 0


@pytest.mark.parametrize(
    ("checker", "output"),
    [("python", "broken"), ("pyright", '{"generalDiagnostics": [], "summary": {"filesAnalyzed": 0}}')],
)
def test_a_checker_that_breaks_is_a_failure(
    checkers: Checkers, tmp_path: Path, capsys: pytest.CaptureFixture[str], checker: str, output: str
) -> None:
    """No answer isn't taken for no errors, and neither is one about nothing."""
    exit_status = 2 if checker == "python" else 0
    (tmp_path / checker).write_text(f"#!/bin/sh\necho '{output}'\nexit {exit_status}\n", encoding="utf-8")
    checkers.list.write_text("{}", encoding="utf-8")
    assert doc_types.main(checkers.options) == 1
    said = capsys.readouterr().err
    assert "broken" in said or "0 modules instead of 1" in said
