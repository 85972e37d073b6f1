"""The checks, a module for each theme."""

from __future__ import annotations
