"""SVG charts with a bar for each contestant, and its spread.

They are written without a library: they only contain bars, lines and text, and the same results must give the
same file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from ruler.ratios import MEASURES, Spread, costs
from ruler.tables import amount, measures_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["chart"]

_WIDTH, _LEFT, _RIGHT, _TOP, _STEP, _BAR = 760, 230, 90, 34, 24, 14

#: The colours of bars, and of text in the light and the dark colour scheme.
_STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-weight: 600 }
.ours { fill: #2a9d8f } .others { fill: #8d99ae } .spread { stroke: #333; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .spread { stroke: #ddd } }"""


def chart(title: str, contestants: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a chart of a workload.

    Args:
        title: The title.
        contestants: As in the results, at least one.

    Returns:
        An SVG document; the same for the same results.
    """
    measure = measures_of(contestants)[0]
    spreads = {name: Spread.of(costs(known["rounds"], measure)) for name, known in contestants.items()}
    most = max([spread.most for spread in spreads.values()]) or 1.0
    scale = (_WIDTH - _LEFT - _RIGHT) / most
    height = _TOP + _STEP * len(spreads) + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="8" y="18">{escape(title)} – {MEASURES[measure].meaning}</text>',
    ]
    for number, (name, spread) in enumerate(sorted(spreads.items(), key=lambda pair: pair[1].median)):
        top = _TOP + number * _STEP
        middle, end = top + _BAR / 2, _LEFT + max(spread.median, 0.0) * scale
        least, furthest = (_LEFT + max(value, 0.0) * scale for value in (spread.least, spread.most))
        ours = name.startswith("coodie-") and not name.startswith("coodie-1")
        kind, width = "ours" if ours else "others", f"{end - _LEFT:.1f}"
        lines += [
            f'<text x="{_LEFT - 8}" y="{top + 11}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{_LEFT}" y="{top}" width="{width}" height="{_BAR}"/>',
            f'<line class="spread" x1="{least:.1f}" x2="{furthest:.1f}" y1="{middle}" y2="{middle}"/>',
            f'<text x="{furthest + 6:.1f}" y="{top + 11}">{amount(spread.median, measure)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
