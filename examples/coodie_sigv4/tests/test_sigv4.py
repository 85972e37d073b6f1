"""Signatures as published by AWS, and logins to a server that checks them."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from botocore.credentials import ReadOnlyCredentials
from coodie_sigv4 import SigV4Authenticator, _session

import coodie
from coodie.exceptions import AuthenticationError
from coodie_testing import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_NONCE = b"91703fdc2ef562e19fbdab0f58e42fe5"
_REGION = "us-west-2"
_SECRET = "UserSecretKey-1"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Configure botocore by variables, and nothing else of this machine."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "UserID-1",
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_SESSION_TOKEN": "token-1",
        "AWS_DEFAULT_REGION": _REGION,
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    _session.cache_clear()
    yield
    _session.cache_clear()


def test_the_published_signature() -> None:
    """The values are from the tests of AWS's plug-ins for the drivers (test_generate_signature)."""
    one = SigV4Authenticator(ReadOnlyCredentials("UserID-1", _SECRET, None), _REGION)
    wanted = "7f3691c18a81b8ce7457699effbfae5b09b4e0714ab38c1292dbdf082c9ddd87"
    assert one.signature(_NONCE, "2020-06-09T22:41:51.000Z") == wanted
    assert one.initial_response() == b"SigV4\0\0"
    with pytest.raises(ValueError, match="has no nonce"):
        one.evaluate_challenge(b"nonce=short")


def _expected(nonce: bytes, time: str, key: str) -> str:
    """Calculate a signature as AWS documents it, without botocore."""

    def signed(secret: bytes, text: str) -> bytes:
        return hmac.new(secret, text.encode(), hashlib.sha256).digest()

    scope = f"{time[:10].replace('-', '')}/{_REGION}/cassandra/aws4_request"
    query = (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={quote(f'{key}/{scope}', safe='')}"
        f"&X-Amz-Date={quote(time, safe='')}&X-Amz-Expires=900"
    )
    payload = hashlib.sha256(nonce).hexdigest()
    canonical = f"PUT\n/authenticate\n{query}\nhost:cassandra\n\nhost\n{payload}"
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    secret = f"AWS4{_SECRET}".encode()
    for part in scope.split("/"):
        secret = signed(secret, part)
    return signed(secret, text).hex()


def _keyspaces(seen: list[dict[str, str]]) -> Callable[[Sequence[bytes]], bytes | None]:
    """Return a server's side of the login, which notes what clients send."""

    def login(tokens: Sequence[bytes]) -> bytes | None:
        if tokens[0] != b"SigV4\0\0":
            raise PermissionError("Unknown mechanism")
        if len(tokens) == 1:
            return b"nonce=" + _NONCE
        sent = dict(part.split("=", 1) for part in tokens[1].decode().split(","))
        seen.append(sent)
        if sent["signature"] != _expected(_NONCE, sent["amzdate"], sent["access_key"]):
            raise PermissionError("The signature doesn't match")
        return None

    return login


def test_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name in a file, each connection signs its nonce; the secret key isn't sent."""
    seen: list[dict[str, str]] = []
    file = tmp_path / "coodie.toml"
    with FakeCluster(login=_keyspaces(seen)) as cluster:
        file.write_text(f'[connections.main]\nhosts = ["127.0.0.1:{cluster.port}"]\ncredentials = "sigv4"\n')
        coodie.load_config(file)
        with coodie.get_driver("main") as driver:
            assert driver.execute("SELECT key FROM system.local", [])
        assert len(seen) >= 2  # the control connection's, and a pool's
        assert {sent["session_token"] for sent in seen} == {"token-1"}
        assert _SECRET not in str(seen)

        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        _session.cache_clear()
        with pytest.raises(AuthenticationError, match="signature doesn't match"):
            coodie.init_coodie(cluster.hosts, port=cluster.port, credentials="sigv4")


@pytest.mark.parametrize("variable", ["AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"])
def test_without_configuration(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """The error names the provider; its cause says what is missing."""
    monkeypatch.delenv(variable)
    with pytest.raises(
        AuthenticationError, match=r"'sigv4' of coodie-sigv4 0\.1\.0 raised LookupError"
    ) as caught:
        coodie.init_coodie(["127.0.0.1"], credentials="sigv4")
    assert "was found" in str(caught.value.__cause__) or "were found" in str(caught.value.__cause__)
