"""TLS, client certificates and passwords: the files, and real nodes that require them."""

from __future__ import annotations

import ssl
import stat
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from coodie.exceptions import ConfigurationError, DriverDependencyError
from coodie_local import Certificates, Credentials, LocalCluster, LocalNode
from coodie_local._certificates import make_certificates
from coodie_local._native import is_ready, run_statement
from coodie_local._progress import SilentProgress
from coodie_local._security import (
    BUILT_IN,
    OPEN,
    Access,
    Security,
    create_secrets,
    load_access,
    load_credentials,
)

if TYPE_CHECKING:
    from pathlib import Path

QUIET = SilentProgress()


def names_of(pem: bytes) -> list[str]:
    """Return the addresses in a certificate."""
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(address) for address in names.get_values_for_type(x509.IPAddress)]


def test_the_certificates_name_every_node_and_only_this_user_reads_them(tmp_path: Path) -> None:
    """All nodes share one certificate; all files are private."""
    files = Certificates(tmp_path / "tls")
    make_certificates(files, ["127.0.9.1", "127.0.9.2"])
    chain = files.server.read_bytes().partition(b"-----BEGIN CERTIFICATE")
    assert names_of(chain[1] + chain[2]) == ["127.0.9.1", "127.0.9.2"]
    made = [*files.directory.iterdir()]
    assert {file.name for file in made} == {
        "authority.pem", "ca.pem", "client.pem", "client-key.pem", "server.pem"
    }  # fmt: skip
    assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}
    assert stat.S_IMODE(files.directory.stat().st_mode) == 0o700


def test_what_clients_trust_stays(tmp_path: Path) -> None:
    """A later start with other addresses keeps the authority and client; an invalid one is replaced."""
    files = Certificates(tmp_path / "tls")
    make_certificates(files, ["127.0.9.1"])
    before = files.ca.read_bytes(), files.client.read_bytes()
    make_certificates(files, ["127.0.9.7"])
    assert (files.ca.read_bytes(), files.client.read_bytes()) == before
    files.authority.write_bytes(b"nonsense")
    make_certificates(files, ["127.0.9.7"])
    assert files.ca.read_bytes() != before[0]
    assert files.client.read_bytes() != before[1]


def test_strict_checks_are_satisfied(tmp_path: Path) -> None:
    """Both certificates pass VERIFY_X509_STRICT, the default of newer interpreters."""
    files = Certificates(tmp_path / "tls")
    make_certificates(files, ["127.0.9.1"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.server)
    server.load_verify_locations(files.ca)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(files.ca))
    client.load_cert_chain(files.client, files.client_key)
    for context in (server, client):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="127.0.9.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    pending = list(ends)
    while pending:
        for end in tuple(pending):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            pending.remove(end)
    assert ends[1].getpeercert()


def test_a_password_is_chosen_once(tmp_path: Path) -> None:
    """The password isn't the default one, is kept for later starts, and isn't in the repr."""
    create_secrets(tmp_path, ["127.0.0.1"], Security(auth=True))
    chosen = load_credentials(tmp_path)
    assert chosen is not None
    assert chosen.username == "cassandra"
    assert len(chosen.password) > 20
    assert chosen.password not in repr(chosen)
    create_secrets(tmp_path, ["127.0.0.1"], Security(auth=True))
    assert load_credentials(tmp_path) == chosen
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600
    assert load_access(tmp_path, Security()) == OPEN


def test_without_cryptography_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the command that installs it."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for arguments in ({"tls": True}, {"mtls": True}):
        with pytest.raises(DriverDependencyError, match='pip install "cryptography>=42"') as caught:
            LocalNode("n", directory=tmp_path / "n", **arguments)  # type: ignore[arg-type]  # all are bools
        assert caught.value.missing == "cryptography"
    assert not (tmp_path / "n").exists()


def test_mutual_tls_without_tls_is_refused() -> None:
    """mtls=True and tls=False are contradictory."""
    with pytest.raises(ConfigurationError, match="tls=False") as caught:
        LocalCluster(mtls=True, tls=False)
    assert caught.value.option == "mtls"


@pytest.mark.extended
@pytest.mark.server
def test_a_node_asks_for_a_certificate_and_a_password(node_dir: Path) -> None:
    """connection_options() are sufficient, all of them are required; a durable node keeps them."""
    with LocalNode("safe", directory=node_dir, profile="durable", mtls=True, auth=True) as node:
        assert node.security == Security(tls=True, mtls=True, auth=True)
        options = node.connection_options()
        assert {"username", "password", "ssl_trusted_cert", "ssl_cert", "ssl_private_key"} < set(options)
        context = node.ssl_context()
        assert context is not None
        assert context.check_hostname
        access = Access(context, node.credentials)

        def lets_in(with_access: Access) -> bool:
            return is_ready(node.host, options["port"], with_access)

        assert lets_in(access)
        assert not lets_in(OPEN)
        assert not lets_in(replace(access, credentials=None))
        assert not lets_in(replace(access, credentials=BUILT_IN))
        assert not lets_in(replace(access, credentials=Credentials("cassandra", "wrong")))
        certificates = node.certificates
        assert certificates is not None
        no_certificate = ssl.create_default_context(cafile=str(certificates.ca))
        assert not lets_in(replace(access, ssl_context=no_certificate))
        run_statement(node.host, node.port, "CREATE ROLE reader WITH LOGIN = true AND PASSWORD = 'p'", access)
        node.nodes[0].restart()
        assert lets_in(replace(access, credentials=Credentials("reader", "p")))
    with LocalNode("safe", directory=node_dir, profile="durable") as again:
        assert again.connection_options() == options
        assert lets_in(access)
    with LocalNode("safe", directory=node_dir, profile="durable", mtls=False, tls=False, auth=False) as bare:
        assert bare.connection_options() == {"hosts": [node.host], "port": options["port"]}
        assert lets_in(OPEN)


@pytest.mark.server
@pytest.mark.reliability
def test_three_nodes_share_certificate_and_password(node_dir: Path) -> None:
    """All nodes accept the same credentials and certificate, even one restarted while another is dead."""
    with LocalCluster("safe", directory=node_dir, nodes=3, tls=True, auth=True) as cluster:
        access = Access(cluster.ssl_context(), cluster.credentials)
        assert all(is_ready(host, cluster.port, access) for host in cluster.hosts)
        assert not any(is_ready(host, cluster.port, OPEN) for host in cluster.hosts)
        cluster.nodes[0].kill()
        cluster.nodes[1].restart()
        assert is_ready(cluster.hosts[1], cluster.port, access)
