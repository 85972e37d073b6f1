"""Build an SSLContext from the ``ssl_…`` options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

__all__ = ["VERIFY_NONE", "VERIFY_PEER_CERT", "VERIFY_PEER_IDENTITY", "build_ssl_context"]

# The flags of the C++ driver (cassandra.h, CassSslVerifyFlags).
#: Accept any certificate.
VERIFY_NONE = 0
#: The certificate is signed by a trusted authority.
VERIFY_PEER_CERT = 1
#: The certificate is valid for the server's address.
VERIFY_PEER_IDENTITY = 2

_PEM = "-----BEGIN"


def build_ssl_context(
    *,
    ssl_context: SSLContext | None = None,
    ssl_enabled: bool | None = None,
    ssl_trusted_cert: str | None = None,
    ssl_cert: str | None = None,
    ssl_private_key: str | None = None,
    ssl_verify_flags: int | None = None,
) -> SSLContext | None:
    """Return an SSLContext for these options; None for unencrypted connections.

    Args:
        ssl_context: A context, which excludes the other options except ``ssl_enabled=True``.
        ssl_enabled: True for TLS with the system's authorities; False excludes all others.
        ssl_trusted_cert: The trusted authorities' certificates: a path, or PEM text.
        ssl_cert: The client's certificate chain: a path, or PEM text.
        ssl_private_key: The client's unencrypted private key: a path, or PEM text.
        ssl_verify_flags: 0 accepts any server, 1 requires a trusted certificate, 3 (the default) also
            requires that it is valid for the server's address. These are CASS_SSL_VERIFY_NONE, PEER_CERT and
            PEER_CERT | PEER_IDENTITY of the C++ driver. Its other flags aren't supported: an identity without
            a certificate is meaningless, and PEER_IDENTITY_DNS needs reverse lookups.

    Raises:
        ConfigurationError: Options are contradictory or invalid, or a file can't be read.
    """
    details: Mapping[str, object | None] = {
        "ssl_trusted_cert": ssl_trusted_cert,
        "ssl_cert": ssl_cert,
        "ssl_private_key": ssl_private_key,
        "ssl_verify_flags": ssl_verify_flags,
    }
    given = [name for name, value in details.items() if value is not None]
    if ssl_enabled is not None and not isinstance(ssl_enabled, bool):
        message = f"ssl_enabled={ssl_enabled!r} can't be used."
        raise ConfigurationError(message, hint="Give True or False, or leave it out.", option="ssl_enabled")
    if ssl_enabled is False:
        given += ["ssl_context"] if ssl_context is not None else []
        if given:
            message = f"ssl_enabled=False can't be combined with {', '.join(given)}."
            hint = "Leave ssl_enabled= out, or the others."
            raise ConfigurationError(message, hint=hint, option="ssl_enabled")
        return None
    if ssl_context is not None:
        if given:
            message = f"ssl_context= can't be combined with {', '.join(given)}."
            hint = "Use either ssl_context= or the other ssl_… options."
            raise ConfigurationError(message, hint=hint, option=given[0])
        return _checked(ssl_context)
    if ssl_enabled is None and not given:
        return None
    return _context(ssl_trusted_cert, ssl_cert, ssl_private_key, ssl_verify_flags)


def _checked(context: object) -> SSLContext:
    import ssl  # plain-text programs don't need it

    if not isinstance(context, ssl.SSLContext):
        message = f"ssl_context is of type {type(context).__name__}."
        raise ConfigurationError(message, hint="Give an ssl.SSLContext.", option="ssl_context")
    return context


def _context(trusted: str | None, cert: str | None, key: str | None, flags: int | None) -> SSLContext:
    import ssl  # plain-text programs don't need it

    if flags is None:
        flags = VERIFY_PEER_CERT | VERIFY_PEER_IDENTITY
    allowed = (VERIFY_NONE, VERIFY_PEER_CERT, VERIFY_PEER_CERT | VERIFY_PEER_IDENTITY)
    if not isinstance(flags, int) or isinstance(flags, bool) or flags not in allowed:
        message = f"ssl_verify_flags={flags!r} can't be honoured."
        hint = "Give 0 (verify nothing), 1 (the certificate) or 3 (the certificate and the address)."
        raise ConfigurationError(message, hint=hint, option="ssl_verify_flags")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # In some builds of Python, the default depends on OpenSSL's configuration.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = bool(flags & VERIFY_PEER_IDENTITY)
    context.verify_mode = ssl.CERT_REQUIRED if flags else ssl.CERT_NONE
    if trusted is None:
        context.load_default_certs()
    else:
        _load_authorities(context, trusted)
    if cert is not None:
        _load_chain(context, cert, key)
    elif key is not None:
        message = "ssl_private_key= without ssl_cert=."
        raise ConfigurationError(message, hint="Give the certificate as ssl_cert=.", option="ssl_private_key")
    return context


def _load_authorities(context: SSLContext, trusted: str) -> None:
    option = "ssl_trusted_cert"
    try:
        if _is_pem(trusted, option):
            # ssl only accepts ASCII; bundles contain authorities' names in any script.
            context.load_verify_locations(cadata=trusted.encode("ascii", "ignore").decode("ascii"))
        else:
            context.load_verify_locations(cafile=_existing(trusted, option))
    except OSError as exc:
        message = f"{option} contains no valid certificate: {_reason(exc)}."
        raise ConfigurationError(message, hint="Give valid PEM.", option=option) from exc


def _load_chain(context: SSLContext, cert: str, key: str | None) -> None:
    """Load the client's chain; PEM text is written to a temporary file that only this user can read."""
    from tempfile import mkstemp  # a slow import, for this only

    made: list[str] = []

    def path_of(text: str, option: str) -> str:
        if not _is_pem(text, option):
            return _existing(text, option)
        handle, name = mkstemp(prefix="coodie-", suffix=".pem")
        made.append(name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return name

    def no_password() -> str:
        message = "ssl_private_key is encrypted."
        hint = "Decrypt it, or load it into an SSLContext and give ssl_context=."
        raise ConfigurationError(message, hint=hint, option="ssl_private_key")

    try:
        chain = path_of(cert, "ssl_cert")
        private = path_of(key, "ssl_private_key") if key is not None else None
        context.load_cert_chain(chain, private, password=no_password)
    except OSError as exc:
        message = f"ssl_cert and ssl_private_key don't match: {_reason(exc)}."
        hint = "Give a certificate and its private key as PEM."
        raise ConfigurationError(message, hint=hint, option="ssl_cert") from exc
    finally:
        for name in made:
            Path(name).unlink()


def _is_pem(value: object, option: str) -> bool:
    """Return whether a value is PEM text, and not a path."""
    if not isinstance(value, str):
        message = f"{option} is of type {type(value).__name__}."
        raise ConfigurationError(message, hint="Give a path or PEM text, as a str.", option=option)
    return _PEM in value


def _reason(error: OSError) -> str:
    """Return the error text of OpenSSL or of the file system."""
    return getattr(error, "reason", None) or error.strerror or str(error)


def _existing(path: str, option: str) -> str:
    if not Path(path).is_file():
        shown = "" if option == "ssl_private_key" else f"={path!r}"  # it may be an incomplete key
        message = f"{option}{shown} is neither a file nor PEM text."
        raise ConfigurationError(message, hint="Give the path of a PEM file.", option=option)
    return path
