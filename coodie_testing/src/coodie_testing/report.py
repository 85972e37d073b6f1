"""What a suite's run says of its driver: a matrix of capabilities as text, JSON and Markdown."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coodie.capabilities import Capability
from coodie_testing.checking import Check, checks_of
from coodie_testing.conformance import DriverConformance

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SuiteReport", "render_json", "render_markdown", "render_text", "suites_of"]

#: The row of what no capability excuses from.
_EVERY_DRIVER = "every driver"


@dataclass(slots=True)
class SuiteReport:
    """What came of one suite's checks."""

    #: The class's name, with its module's path.
    suite: str
    #: The driver's class.
    driver: str | None = None
    #: The capabilities that the driver declares, by name.
    declared: frozenset[str] = frozenset()
    #: Check → way (sync, async, once; with its parameters) → outcome.
    outcomes: dict[str, dict[str, str]] = field(default_factory=dict)
    #: Check → why it was skipped.
    skipped: dict[str, str] = field(default_factory=dict)
    #: Check → why the suite leaves it out.
    waived: dict[str, str] = field(default_factory=dict)
    #: Check → why the suite has a test of its own for it.
    overridden: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The class's name."""
        return self.suite.rpartition("::")[2]

    @property
    def not_run(self) -> list[str]:
        """The checks that nothing came of: deselected, or never reached."""
        return [name for name in CHECKS if name not in self.outcomes]

    def counts(self, checks: Iterable[Check]) -> Counter[str]:
        """Count outcomes of some checks."""
        return Counter(outcome for each in checks for outcome in self.outcomes.get(each.name, {}).values())


CHECKS = checks_of(DriverConformance)


def _rows() -> list[tuple[str, Capability | None, list[Check]]]:
    """Return the matrix's rows: a title, the capability, its checks."""
    rows: list[tuple[str, Capability | None, list[Check]]] = [
        (_EVERY_DRIVER, None, [each for each in CHECKS.values() if not each.needs])
    ]
    for capability in Capability:
        checks = [each for each in CHECKS.values() if capability in each.needs]
        rows.append((str(capability), capability, checks))
    return rows


def suites_of(outcomes: Iterable[tuple[dict[str, Any], str, str]]) -> list[SuiteReport]:
    """Sort outcomes by suites.

    Args:
        outcomes: Where each stands, as ``check_location`` says it; its outcome; why it was skipped.
    """
    suites: dict[str, SuiteReport] = {}
    for place, outcome, reason in outcomes:
        suite = suites.setdefault(place["suite"], SuiteReport(place["suite"]))
        suite.driver = place["driver"] or suite.driver
        if place["declared"] is not None:
            suite.declared = frozenset(place["declared"])
        suite.waived = place["waived"]
        check = place["check"]
        ways = suite.outcomes.setdefault(check, {})
        # A failure while the fixtures end comes after the check's own outcome, and counts more.
        if ways.get(place["mode"]) != "failed":
            ways[place["mode"]] = outcome
        if outcome == "skipped":
            suite.skipped[check] = reason
        if place["override"] is not None:
            suite.overridden[check] = place["override"]
    return list(suites.values())


def _cell(suite: SuiteReport, capability: Capability | None, checks: list[Check]) -> tuple[str, str]:
    """Say in a mark and in words how a suite fares with a row."""
    counts = suite.counts(checks)
    ran = counts["passed"] + counts["failed"]
    if counts["failed"]:
        return "✗", f"{counts['failed']} of {ran} failed"
    if capability is not None and capability.name not in suite.declared:
        return "–", "not declared"
    if not checks:
        return "·", "declared; the kit has no check"
    if not ran:
        return "?", "nothing ran"
    return "✓", f"{ran} passed"


def render_text(suites: list[SuiteReport]) -> str:
    """Write the matrix, and what was left out, for a terminal."""
    lines = []
    for suite in suites:
        total = suite.counts(CHECKS.values())
        lines.append(f"{suite.suite} ({suite.driver or 'no driver was opened'})")
        for title, capability, checks in _rows():
            mark, words = _cell(suite, capability, checks)
            lines.append(f"  {mark} {title:<26}{words}")
        lines.append(
            f"  {len(CHECKS)} checks, sync and async: {total['passed']} passed, {total['failed']} failed, "
            f"{total['skipped']} skipped"
        )
        for what, reasons in (("waived", suite.waived), ("overridden", suite.overridden)):
            lines += [f"  {what}: {check}: {reason}" for check, reason in sorted(reasons.items())]
        if suite.not_run:
            some = ", ".join(suite.not_run[:3]) + (", …" if len(suite.not_run) > 3 else "")
            lines.append(f"  not run: {len(suite.not_run)} checks ({some})")
        lines.append("")
    return "\n".join(lines)


def render_markdown(suites: list[SuiteReport]) -> str:
    """Write the matrix as a table for a README."""
    marks = {"✓": "✅", "✗": "❌", "–": "▫️", "?": "❔", "·": "☑️"}
    head = ["coodie conformance", *(f"{suite.driver or suite.name}" for suite in suites)]
    lines = [" | ".join(["", *head, ""]).strip(), "|" + "---|" * len(head)]
    for title, capability, checks in _rows():
        cells = [_cell(suite, capability, checks) for suite in suites]
        texts = (f"{marks[mark]} {words}" for mark, words in cells)
        lines.append(" | ".join(["", title, *texts, ""]).strip())
    for suite in suites:
        left_out = {**suite.waived, **suite.overridden}
        lines += ["", *(f"- `{check}`: {reason}" for check, reason in sorted(left_out.items()))]
    return "\n".join(lines).rstrip() + "\n"


def render_json(suites: list[SuiteReport]) -> str:
    """Write all that is known, for programs."""
    return json.dumps(
        {
            "checks": {
                each.name: {
                    "theme": each.theme,
                    "promise": each.promise,
                    "needs": [need.name for need in each.needs],
                }
                for each in CHECKS.values()
            },
            "suites": [
                {
                    "suite": suite.suite,
                    "driver": suite.driver,
                    "declared": sorted(suite.declared),
                    "matrix": {
                        title: {"outcome": _cell(suite, capability, checks)[1], **suite.counts(checks)}
                        for title, capability, checks in _rows()
                    },
                    "outcomes": suite.outcomes,
                    "skipped": suite.skipped,
                    "waived": suite.waived,
                    "overridden": suite.overridden,
                    "not_run": suite.not_run,
                }
                for suite in suites
            ],
        },
        indent=2,
    )
