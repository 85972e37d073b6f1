"""The certificate authority of a cluster, and its certificates."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from coodie.exceptions import DriverDependencyError
from coodie_local._paths import make_private, write_private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

__all__ = ["Certificates", "check_cryptography", "make_certificates"]

_LIFETIME = dt.timedelta(days=3650)
_CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Certificates:
    """The PEM files of a cluster's certificates, in a directory that only this user can enter."""

    directory: Path

    @property
    def ca(self) -> Path:
        """The authority's certificate, which clients trust."""
        return self.directory / "ca.pem"

    @property
    def client(self) -> Path:
        """The client certificate, for mutual TLS."""
        return self.directory / "client.pem"

    @property
    def client_key(self) -> Path:
        """The key of the client certificate, PKCS #8, unencrypted."""
        return self.directory / "client-key.pem"

    @property
    def server(self) -> Path:
        """The nodes' key and certificate chain in one file, for Cassandra."""
        return self.directory / "server.pem"

    @property
    def authority(self) -> Path:
        """The authority's key and certificate, for later starts."""
        return self.directory / "authority.pem"


def check_cryptography(option: str) -> None:
    """Check that the package cryptography is installed.

    Args:
        option: The requested option, ``tls`` or ``mtls``.

    Raises:
        DriverDependencyError: It isn't installed.
    """
    if find_spec("cryptography") is None:
        msg = f"{option}=True needs the package cryptography, which isn't installed."
        hint = 'Run: pip install "cryptography>=42"'
        raise DriverDependencyError(
            msg, hint=hint, driver_type="local", missing="cryptography", option=option
        )


def make_certificates(files: Certificates, hosts: Sequence[str]) -> None:
    """Create a node certificate, and the authority and the client certificate if they are missing.

    Args:
        files: The files; an existing authority is kept, so that clients keep trusting the cluster.
        hosts: The nodes' addresses, all of which the node certificate contains.
    """
    make_private(files.directory)
    authority = _load_authority(files)
    if authority is None:
        files.client.unlink(missing_ok=True)
        authority = _Authority.create()
        write_private(files.authority, authority.key_pem + authority.pem)
    write_private(files.ca, authority.pem)
    if not (files.client.is_file() and files.client_key.is_file()):
        certificate, key = authority.issue("coodie-local client", ())
        write_private(files.client_key, key)
        write_private(files.client, certificate)
    certificate, key = authority.issue("coodie-local node", hosts)
    write_private(files.server, key + certificate + authority.pem)


class _Authority:
    """A certificate authority."""

    def __init__(self, key: EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate

    @classmethod
    def create(cls) -> _Authority:
        key = _new_key()
        name = _name("coodie-local authority")
        certificate = _sign(_builder(name, name, key.public_key(), key, is_authority=True), key)
        return cls(key, certificate)

    @property
    def pem(self) -> bytes:
        return _certificate_pem(self._certificate)

    @property
    def key_pem(self) -> bytes:
        return _key_pem(self._key)

    def issue(self, common_name: str, hosts: Sequence[str]) -> tuple[bytes, bytes]:
        """Return a certificate and its key: a server certificate if there are addresses, else a client's."""
        from cryptography import x509
        from cryptography.x509.oid import ExtendedKeyUsageOID

        key = _new_key()
        builder = _builder(
            self._certificate.subject, _name(common_name), key.public_key(), self._key, is_authority=False
        )
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if hosts:
            addresses = [x509.IPAddress(ipaddress.ip_address(host)) for host in hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        return _certificate_pem(_sign(builder, self._key)), _key_pem(key)


def _load_authority(files: Certificates) -> _Authority | None:
    """Load the authority of an earlier start, unless it is missing, invalid, or expires soon."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        content = files.authority.read_bytes()
        key = load_pem_private_key(content, None)
        certificate = x509.load_pem_x509_certificate(content)
    except (OSError, ValueError):
        return None
    if not isinstance(key, EllipticCurvePrivateKey):
        return None
    # not_valid_after_utc requires cryptography 42
    left = certificate.not_valid_after_utc - dt.datetime.now(dt.timezone.utc)
    return _Authority(key, certificate) if left > _LIFETIME / 2 else None


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    key: EllipticCurvePublicKey,
    issuer_key: EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.CertificateBuilder:
    """Return a certificate builder with the extensions that strict verification (RFC 5280) requires."""
    from cryptography import x509

    now = dt.datetime.now(dt.timezone.utc)
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    constraints = x509.BasicConstraints(ca=is_authority, path_length=None)
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(issued_by, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _sign(builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey) -> x509.Certificate:
    from cryptography.hazmat.primitives import hashes

    return builder.sign(key, hashes.SHA256())


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
