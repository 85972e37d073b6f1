"""TLS and passwords: what protects a cluster, and what its clients need.

Certificates and the password are in the cluster's directory, made once, at its first start with them.
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
    "load_access",
    "load_credentials",
    "protect",
    "tls_options",
]


@dataclass(frozen=True, slots=True)
class Security:
    """What protects CQL: TLS, certificates of clients (with TLS alone), passwords."""

    tls: bool = False
    mtls: bool = False
    auth: bool = False


@dataclass(frozen=True, slots=True)
class Credentials:
    """A role with all rights and its password, which no repr shows."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """What a client needs besides an address."""

    ssl_context: SSLContext | None = None
    credentials: Credentials | None = None


#: Neither TLS nor a password.
OPEN = Access()

#: The role that every new cluster has, with its well-known password.
BUILT_IN = Credentials("cassandra", "cassandra")

_CREDENTIALS = "credentials.json"


def protect(directory: Path, hosts: Sequence[str], security: Security) -> None:
    """Make the certificates and choose the password with which the nodes of a cluster are to start.

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
    """Name the files of the certificates of the cluster in a directory."""
    return Certificates(directory / "tls")


def load_credentials(directory: Path) -> Credentials | None:
    """Read the credentials of the cluster in a directory; None if no password was chosen."""
    try:
        found = json.loads((directory / _CREDENTIALS).read_text(encoding="utf-8"))
        return Credentials(str(found["username"]), str(found["password"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def tls_options(directory: Path, security: Security) -> dict[str, str]:
    """Return what a client of the cluster in a directory needs for TLS, as options of a connection."""
    if not security.tls:
        return {}
    files = certificates_of(directory)
    options = {"ssl_trusted_cert": str(files.ca)}
    if security.mtls:
        options |= {"ssl_cert": str(files.client), "ssl_private_key": str(files.client_key)}
    return options


def load_access(directory: Path, security: Security) -> Access:
    """Read what a client of the cluster in a directory needs.

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
