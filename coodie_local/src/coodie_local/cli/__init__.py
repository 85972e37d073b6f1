"""The commands ``coodie local …``: a local Cassandra from a terminal. None needs a database driver."""

from __future__ import annotations

from coodie_local.cli._group import local

__all__ = ["local"]
