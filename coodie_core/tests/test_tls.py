"""The ssl_… options, tried in handshakes."""

from __future__ import annotations

import itertools
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from coodie.exceptions import ConfigurationError
from coodie.options.connection import build_config
from coodie.options.tls import VERIFY_NONE, VERIFY_PEER_CERT, VERIFY_PEER_IDENTITY, build_ssl_context

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Pem:
    """A certificate and its key, as PEM text."""

    cert: str
    key: str
    encrypted_key: str


def _pem(certificate: trustme.LeafCert) -> Pem:
    key = certificate.private_key_pem.bytes()
    encrypted = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    return Pem(certificate.cert_chain_pems[0].bytes().decode(), key.decode(), encrypted.decode())


@dataclass(frozen=True)
class Certificates:
    """An authority's certificate, those that it signed, and one that another authority signed."""

    authority: str
    server: Pem
    elsewhere: Pem
    client: Pem
    stranger: Pem


@pytest.fixture(scope="module")
def pems() -> Certificates:
    """Certificates of the test's own."""
    authority = trustme.CA()
    return Certificates(
        authority.cert_pem.bytes().decode(),
        _pem(authority.issue_cert(HOST)),
        _pem(authority.issue_cert("192.0.2.1")),
        _pem(authority.issue_cert(HOST)),
        _pem(trustme.CA().issue_cert(HOST)),
    )


@pytest.fixture
def path_of(tmp_path: Path) -> Any:
    """Write a text to a file and return its path."""
    numbers = itertools.count()

    def write(text: str) -> str:
        path = tmp_path / f"{next(numbers)}.pem"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture(autouse=True)
def no_file_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test when a private key that was given as text is left in a file."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield
    assert list(directory.iterdir()) == []


def server_context(pem: Pem, path_of: Any, client_authority: str | None = None) -> ssl.SSLContext:
    """Return a server's context; with a client authority it asks for certificates of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path_of(pem.cert), path_of(pem.key))
    if client_authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_authority)
    return context


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Shake hands in memory, as the drivers do: the address connected to is what is verified."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=HOST),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
        if not ends:
            return
    raise AssertionError("the handshake doesn't end")


def made(**options: Any) -> ssl.SSLContext:
    """Return the context of these options, which ask for TLS."""
    context = build_ssl_context(**options)
    assert isinstance(context, ssl.SSLContext)
    return context


# --- whether there is TLS ---------------------------------------------------------------


def test_plain_text() -> None:
    """Without any option, and with ssl_enabled=False alone, there is no TLS."""
    assert build_ssl_context() is None
    assert build_ssl_context(ssl_enabled=False) is None


@pytest.mark.parametrize("flags", [None, 3])
def test_enabled(flags: int | None) -> None:
    """ssl_enabled=True alone verifies certificate and address against the system's authorities."""
    context = made(ssl_enabled=True, ssl_verify_flags=flags)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_ready_context_is_used_as_it_is() -> None:
    """A ready context comes through untouched, with ssl_enabled=True beside it or without."""
    context = ssl.create_default_context()
    assert build_ssl_context(ssl_context=context) is context
    assert build_ssl_context(ssl_context=context, ssl_enabled=True) is context


def test_any_option_implies_tls(pems: Certificates) -> None:
    """Each ssl_… option turns TLS on by itself, also the one that verifies nothing."""
    for options in (
        {"ssl_trusted_cert": pems.authority},
        {"ssl_cert": pems.client.cert + pems.client.key},
        {"ssl_verify_flags": VERIFY_NONE},
        {"ssl_verify_flags": VERIFY_PEER_CERT},
    ):
        made(**options)


# --- what is verified -------------------------------------------------------------------


@pytest.mark.parametrize("as_path", [False, True], ids=["text", "path"])
def test_trusted(pems: Certificates, path_of: Any, as_path: bool) -> None:
    """A server whose certificate a trusted authority signed for its address is accepted."""
    trusted = path_of(pems.authority) if as_path else pems.authority
    handshake(made(ssl_trusted_cert=trusted), server_context(pems.server, path_of))


@pytest.mark.parametrize("as_path", [False, True], ids=["text", "path"])
def test_bundle_with_names(pems: Certificates, path_of: Any, as_path: bool) -> None:
    """A bundle may have several certificates, and text in any script between them."""
    bundle = f"# Főtanúsítvány\n{pems.stranger.cert}\n認証局\n{pems.authority}"
    trusted = path_of(bundle) if as_path else bundle
    handshake(made(ssl_trusted_cert=trusted), server_context(pems.server, path_of))


