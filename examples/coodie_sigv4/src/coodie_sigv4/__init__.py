"""Log in to Amazon Keyspaces with AWS credentials, as signature version 4: ``credentials = "sigv4"``.

The credentials and the region are those of botocore: environment variables, ~/.aws, or the role of the
machine, the container or the pod. Temporary credentials are renewed by botocore before they expire.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import cache
from typing import Any

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

__all__ = ["SigV4Authenticator", "login"]

_NONCE = re.compile(rb"nonce=([^,\s]{32})")
#: Seconds for which the server accepts a signature.
_EXPIRES = "900"


class SigV4Authenticator:
    """The client's side of one login.

    Args:
        credentials: The access key, the secret key and the token, None without one.
        region: The region, such as ``eu-central-1``.
    """

    def __init__(self, credentials: Any, region: str) -> None:
        self._credentials = credentials
        self._region = region

    def initial_response(self) -> bytes:
        """Return the mechanism's name."""
        return b"SigV4\0\0"

    def evaluate_challenge(self, challenge: bytes) -> bytes:
        """Return the signature of the challenge's nonce.

        Raises:
            ValueError: There is no nonce.
        """
        nonce = _NONCE.search(challenge)
        if nonce is None:
            raise ValueError("The server's challenge has no nonce.")
        time = dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        parts = [f"signature={self.signature(nonce[1], time)}", f"access_key={self._credentials.access_key}"]
        parts.append(f"amzdate={time}")
        if self._credentials.token is not None:
            parts.append(f"session_token={self._credentials.token}")
        return ",".join(parts).encode()

    def signature(self, nonce: bytes, time: str) -> str:
        """Return the signature of a nonce, as of a request ``PUT /authenticate`` with the nonce as its body.

        Args:
            nonce: The nonce.
            time: The time as ``2020-06-09T22:41:51.000Z``. Other AWS services have it without punctuation.
        """
        signer = SigV4Auth(self._credentials, "cassandra", self._region)
        date = time[:10].replace("-", "")
        scope = f"{self._credentials.access_key}/{date}/{self._region}/cassandra/aws4_request"
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": scope,
            "X-Amz-Date": time,
            "X-Amz-Expires": _EXPIRES,
        }
        request = AWSRequest("PUT", "https://cassandra/authenticate", params=query, data=nonce)
        request.context["timestamp"] = date
        algorithm, _, *rest = signer.string_to_sign(request, signer.canonical_request(request)).split("\n")
        signature: str = signer.signature("\n".join([algorithm, time, *rest]), request)
        return signature


@cache
def _session() -> Any:
    return botocore.session.get_session()


def login() -> SigV4Authenticator:
    """Return an authenticator with the current credentials; the entry point, called for each connection.

    Raises:
        LookupError: There are no credentials, or no region.
    """
    session = _session()
    region = session.get_config_variable("region")
    credentials = session.get_credentials()
    if credentials is None or not region:
        lacking = "AWS credentials were" if credentials is None else "AWS region was"
        raise LookupError(f"No {lacking} found: see botocore's documentation of its configuration.")
    return SigV4Authenticator(credentials.get_frozen_credentials(), region)
