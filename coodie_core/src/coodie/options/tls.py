"""The ``ssl_…`` options, turned into one SSLContext."""

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
#: The certificate names the address that was connected to.
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
    """Return the SSLContext that these options describe, or None for plain text.

    Args:
        ssl_context: A ready context; excludes the options below but ``ssl_enabled=True``.
        ssl_enabled: True for TLS with the system's authorities; False excludes all others.
        ssl_trusted_cert: The authority's certificates: a path, or PEM text.
        ssl_cert: The client's certificate chain: a path, or PEM text.
        ssl_private_key: The client's key: a path, or PEM text; unencrypted.
        ssl_verify_flags: 0 accepts any server, 1 wants a trusted certificate, 3 (the default)
            wants it to name the server's address, too. They're CASS_SSL_VERIFY_NONE, PEER_CERT and
            PEER_CERT | PEER_IDENTITY of the C++ driver; its others can't be had here: an identity
            without a certificate means nothing, and PEER_IDENTITY_DNS needs reverse look-ups.

    Raises:
        ConfigurationError: Options contradict each other, a file can't be read, a value is unknown.
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
        raise ConfigurationError(message, hint="Give True, False or nothing.", option="ssl_enabled")
    if ssl_enabled is False:
        given += ["ssl_context"] if ssl_context is not None else []
        if given:
            message = f"ssl_enabled=False beside {', '.join(given)}."
            hint = "Leave ssl_enabled out for TLS, or the others for plain text."
            raise ConfigurationError(message, hint=hint, option="ssl_enabled")
        return None
    if ssl_context is not None:
        if given:
            message = f"ssl_context= beside {', '.join(given)}."
            hint = "A ready context says it all: give it alone, or the ssl_… options alone."
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
    # Some builds of Python leave the decision to OpenSSL's configuration.
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
        raise ConfigurationError(message, hint="Give the certificate, too.", option="ssl_private_key")
    return context


def _load_authorities(context: SSLContext, trusted: str) -> None:
    option = "ssl_trusted_cert"
    try:
        if _is_pem(trusted, option):
            # ssl takes ASCII alone; bundles have authorities' names in any script between certificates.
            context.load_verify_locations(cadata=trusted.encode("ascii", "ignore").decode("ascii"))
        else:
            context.load_verify_locations(cafile=_existing(trusted, option))
    except OSError as exc:
        message = f"{option} holds no usable certificate: {_reason(exc)}."
        raise ConfigurationError(message, hint="Give readable PEM.", option=option) from exc


def _load_chain(context: SSLContext, cert: str, key: str | None) -> None:
    """Load the client's chain; PEM text goes through a file that only this user can read."""
    from tempfile import mkstemp  # beside its only use; it brings random and shutil in

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
        hint = "Decrypt it, or load it into an SSLContext of your own and pass ssl_context=."
        raise ConfigurationError(message, hint=hint, option="ssl_private_key")

    try:
        chain = path_of(cert, "ssl_cert")
        private = path_of(key, "ssl_private_key") if key is not None else None
        context.load_cert_chain(chain, private, password=no_password)
    except OSError as exc:
        message = f"ssl_cert and ssl_private_key make no usable pair: {_reason(exc)}."
        hint = "Give readable PEM that belongs together."
        raise ConfigurationError(message, hint=hint, option="ssl_cert") from exc
    finally:
        for name in made:
            Path(name).unlink()


def _is_pem(value: object, option: str) -> bool:
    """Tell PEM text from a path."""
    if not isinstance(value, str):
        message = f"{option} is of type {type(value).__name__}."
        raise ConfigurationError(message, hint="Give a path or PEM text, as a str.", option=option)
    return _PEM in value


def _reason(error: OSError) -> str:
    """Return what OpenSSL or the file system says."""
    return getattr(error, "reason", None) or error.strerror or str(error)


def _existing(path: str, option: str) -> str:
    if not Path(path).is_file():
        shown = "" if option == "ssl_private_key" else f"={path!r}"  # it may be a key, badly copied
        message = f"{option}{shown} is neither a file nor PEM text."
        raise ConfigurationError(message, hint="Give the path of a PEM file.", option=option)
    return path
