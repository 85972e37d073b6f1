"""The contract of all drivers: what a backend implements, and what core makes of it.

Users import it from ``coodie.drivers``.
"""

from __future__ import annotations
