"""A cloud's bundle, such as Astra's secure connect bundle: a zip file with an address and certificates."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError
from coodie.options.hosts import MAX_PORT, ContactPoint
from coodie.options.tls import VERIFY_PEER_CERT, CertificateFiles, is_pem, make_context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

__all__ = ["CloudBundle", "read_bundle"]

#: The options of TLS, and the files with their values.
_CERTIFICATES = {"ssl_trusted_cert": "ca.crt", "ssl_cert": "cert", "ssl_private_key": "key"}

#: The maximum size of a file of the bundle, after decompression.
_MAX_SIZE = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudBundle:
    """The contents of a bundle; the repr contains no secret.

    Args:
        path: The file.
        metadata_service: The address of the service that lists the nodes, with HTTPS.
        username: A user name, if the bundle has one.
        password: Its password.
        files: The TLS context, which is built again when the file has changed.
    """

    path: str
    metadata_service: ContactPoint
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    files: CertificateFiles = field(repr=False, compare=False)


def read_bundle(path: str) -> CloudBundle:
    """Read a bundle.

    Raises:
        ConfigurationError: The file can't be read, or isn't a bundle.
    """
    config, context = _contents(path)
    host, port = config.get("host"), config.get("port")
    if not isinstance(host, str) or not host or not isinstance(port, int) or not 0 < port <= MAX_PORT:
        raise _invalid(path, "its config.json has no host and port")
    login = [config.get(name) for name in ("username", "password")]
    username, password = login if all(isinstance(text, str) and text for text in login) else (None, None)
    return CloudBundle(
        path=path,
        metadata_service=ContactPoint(host, port),
        username=username,
        password=password,
        files=CertificateFiles(context, lambda: _contents(path)[1], (path,)),
    )


def _contents(path: str) -> tuple[dict[str, Any], SSLContext]:
    """Return the contents of config.json, and the TLS context."""
    import json  # slow imports, for this only
    import zlib
    from zipfile import BadZipFile, ZipFile

    found: Any = None
    try:
        with ZipFile(path) as archive:
            names = ("config.json", *_CERTIFICATES.values())
            if not set(names) <= set(archive.namelist()):
                raise _invalid(path, "a file is missing in it")
            files = {name: archive.open(name).read(_MAX_SIZE).decode() for name in names}
    except OSError as exc:
        message = f"bundle={path!r} can't be read: {exc.strerror}."
        raise ConfigurationError(message, hint="Give the path of the zip file.", option="bundle") from exc
    except (BadZipFile, NotImplementedError, RuntimeError, zlib.error) as exc:
        raise _invalid(path, "it isn't a zip file, or is damaged") from exc
    except UnicodeDecodeError:  # its text contains a part of the file
        raise _invalid(path, "its files aren't text") from None
    with suppress(ValueError):  # its text contains a part of the file, which may have a password
        found = json.loads(files["config.json"])
    if not isinstance(found, dict):
        raise _invalid(path, "its config.json isn't an object in JSON")
    return found, _context(path, files)


def _context(path: str, files: Mapping[str, str]) -> SSLContext:
    certificates = {option: files[name] for option, name in _CERTIFICATES.items()}
    if not all(map(is_pem, certificates.values())):  # and so a path, for other options
        raise _invalid(path, "its certificates aren't PEM")
    try:
        # Proxies' certificates don't have the nodes' ids, which are the names in SNI.
        return make_context(certificates, VERIFY_PEER_CERT)
    except ConfigurationError as exc:
        raise _invalid(path, "its certificates can't be used") from exc


def _invalid(path: str, what: str) -> ConfigurationError:
    message = f"bundle={path!r} isn't a secure connect bundle: {what}."
    return ConfigurationError(message, hint="Download it again.", option="bundle")
