"""wsgi.py with Flask: ``gunicorn "flask_shop:create_app()" --preload``."""

from __future__ import annotations

from typing import Any

from flask import Flask

import coodie


def create_app() -> Flask:
    """Read the configuration and create the application; don't connect."""
    coodie.load_config()
    coodie.get_driver("shop")  # imports the backend now, once for all workers
    app = Flask(__name__)

    @app.get("/version")
    def version() -> dict[str, Any]:
        return coodie.get_driver("shop").execute(
            "SELECT release_version FROM system.local", []
        )[0]

    return app
