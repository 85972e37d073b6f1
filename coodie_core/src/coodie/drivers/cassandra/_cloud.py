"""The nodes of a cloud's bundle: behind a proxy, which selects the node by the name in TLS (SNI)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from cassandra.connection import SniEndPointFactory

from coodie.exceptions import ConnectionFailedError
from coodie.options.hosts import parse_host
from coodie.options.tls import tls_hint

if TYPE_CHECKING:
    from coodie.options.bundle import CloudBundle

__all__ = ["cloud_endpoints"]

_TIMEOUT = 5.0
_MAX_SIZE = 2**20


def cloud_endpoints(bundle: CloudBundle) -> tuple[Any, list[Any]]:
    """Ask the bundle's service for the nodes; return the driver's endpoint factory, and the endpoints.

    Raises:
        ConnectionFailedError: The service can't be reached, or its response isn't the expected one.
    """
    service = str(bundle.metadata_service)
    request = Request(f"https://{service}/metadata")
    try:
        with urlopen(request, context=bundle.files.current(), timeout=_TIMEOUT) as response:  # noqa: S310 - always HTTPS
            text = response.read(_MAX_SIZE)
    except OSError as exc:  # URLError and HTTPError are OSErrors, too
        reason = str(getattr(exc, "reason", None) or exc)
        message = f"The metadata service of the bundle, {service}, can't be used: {reason}."
        hint = tls_hint(reason) or "Check that the database is active, and that the bundle belongs to it."
        raise ConnectionFailedError(message, hint=hint, hosts={service: reason}) from exc
    try:
        contact = json.loads(text)["contact_info"]
        proxy = parse_host(contact["sni_proxy_address"])
        if proxy.is_path:
            raise ValueError(proxy.host)  # noqa: TRY301 - handled as another unknown response
        factory = SniEndPointFactory(proxy.host, proxy.port or 9042)
        points = [factory.create_from_sni(str(name)) for name in contact["contact_points"]]
    except (AttributeError, ValueError, KeyError, TypeError) as exc:
        message = f"The response of the bundle's metadata service, {service}, doesn't list the nodes."
        raise ConnectionFailedError(
            message, hint="Download the bundle again.", hosts={service: "an unknown response"}
        ) from exc
    if not points:
        message = f"The metadata service of the bundle, {service}, lists no node."
        raise ConnectionFailedError(
            message, hint="Check that the database is active.", hosts={service: "no node"}
        )
    return factory, points
