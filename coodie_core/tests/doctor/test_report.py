"""How an examination is told, and what the doctor does where coodie can't be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from coodie_doctor.__main__ import main
from coodie_doctor.examination import connect_task
from coodie_doctor.findings import Finding, Report
from coodie_doctor.ownership import altered_files, core_findings

if TYPE_CHECKING:
    from coodie_core.tests.distributions import Site

BACKEND: dict[str, Any] = {
    "driver_type": "acme",
    "distribution": "acme-db",
    "version": "2.0",
    "state": "broken",
    "facts": {"reactor": "libev"},
}


def test_text() -> None:
    """Each command stands alone at the start of its line, ready to be copied, however long the words are."""
    command = "pip uninstall --yes " + "long-name " * 20
    findings = [Finding("acme", "word " * 60, command), Finding("other", "A remark.", None, is_problem=False)]
    report = Report({"python": "3"}, findings, [BACKEND], {"driver": "acme", "facts": {"protocol": "5"}})
    lines = report.as_text().splitlines()
    assert command in lines
    assert lines.index("Problems") < lines.index(command) < lines.index("Remarks")
    assert any(line.split() == ["acme", "broken", "acme-db", "2.0"] for line in lines)
    assert any(line.split() == ["protocol", "5"] for line in lines)
    assert lines[-1] == "1 problem found."


def test_json() -> None:
    """For programs all of it, and whether all is well: a remark is no problem."""
    report = Report({}, [Finding("other", "A remark.", None, is_problem=False)], [BACKEND])
    told = json.loads(report.as_json())
    assert told["ok"] is True
    assert told["backends"] == [BACKEND]
    assert told["findings"][0]["is_problem"] is False
    assert report.as_text().endswith("\nNo problems found.")


def test_nothing_but_the_standard_library() -> None:
    """Importing the doctor imports neither coodie nor anything that has to be installed."""
    code = (
        "import sys; before = set(sys.modules); import coodie_doctor.__main__; import json\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(json.dumps(sorted(new - sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["coodie_doctor"]


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("importlib_metadata", "needs the module 'importlib_metadata'"),
        ("pluggy", "needs the module 'pluggy'"),
        ("coodie.diagnostics.diagnosis", "The package coodie raised ModuleNotFoundError"),
    ],
)
def test_where_coodie_cannot_be_imported(missing: str, said: str) -> None:
    """What keeps core from being imported is a finding, with what to run; the doctor itself works."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from coodie_doctor.__main__ import main; sys.exit(main(['--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert said in finding["message"]
    assert finding["command"].startswith("pip install --force-reinstall")


@pytest.mark.parametrize(
    "arguments", [["--option", "port"], ["--option", "=5"], ["--password-env", "NO_SUCH"]]
)
def test_arguments_that_cannot_be_used(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """They end the program with status 2, before anything is looked at."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_what_to_connect_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing given means no connection; a password comes from the environment."""
    assert connect_task([], None, [], None) is None
    monkeypatch.setenv("SECRET", "s=3")
    assert connect_task(["a"], "acme", ["port=1", "x=y=z"], "SECRET") == {
        "driver": "acme",
        "hosts": ["a"],
        "options": {"port": "1", "x": "y=z", "password": "s=3"},
    }


# --- whose files -------------------------------------------------------------------------


def test_every_file_of_core(site: Site) -> None:
    """Altered and missing files are named, a few of them; the command puts them back."""
    files = {f"coodie/m{n}.py": "ours" for n in range(5)}
    site.install("coodie-core", "0.1.0", files={"coodie/__init__.py": "ours", **files})
    (core,) = (one for one in site.distributions() if one.version == "0.1.0")
    assert list(altered_files(core)) == []
    for n in range(4):
        (site.path / f"coodie/m{n}.py").write_text("theirs", encoding="utf-8")
    (site.path / "coodie/m4.py").unlink()
    (finding,) = core_findings(site.index().distribution, only=None)
    assert "coodie/m0.py, coodie/m1.py, coodie/m2.py and 2 more aren't the files" in finding.message
    assert finding.command == "pip install --force-reinstall --no-deps ./coodie_core"
    assert core_findings(site.index().distribution) == []
