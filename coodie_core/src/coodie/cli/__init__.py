"""The command line ``coodie``; requires the extra ``[cli]`` (click and rich)."""

from __future__ import annotations

from coodie.cli._main import main

__all__ = ["main"]
