"""What is installed, whether it works, and what to do about it: `coodie drivers` and `coodie doctor`."""

from __future__ import annotations