@pytest.mark.parametrize("flags", [None, VERIFY_PEER_CERT])
def test_untrusted(pems: Certificates, path_of: Any, flags: int | None) -> None:
    """A server whose certificate nobody trusted signed is refused, with the default and with 1."""
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(
            made(ssl_trusted_cert=pems.authority, ssl_verify_flags=flags),
            server_context(pems.stranger, path_of),
        )


@pytest.mark.parametrize(
    ("flags", "accepted"),
    [
        (None, False),
        (VERIFY_PEER_CERT | VERIFY_PEER_IDENTITY, False),
        (VERIFY_PEER_CERT, True),
        (VERIFY_NONE, True),
    ],
)
def test_address(pems: Certificates, path_of: Any, flags: int | None, accepted: bool) -> None:
    """A trusted certificate for another address is refused by default and by 3, accepted by 1 and 0."""
    client = made(ssl_trusted_cert=pems.authority, ssl_verify_flags=flags)
    server = server_context(pems.elsewhere, path_of)
    if accepted:
        handshake(client, server)
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            handshake(client, server)


def test_verify_nothing(pems: Certificates, path_of: Any) -> None:
    """With 0 any server is accepted."""
    handshake(made(ssl_verify_flags=VERIFY_NONE), server_context(pems.stranger, path_of))


# --- the client's own certificate -------------------------------------------------------------


@pytest.mark.parametrize("cert_as_path", [False, True])
@pytest.mark.parametrize("key_as", ["text", "path", "in the chain"])
def test_client_certificate(pems: Certificates, path_of: Any, cert_as_path: bool, key_as: str) -> None:
    """A client's certificate and key, each as a path or as text, convince a server that asks for them."""
    cert, key = pems.client.cert, pems.client.key
    given_cert = cert + key if key_as == "in the chain" else cert
    client = made(
        ssl_trusted_cert=pems.authority,
        ssl_cert=path_of(given_cert) if cert_as_path else given_cert,
        ssl_private_key={"text": key, "path": path_of(key), "in the chain": None}[key_as],
    )
    handshake(client, server_context(pems.server, path_of, client_authority=pems.authority))


def test_without_client_certificate(pems: Certificates, path_of: Any) -> None:
    """Without it, that server refuses."""
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate"):
        handshake(
            made(ssl_trusted_cert=pems.authority),
            server_context(pems.server, path_of, client_authority=pems.authority),
        )


def test_key_text_is_for_this_user_alone(pems: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """While OpenSSL reads a key that was given as text, nobody else can read the file."""
    modes: list[int] = []

    load = ssl.SSLContext.load_cert_chain

    def watched(self: ssl.SSLContext, certfile: Any, keyfile: Any, password: Any) -> None:
        modes.extend(Path(name).stat().st_mode & 0o777 for name in (certfile, keyfile))
        load(self, certfile, keyfile, password)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    made(ssl_cert=pems.client.cert, ssl_private_key=pems.client.key)
    assert modes == [0o600, 0o600]


# --- what is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    "beside",
    ["ssl_context", "ssl_trusted_cert", "ssl_cert", "ssl_private_key", "ssl_verify_flags"],
)
def test_disabled_beside_another(pems: Certificates, beside: str) -> None:
    """ssl_enabled=False beside any other option is refused, and the error names it."""
    value = {"ssl_context": ssl.create_default_context(), "ssl_verify_flags": 0}.get(beside, pems.client.cert)
    with pytest.raises(
        ConfigurationError, match=f"ssl_enabled=False can't be combined with {beside}"
    ) as caught:
        build_ssl_context(ssl_enabled=False, **{beside: value})  # type: ignore[arg-type]
    assert caught.value.option == "ssl_enabled"


@pytest.mark.parametrize("beside", ["ssl_trusted_cert", "ssl_cert", "ssl_private_key", "ssl_verify_flags"])
def test_ready_context_beside_another(beside: str) -> None:
    """A ready context beside an option that would change it is refused."""
    value: Any = 3 if beside == "ssl_verify_flags" else "x"
    with pytest.raises(ConfigurationError) as caught:
        build_ssl_context(ssl_context=ssl.create_default_context(), **{beside: value})
    assert caught.value.option == beside


@pytest.mark.parametrize("flags", [2, 4, 7, -1, True, 3.0, "3"])
def test_flags_that_cannot_be_honoured(flags: Any) -> None:
    """An identity without a certificate, a look-up in DNS and anything else is refused."""
    with pytest.raises(ConfigurationError, match=r"0 .* 1 .* or 3 ") as caught:
        build_ssl_context(ssl_verify_flags=flags)
    assert caught.value.option == "ssl_verify_flags"


