"""A server of the native protocol in memory, for unit tests without a server, and for simulations."""

from __future__ import annotations
