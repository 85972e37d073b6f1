"""Connect each worker early: ``gunicorn -c gunicorn_conf.py --preload …``."""

from __future__ import annotations

from typing import Any

import coodie


def post_fork(_server: Any, _worker: Any) -> None:
    """Open this worker's own driver."""
    coodie.load_config()
    coodie.get_driver("shop").connect()
