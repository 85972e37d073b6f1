"""Installed plug-ins, their problems, and how to fix these: for `coodie drivers` and `coodie doctor`."""

from __future__ import annotations
