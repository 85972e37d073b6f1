"""The pages' blocks are type-checked."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

import pytest

import doc_types
import pages
from doc_types import modules_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    #: Writes a page with a text and returns its path.
    PageOf = Callable[[str], Path]


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


class Checkers:
    """Both checkers, of which each says that a page's line has an error; and the command."""

    def __init__(self, directory: Path) -> None:
        module = directory / "modules" / "docs_some_page_page.py"
        told = {"file": str(module), "line": 5, "message": "no", "code": "misc", "severity": "error"}
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
    """Have one page with two errors."""
    made = Checkers(tmp_path)
    monkeypatch.setattr(doc_types, "ROOT", tmp_path)
    monkeypatch.setattr(doc_types, "PAGES", [page_of(PAGE)])
    monkeypatch.setattr(doc_types, "_MODULES", tmp_path / "modules")
    return made


def test_the_command_names_the_pages_lines(checkers: Checkers, capsys: pytest.CaptureFixture[str]) -> None:
    """Both checkers' errors are on the lines of the page."""
    assert doc_types.main(checkers.options) == 1
    said = capsys.readouterr().out.splitlines()
    assert "docs/some-page.md:5: mypy: no [misc]" in said
    assert "docs/some-page.md:4: pyright: nor here [reportX]" in said


def test_pages_without_errors_pass(checkers: Checkers, tmp_path: Path) -> None:
    """The command ends with 0 only where neither checker found an error."""
    (tmp_path / "python").write_text("#!/bin/sh\n", encoding="utf-8")
    assert doc_types.main(checkers.options) == 1
    found = '{"generalDiagnostics": [], "summary": {"filesAnalyzed": 1}}'
    (tmp_path / "pyright").write_text(f"#!/bin/sh\necho '{found}'\n", encoding="utf-8")
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
    assert doc_types.main(checkers.options) == 1
    said = capsys.readouterr().err
    assert "broken" in said or "0 modules instead of 1" in said
