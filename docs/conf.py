"""Sphinx's configuration; `make docs` builds the site, and a warning is an error."""

from __future__ import annotations

import coodie

project = "coodie drivers"
author = "the coodie drivers authors"
copyright = f"2026, {author}"
version = release = coodie.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

#: Headings down to this level can be linked to, as `paging.md#streaming`.
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# Arguments of a class stand with the class; a line of their own for each attribute, from `#:` comments.
autoclass_content = "class"
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_show_sphinx = False
