"""TLS and passwords: the security settings of a cluster, and its clients' certificates and credentials.

Certificates and the password are created in the cluster's directory, at the first start that needs them.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from coodie_local._certificates import Certificates, make_certificates
from coodie_local._paths import write_private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from ssl import SSLContext

__all__ = [
    "BUILT_IN",
    "OPEN",
    "Access",
    "Credentials",
    "Security",
    "certificates_of",
    "create_secrets",
    "load_access",
    "load_credentials",
    "tls_options",
]


@dataclass(frozen=True, slots=True)
class Security:
    """Security settings: TLS, client certificates (require TLS), password authentication."""

    tls: bool = False
    mtls: bool = False
    auth: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    """A superuser and its password; the repr omits the password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """The SSL context and credentials of a client."""

    ssl_context: SSLContext | None = None
    credentials: Credentials | None = None


#: Neither TLS nor a password.
OPEN = Access()

#: The default superuser of a new cluster.
BUILT_IN = Credentials("cassandra", "cassandra")

_CREDENTIALS = "credentials.json"


def create_secrets(directory: Path, hosts: Sequence[str], security: Security) -> None:
    """Create the certificates and the password for the start of a cluster.

    Args:
        directory: The cluster's directory.
        hosts: The nodes' addresses.
        security: The requested settings.
    """
    if security.tls:
        make_certificates(certificates_of(directory), hosts)
    if security.auth and load_credentials(directory) is None:
        chosen = {"username": BUILT_IN.username, "password": secrets.token_urlsafe(18)}
        write_private(directory / _CREDENTIALS, (json.dumps(chosen) + "\n").encode())


def certificates_of(directory: Path) -> Certificates:
    """Return the certificate files of the cluster in a directory."""
    return Certificates(directory / "tls")


def load_credentials(directory: Path) -> Credentials | None:
    """Read the credentials of the cluster in a directory; None if it has none."""
    try:
        found = json.loads((directory / _CREDENTIALS).read_text(encoding="utf-8"))
        return Credentials(str(found["username"]), str(found["password"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def tls_options(directory: Path, security: Security) -> dict[str, str]:
    """Return the TLS options of ``init_coodie`` for the cluster in a directory."""
    if not security.tls:
        return {}
    files = certificates_of(directory)
    options = {"ssl_trusted_cert": str(files.ca)}
    if security.mtls:
        options |= {"ssl_cert": str(files.client), "ssl_private_key": str(files.client_key)}
    return options


def load_access(directory: Path, security: Security) -> Access:
    """Load the SSL context and the credentials for the cluster in a directory.

    Raises:
        ConfigurationError: The certificates can't be read.
    """
    context = None
    if options := tls_options(directory, security):
        from coodie.options.tls import build_ssl_context

        context = build_ssl_context(
            ssl_trusted_cert=options["ssl_trusted_cert"],
            ssl_cert=options.get("ssl_cert"),
            ssl_private_key=options.get("ssl_private_key"),
        )
    return Access(context, load_credentials(directory) if security.auth else None)
