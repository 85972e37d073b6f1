"""Build an SSLContext from the ``ssl_…`` options, and build it again when their files change."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from ssl import SSLContext

__all__ = [
    "VERIFY_NONE",
    "VERIFY_PEER_CERT",
    "VERIFY_PEER_IDENTITY",
    "CertificateFiles",
    "build_ssl_context",
    "certificate_files",
    "is_pem",
    "make_context",
    "tls_hint",
]

#: Parts of OpenSSL's messages → what to do, in this order.
_HINTS = {
    "mismatch, certificate is not valid for": (
        "The certificate has another name: give the nodes' names in hosts=, or the name in the certificates "
        "as ssl_hostname=, or ssl_verify_flags=1 to verify the authority only."
    ),
    "certificate has expired": "Renew the server's certificate.",
    "certificate verify failed": "Give the certificate of the server's authority as ssl_trusted_cert=.",
    "certificate required": "The server needs a client certificate: give ssl_cert= and ssl_private_key=.",
    "alert unknown ca": "The server doesn't trust the client certificate: check ssl_cert=.",
    "alert bad certificate": "The server rejects the client certificate: check ssl_cert=.",
    "wrong version number": "The port doesn't use TLS: check port=, or leave the ssl_… options out.",
}

_log = logging.getLogger("coodie.options")

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
    ssl_verify_flags: int | None = None,
    **certificates: str | None,
) -> SSLContext | None:
    """Return an SSLContext for these options; None for unencrypted connections.

    Args:
        ssl_context: A context, which excludes the other options except ``ssl_enabled=True``.
        ssl_enabled: True for TLS with the system's authorities; False excludes all others.
        ssl_verify_flags: 0 accepts any server, 1 requires a trusted certificate, 3 (the default) also
            requires that it is valid for the server's address. These are CASS_SSL_VERIFY_NONE, PEER_CERT and
            PEER_CERT | PEER_IDENTITY of the C++ driver. Its other flags aren't supported: an identity without
            a certificate is meaningless, and PEER_IDENTITY_DNS needs reverse lookups.
        certificates: ssl_trusted_cert, the trusted authorities' certificates; ssl_cert, the client's
            certificate chain; ssl_private_key, its private key; each a path, or PEM text. ssl_key_password,
            the passphrase of an encrypted key.

    Raises:
        ConfigurationError: Options are contradictory or invalid, or a file can't be read.
    """
    details: Mapping[str, object | None] = {**certificates, "ssl_verify_flags": ssl_verify_flags}
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
    return make_context(certificates, ssl_verify_flags)


def tls_hint(text: str) -> str | None:
    """Return what to do about a failed TLS handshake, by OpenSSL's message; None for any other text."""
    lowered = text.lower().replace("_", " ")
    return next((hint for part, hint in _HINTS.items() if part in lowered), None)


class CertificateFiles:
    """An SSLContext that is built again when its files have changed.

    Args:
        context: The context.
        build: Builds it again.
        paths: Its files.
    """

    def __init__(
        self, context: SSLContext, build: Callable[[], SSLContext | None], paths: tuple[str, ...]
    ) -> None:
        self._context = context
        self._build = build
        self._paths = paths
        self._lock = threading.Lock()
        self._seen = self._versions()

    def current(self) -> SSLContext:
        """Return the context with the files' current contents; called for each new connection.

        If files are missing or don't match, as while they are being replaced, it is the previous context.
        """
        versions = self._versions()
        with self._lock:
            if versions != self._seen:
                self._seen = versions
                try:
                    context = self._build()
                except ConfigurationError as exc:
                    _log.warning(
                        "The changed certificate files can't be used; the previous ones stay in use: %s",
                        exc,
                    )
                else:
                    self._context = context or self._context
            return self._context

    def _versions(self) -> list[tuple[int, ...]]:
        found: list[tuple[int, ...]] = []
        for path in self._paths:
            try:
                status = Path(path).stat()
            except OSError:
                found.append(())
            else:
                found.append((status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev))
        return found


def certificate_files(context: SSLContext | None, options: Mapping[str, Any]) -> CertificateFiles | None:
    """Return the certificates' files, to read them again; None if no option is a path.

    Args:
        context: What ``build_ssl_context`` returned for the options.
        options: The ``ssl_…`` options.
    """
    given = (options.get(name) for name in ("ssl_trusted_cert", "ssl_cert", "ssl_private_key"))
    paths = tuple(value for value in given if value is not None and not is_pem(value))
    if context is None or not paths:
        return None
    return CertificateFiles(context, lambda: build_ssl_context(**options), paths)


