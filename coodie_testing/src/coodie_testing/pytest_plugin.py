"""The pytest plug-in of the conformance kit, and a fixture of a fake server.

Neither is imported until a suite is collected, or the fixture is used.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from coodie_testing.fake.cluster import FakeCluster

#: A failing check shows what it compared; for that pytest rewrites these modules when they are imported. In a
#: distribution that isn't installed in place it finds them by itself.
pytest.register_assert_rewrite(
    "coodie_testing.api", "coodie_testing.checks", "coodie_testing.conformance", "coodie_testing.resources"
)

#: The formats of the report.
_FORMATS = ("json", "markdown", "text")

#: The attribute of a test's report under which its place in ours travels, also between processes.
_PLACE = "coodie_check"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the report."""
    group = parser.getgroup("coodie", "conformance of coodie drivers")
    group.addoption(
        "--coodie-report",
        action="append",
        default=[],
        metavar="FORMAT:PATH",
        help="write the conformance report: json:PATH, markdown:PATH or text:PATH; may be given again",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Raise if the report can't be written, before tests run."""
    files = []
    for wanted in config.option.coodie_report:
        kind, _, path = wanted.partition(":")
        if kind not in _FORMATS or not path:
            formats = ", ".join(f"{name}:PATH" for name in _FORMATS)
            raise pytest.UsageError(f"--coodie-report={wanted} can't be written. Give one of {formats}.")
        files.append((kind, Path(path)))
    config.pluginmanager.register(_Conformance(files), "coodie-conformance")


@pytest.fixture
def fake_cluster() -> Iterator[FakeCluster]:
    """A ``FakeCluster``; script its responses with ``when``."""
    from coodie_testing.fake.cluster import FakeCluster

    with FakeCluster() as cluster:
        yield cluster


class _Conformance:
    """Collect the outcomes of checks, wherever they ran, and report them at the end.

    Args:
        files: What to write: format and path.
    """

    def __init__(self, files: list[tuple[str, Path]]) -> None:
        self._files = files
        self._outcomes: list[tuple[dict[str, Any], str, str]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the check and its suite to a test's report."""
        report = yield
        if "coodie_testing.conformance" in sys.modules:
            from coodie_testing.outcomes import check_location

            place = check_location(item)
            if place is not None:
                setattr(report, _PLACE, place)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the outcome of a check; with pytest-xdist, this runs in the controlling process."""
        place = getattr(report, _PLACE, None)
        if place is None or (report.when != "call" and report.outcome == "passed"):
            return
        if hasattr(report, "wasxfail"):
            outcome, reason = "failed", f"expected to fail: {report.wasxfail}"
        elif report.outcome == "skipped":
            outcome = "skipped"
            reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        else:
            outcome, reason = report.outcome, ""
        self._outcomes.append((place, outcome, reason.removeprefix("Skipped: ")))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the report, and write it to the requested files."""
        if not self._outcomes and not self._files:
            return
        from coodie_testing.report import render_json, render_markdown, render_text, suites_of

        suites = suites_of(self._outcomes)
        render = {"json": render_json, "markdown": render_markdown, "text": render_text}
        for kind, path in self._files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render[kind](suites), encoding="utf-8")
        if suites:
            terminalreporter.section("conformance of coodie drivers")
            terminalreporter.write(render_text(suites))
        for kind, path in self._files:
            terminalreporter.write_line(f"coodie: {kind} report in {path}")
