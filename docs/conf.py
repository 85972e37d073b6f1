"""Sphinx's configuration; `make docs` builds the site, and a warning is an error."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from docutils import nodes

import coodie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

project = "coodie drivers"
author = "the coodie drivers authors"
copyright = f"2026, {author}"
version = release = coodie.__version__

extensions = [
    "myst_parser",
    "notfound.extension",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
templates_path = ["_templates"]

#: Classes and ids of paragraphs, lists and words, as in `{.cards}`; terms with definitions.
myst_enable_extensions = ["attrs_block", "attrs_inline", "deflist"]
#: Headings down to this level can be linked to, as `paging.md#streaming`.
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# Arguments of a class stand with the class; a line of their own for each attribute, from `#:` comments.
autoclass_content = "class"
napoleon_numpy_docstring = False
# Long signatures have a line for each parameter.
maximum_signature_line_length = 79

# A copied command has no prompt, and none of what it prints.
copybutton_prompt_text = r"\$ |>>> |\.\.\. ?"
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
copybutton_line_continuation_character = "\\"

# The site's address isn't known: the page for missing addresses presupposes that it is at the root of one.
notfound_urls_prefix = "/"

html_theme = "furo"
# The counterpart of the theme's light style; the default underlines names like links.
pygments_dark_style = "a11y-high-contrast-dark"
html_title = f"{project} {release}"
html_copy_source = False
html_show_sphinx = False
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["folds.js"]

# Links to the source of each page and to its editor, where the repository's address is known.
if repository := os.environ.get("COODIE_DOCS_REPOSITORY"):
    html_theme_options = {
        "source_repository": repository,
        "source_branch": "main",
        "source_directory": "docs/",
    }

#: Pages whose sections of these levels are closed until readers open them, or follow a link into them.
FOLDED = {
    "architecture": {2},
    "benchmarks": {2, 3},
    "changelog": {3},
    "reference/api/testing": {2},
    "reference/errors": {3},
    "reference/hooks": {2},
    "reliability": {2},
}


#: Sections of those pages that stay open, by their ids.
OPEN = {"guarantees", "overview"}


def fold_sections(_app: Sphinx, document: nodes.document, page: str) -> None:
    """Put the sections of long pages into `<details>`, below their headings."""
    levels = FOLDED.get(page, set())
    for section, level in list(_sections(document, 1)):
        if level in levels and OPEN.isdisjoint(section["ids"]):
            title, *content = section.children
            section.children = []
            section += [
                _html('<details class="fold"><summary>'),
                title,
                _html("</summary>"),
                *content,
                _html("</details>"),
            ]


def _sections(parent: nodes.Element, level: int) -> Iterator[tuple[nodes.section, int]]:
    for child in parent.children:
        if isinstance(child, nodes.section):
            yield child, level
            yield from _sections(child, level + 1)


def _html(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def keep_colons(
    _app: Sphinx, what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """End an attribute's first line after a colon: napoleon takes the part before it for a type."""
    if what in {"attribute", "data", "property"} and lines:
        before, colon, after = lines[0].partition(": ")
        if colon:
            lines[:1] = [f"{before}:", after]


def setup(app: Sphinx) -> None:
    """Register what this file adds to Sphinx."""
    app.connect("autodoc-process-docstring", keep_colons, priority=400)  # before napoleon
    app.connect("doctree-resolved", fold_sections)
