"""The version of all distributions of coodie; their pyproject.toml say the same."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
