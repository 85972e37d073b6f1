"""The backend "acsylla" of coodie, on acsylla; its hooks are in ``coodie_acsylla.plugin``."""

from __future__ import annotations
