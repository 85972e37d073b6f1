"""Find out what keeps coodie from working: ``python -m coodie_doctor``.

A package of its own, which imports nothing but the standard library until it knows that ``coodie`` is
ours: so it works where another distribution's code has overwritten that.
"""

from __future__ import annotations

from coodie_doctor.examination import connect_task, examine
from coodie_doctor.findings import Finding, Report

__all__ = ["Finding", "Report", "connect_task", "examine"]
