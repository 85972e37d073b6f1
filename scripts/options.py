"""Generate files from the table of options: the reference page and the JSON schema."""

from __future__ import annotations

import json
from pathlib import Path

from coodie.config.reference import json_schema, options_reference

__all__ = ["made_from_options"]

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "options.md"
SCHEMA = ROOT / "coodie_core" / "src" / "coodie" / "config" / "coodie.schema.json"

_FROM, _TO = "<!-- made by scripts/options.py: from here -->\n", "<!-- to here -->"


def made_from_options() -> dict[Path, str]:
    """Return the expected content of the files, by path."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_FROM)
    _, _, after = rest.partition(_TO)
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    return {PAGE: f"{before}{_FROM}\n{options_reference()}\n{_TO}{after}", SCHEMA: f"{schema}\n"}


if __name__ == "__main__":
    for path, text in made_from_options().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
