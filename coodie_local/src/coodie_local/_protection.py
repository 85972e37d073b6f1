"""What protects a cluster, in its directory: certificates and a password, made once and read by clients."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from coodie_local._access import Access, Credentials
from coodie_local._certificates import Certificates, make_certificates
from coodie_local._places import write_private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from ssl import SSLContext

    from coodie_local._plan import Security

__all__ = ["BUILT_IN", "certificates_of", "load_access", "load_credentials", "protect"]

#: The role that every new cluster has, with the password that everybody knows.
BUILT_IN = Credentials("cassandra", "cassandra")

_CREDENTIALS = "credentials.json"


def protect(directory: Path, hosts: Sequence[str], security: Security) -> None:
    """Make the certificates and choose the password that the nodes are to start with.

    Args:
        directory: The cluster's directory.
        hosts: The nodes' addresses.
        security: What is wanted.
    """
    if security.tls:
        make_certificates(certificates_of(directory), hosts)
    if security.auth and load_credentials(directory) is None:
        chosen = {"username": BUILT_IN.username, "password": secrets.token_urlsafe(18)}
        write_private(directory / _CREDENTIALS, (json.dumps(chosen) + "\n").encode())


def certificates_of(directory: Path) -> Certificates:
    """Name the files of a cluster's certificates.

    Args:
        directory: The cluster's directory.
    """
    return Certificates(directory / "tls")


def load_credentials(directory: Path) -> Credentials | None:
    """Read who may log in; None where no password was chosen.

    Args:
        directory: The cluster's directory.
    """
    try:
        found = json.loads((directory / _CREDENTIALS).read_text(encoding="utf-8"))
        return Credentials(str(found["username"]), str(found["password"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load_access(directory: Path, security: Security) -> Access:
    """Read what a client of a cluster needs.

    Args:
        directory: The cluster's directory.
        security: What protects it.

    Raises:
        ConfigurationError: The certificates can't be read.
    """
    return Access(
        ssl_context=_client_context(certificates_of(directory), security),
        credentials=load_credentials(directory) if security.auth else None,
    )


def _client_context(files: Certificates, security: Security) -> SSLContext | None:
    if not security.tls:
        return None
    from coodie.options.tls import build_ssl_context

    return build_ssl_context(
        ssl_trusted_cert=str(files.ca),
        ssl_cert=str(files.client) if security.mtls else None,
        ssl_private_key=str(files.client_key) if security.mtls else None,
    )
