"""The published path of ``AbstractDriver``, which lives in ``coodie.contract.driver``."""

from __future__ import annotations

from coodie.contract.driver import AbstractDriver

__all__ = ["AbstractDriver"]
