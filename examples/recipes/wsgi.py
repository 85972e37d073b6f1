"""A WSGI application, made by a factory: the first request connects.

flask_shop.py and django_shop.py do the same with a framework. ``gunicorn
"wsgi:create_app()" --preload --workers 4`` forks after the factory has run;
each worker connects at its first request.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import coodie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def create_app() -> Callable[..., Iterable[bytes]]:
    """Read the configuration and create the application; don't connect."""
    coodie.load_config()
    coodie.get_driver("shop")  # imports the backend now, once for all workers

    def app(
        _environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        row = coodie.get_driver("shop").execute(
            "SELECT release_version FROM system.local", []
        )[0]
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(row).encode()]

    return app