def _checked(context: object) -> SSLContext:
    import ssl  # plain-text programs don't need it

    if not isinstance(context, ssl.SSLContext):
        message = f"ssl_context: expected ssl.SSLContext, got {type(context).__name__}."
        raise ConfigurationError(message, option="ssl_context")
    return context


def make_context(certificates: Mapping[str, str | None], flags: int | None) -> SSLContext:
    """Return a context for TLS, with the certificates and the flags of ``build_ssl_context``."""
    import ssl  # plain-text programs don't need it

    if flags is None:
        flags = VERIFY_PEER_CERT | VERIFY_PEER_IDENTITY
    allowed = (VERIFY_NONE, VERIFY_PEER_CERT, VERIFY_PEER_CERT | VERIFY_PEER_IDENTITY)
    if not isinstance(flags, int) or isinstance(flags, bool) or flags not in allowed:
        message = f"ssl_verify_flags={flags!r} isn't supported."
        hint = "Give 0 (verify nothing), 1 (the certificate) or 3 (the certificate and the address)."
        raise ConfigurationError(message, hint=hint, option="ssl_verify_flags")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # In some builds of Python, the default depends on OpenSSL's configuration.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = bool(flags & VERIFY_PEER_IDENTITY)
    context.verify_mode = ssl.CERT_REQUIRED if flags else ssl.CERT_NONE
    trusted, cert = certificates.get("ssl_trusted_cert"), certificates.get("ssl_cert")
    if trusted is None:
        context.load_default_certs()
    else:
        _load_authorities(context, trusted)
    if cert is not None:
        _load_chain(context, cert, certificates.get("ssl_private_key"), certificates.get("ssl_key_password"))
        return context
    for name in ("ssl_private_key", "ssl_key_password"):
        if certificates.get(name) is not None:
            hint = "Give the certificate as ssl_cert=."
            raise ConfigurationError(f"{name}= without ssl_cert=.", hint=hint, option=name)
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


def _load_chain(context: SSLContext, cert: str, key: str | None, passphrase: str | None) -> None:
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

    asked = False

    def password() -> str:
        nonlocal asked
        asked = True
        if passphrase is not None:
            return passphrase
        message = "ssl_private_key is encrypted."
        hint = "Give its passphrase as ssl_key_password=."
        raise ConfigurationError(message, hint=hint, option="ssl_key_password")

    try:
        chain = path_of(cert, "ssl_cert")
        private = path_of(key, "ssl_private_key") if key is not None else None
        context.load_cert_chain(chain, private, password=password)
    except ConfigurationError:
        raise
    except (OSError, ValueError) as exc:  # ValueError: a passphrase that is too long
        if asked and not _is_mismatch(exc):
            message = "ssl_key_password doesn't decrypt the private key."
            raise ConfigurationError(
                message, hint="Check the passphrase.", option="ssl_key_password"
            ) from exc
        message = f"ssl_cert and ssl_private_key don't match: {_reason(exc)}."
        hint = "Give a certificate and its private key as PEM."
        raise ConfigurationError(message, hint=hint, option="ssl_cert") from exc
    finally:
        for name in made:
            Path(name).unlink()


def is_pem(value: str) -> bool:
    """Return whether a value is PEM text, and not a path."""
    return _PEM in value


def _is_pem(value: object, option: str) -> bool:
    """Return whether the value of an option is PEM text; raise if it isn't text."""
    if not isinstance(value, str):
        message = f"{option}: expected a path or PEM text as a str, got {type(value).__name__}."
        raise ConfigurationError(message, option=option)
    return is_pem(value)


def _is_mismatch(error: Exception) -> bool:
    """Return whether the key was read, but isn't the certificate's."""
    return getattr(error, "reason", None) == "KEY_VALUES_MISMATCH"


def _reason(error: Exception) -> str:
    """Return the error text of OpenSSL or of the file system."""
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)


def _existing(path: str, option: str) -> str:
    if not Path(path).is_file():
        shown = "" if option == "ssl_private_key" else f"={path!r}"  # it may be an incomplete key
        message = f"{option}{shown} is neither a file nor PEM text."
        raise ConfigurationError(message, hint="Give the path of a PEM file.", option=option)
    return path