@pytest.mark.parametrize("value", [0, 1, "true", []])
def test_enabled_is_a_bool(value: Any) -> None:
    """ssl_enabled takes True and False, and guesses at nothing else."""
    with pytest.raises(ConfigurationError) as caught:
        build_ssl_context(ssl_enabled=value)
    assert caught.value.option == "ssl_enabled"


@pytest.mark.parametrize("value", [True, "context", object()])
def test_context_is_a_context(value: Any) -> None:
    """ssl_context takes an SSLContext."""
    with pytest.raises(ConfigurationError) as caught:
        build_ssl_context(ssl_context=value)
    assert caught.value.option == "ssl_context"


@pytest.mark.parametrize("option", ["ssl_trusted_cert", "ssl_cert", "ssl_private_key"])
@pytest.mark.parametrize(
    "value", ["/no/such/file.pem", "", os.sep, "nul\0l", Path("ca.pem"), b"ca.pem", True]
)
def test_neither_a_file_nor_pem(pems: Certificates, option: str, value: Any) -> None:
    """What is neither a readable file nor PEM text is refused, and the error names its option."""
    beside: dict[str, Any] = {"ssl_cert": pems.client.cert} if option == "ssl_private_key" else {}
    with pytest.raises(ConfigurationError) as caught:
        build_ssl_context(**beside, **{option: value})
    assert caught.value.option == option


BROKEN = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("as_path", [False, True], ids=["text", "path"])
@pytest.mark.parametrize("text", ["not PEM at all", BROKEN, "-----BEGIN nonsense"])
@pytest.mark.parametrize("option", ["ssl_trusted_cert", "ssl_cert"])
def test_broken_pem(path_of: Any, option: str, text: str, as_path: bool) -> None:
    """A file or text without a usable certificate is refused."""
    given: Any = path_of(text) if as_path else text
    with pytest.raises(ConfigurationError) as caught:
        build_ssl_context(**{option: given})
    assert caught.value.option == option
    assert caught.value.hint


def test_authority_given_as_a_key(pems: Certificates) -> None:
    """A key in the place of the authority's certificate is refused."""
    with pytest.raises(ConfigurationError):
        build_ssl_context(ssl_trusted_cert=pems.server.key)


def test_pair_that_does_not_belong_together(pems: Certificates) -> None:
    """A key of another certificate is refused."""
    with pytest.raises(ConfigurationError, match="KEY_VALUES_MISMATCH") as caught:
        build_ssl_context(ssl_cert=pems.client.cert, ssl_private_key=pems.server.key)
    assert isinstance(caught.value.__cause__, ssl.SSLError)


def test_key_alone(pems: Certificates) -> None:
    """A key without its certificate is refused."""
    with pytest.raises(ConfigurationError, match="without ssl_cert"):
        build_ssl_context(ssl_private_key=pems.client.key)


def test_encrypted_key(pems: Certificates) -> None:
    """It needs its passphrase; nobody is asked for one on the terminal, and no error shows it."""
    chain: dict[str, Any] = {"ssl_cert": pems.client.cert, "ssl_private_key": pems.client.encrypted_key}
    assert build_ssl_context(**chain, ssl_key_password="secret") is not None
    for passphrase, message in (
        (None, "is encrypted"),
        ("marker-7d1c", "doesn't decrypt"),
        ("x" * 2000, "doesn't decrypt"),
    ):
        with pytest.raises(ConfigurationError, match=message) as caught:
            build_ssl_context(**chain, ssl_key_password=passphrase)
        assert caught.value.option == "ssl_key_password"
        assert "marker-7d1c" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="ssl_key_password= without ssl_cert="):
        build_ssl_context(ssl_key_password="secret")


def test_changed_files(pems: Certificates, path_of: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The next connection has the files' new contents; while they don't match, the previous ones."""
    authority, chain, key = path_of(pems.authority), path_of(pems.client.cert), path_of(pems.client.key)
    config = build_config(
        hosts=["h"], ssl_trusted_cert=authority, ssl_cert=chain, ssl_private_key=key, ssl_verify_flags=1
    )
    context = config.current_ssl_context()
    assert context is config.ssl_context
    assert config.current_ssl_context() is context
    Path(chain).write_text(pems.stranger.cert)
    assert config.current_ssl_context() is context
    assert "don't match" in caplog.text
    Path(key).write_text(pems.stranger.key)
    changed = config.current_ssl_context()
    assert changed is not context
    Path(key).unlink()
    assert config.current_ssl_context() is changed
    text = build_config(hosts=["h"], ssl_trusted_cert=pems.authority)
    assert text.current_ssl_context() is text.ssl_context
