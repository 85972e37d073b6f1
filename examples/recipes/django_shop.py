"""wsgi.py with Django, in one file: ``gunicorn django_shop:application``.

In your site, ``ready`` belongs to the ``AppConfig`` of an application.
"""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

import coodie


class Shop(AppConfig):
    """An application that has its data in Cassandra."""

    name = "django_shop"

    def ready(self) -> None:
        """Read and check the configuration; nothing is connected."""
        coodie.load_config()
        # Imports the backend now, once for all workers.
        coodie.get_driver("shop")


def version(_request: HttpRequest) -> JsonResponse:
    """Answer one request."""
    row: dict[str, Any] = coodie.get_driver("shop").execute(
        "SELECT release_version FROM system.local", []
    )[0]
    return JsonResponse(row)


urlpatterns = [path("version", version)]

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["django_shop.Shop"],
    ROOT_URLCONF="django_shop",
)
application = get_wsgi_application()
