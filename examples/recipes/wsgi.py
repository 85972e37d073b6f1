"""A web application on WSGI, made by a factory: nothing is connected before the first request.

flask_shop.py and django_shop.py are the same with a framework. ``gunicorn "wsgi:create_app()" --preload
--workers 4`` forks after the factory has run; each worker connects for itself, at its first request.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import coodie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def create_app() -> Callable[..., Iterable[bytes]]:
    """Make the application: the configuration is read and checked, and nothing is connected."""
    coodie.load_config()
    coodie.get_driver("shop")  # imports the backend now, once for all workers

    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        row = coodie.get_driver("shop").execute("SELECT release_version FROM system.local", [])[0]
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(row).encode()]

    return app
