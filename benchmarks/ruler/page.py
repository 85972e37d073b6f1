"""The page of the documentation: tables and charts, generated from the stored results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contestants.work import KINDS, Work
from ruler.charts import chart
from ruler.summary import summary
from ruler.tables import header, lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["BASELINES", "load_results", "publish", "render"]

_DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
_PAGE = _DOCS / "benchmarks.md"
_JSON = _DOCS / "benchmarks.json"
_CHARTS = _DOCS / "benchmarks"
_BEGIN, _END = "<!-- made by `make bench`: from here -->", "<!-- to here -->"

#: The clients that others are compared with.
BASELINES = (
    "coodie-1.9",
    "acsylla+uvloop",
    "scylla-driver",
    "asyncio",
    "cassandra-driver",
    "cassandra-driver+numpy",
)

_SUMMARY = ("<!-- made by `make bench`: the summary -->", "<!-- to here: the summary -->")

_NOTHING = "The tables and charts come here when the command has run."

_SERVERS = {"stub": "the stub server", "real": "a real Cassandra"}


def publish(results: Mapping[str, Any]) -> list[Path]:
    """Store results, replacing earlier ones of the same workload, and generate the page and charts.

    Returns:
        The written files.
    """
    everything = {**load_results(), **results}
    _JSON.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    _CHARTS.mkdir(exist_ok=True)
    made = render(everything)
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    return [_JSON, *made]


def load_results() -> dict[str, Any]:
    """Return the stored results."""
    if not _JSON.exists():
        return {}
    results: dict[str, Any] = json.loads(_JSON.read_text(encoding="utf-8"))
    return results


def render(results: Mapping[str, Any]) -> dict[Path, str]:
    """Return the expected content of the page and its charts, by path."""
    order = {kind: number for number, kind in enumerate(KINDS)}
    parts: list[str] = [] if results else [_NOTHING, ""]
    made: dict[Path, str] = {}
    shown: list[tuple[str, Work]] = []
    for server, title in _SERVERS.items():
        names = [name.partition("/")[2] for name in results if name.startswith(f"{server}/")]
        works = sorted(map(Work.of, names), key=lambda work: (order[work.kind], work.number))
        works = [work for work in works if results[f"{server}/{work.name}"]["contestants"]]
        if not works:
            continue
        shown += [(server, work) for work in works]
        parts += [f"## Against {title}", ""]
        for work in works:
            result = results[f"{server}/{work.name}"]
            drawing = _CHARTS / f"{server}-{work.name}.svg"
            made[drawing] = chart(work.name, result["contestants"])
            parts += _section(work, drawing, result)
    text = _put(_PAGE.read_text(encoding="utf-8"), _SUMMARY, [*summary(results, shown), ""])
    made[_PAGE] = _put(text, (_BEGIN, _END), ["", *parts])
    return made


def _put(text: str, marks: tuple[str, str], made: Sequence[str]) -> str:
    """Replace the lines between two marks of a text."""
    begin, end = marks
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return "\n".join([f"{before}{begin}", *made, f"{end}{after}"])


def _section(work: Work, drawing: Path, result: Mapping[str, Any]) -> list[str]:
    contestants = result["contestants"]
    parts = [
        f"### {work.name}",
        "",
        f"{work.meaning[0].upper()}{work.meaning[1:]}.",
        "",
        f"![CPU time or memory of each client for {work.name}](benchmarks/{drawing.name})",
        "",
        *_table(header(contestants, BASELINES), lines(contestants, BASELINES)),
        "",
        f"{_conditions(result['conditions'])} {_versions(contestants)}".rstrip(),
        "",
    ]
    if result["left_out"]:
        parts += [*(f"- Left out: {name}: {why}" for name, why in sorted(result["left_out"].items())), ""]
    return parts


def _table(first: Sequence[str], others: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (first, ["---", *["---:"] * (len(first) - 1)], *others)]


def _conditions(under: Mapping[str, Any]) -> str:
    """Return a sentence with the conditions."""
    return (
        f"{under['date']}, {under['rounds']} rounds, CPython {under['python']}, {under['system']}, "
        f"{under['processor']}, {under['cores']} cores, load {under['load']} when it began."
    )


def _versions(contestants: Mapping[str, Any]) -> str:
    """Return a sentence with the versions."""
    found = {
        f"{name} {version}"
        for known in contestants.values()
        for name, version in known.get("facts", {}).items()
        if isinstance(version, str)
    }
    return f"{', '.join(sorted(found))}." if found else ""
