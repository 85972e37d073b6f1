"""Secure connect bundles, as a cloud's console makes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import trustme

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["bundle_files", "write_bundle"]


def bundle_files(host: str = "db.example.org", port: int = 29080, **more: Any) -> dict[str, str]:
    """Return the files of a bundle by name, with a certificate of an authority that nobody else knows."""
    authority = trustme.CA()
    client = authority.issue_cert("client@example.org")
    return {
        "config.json": json.dumps({"host": host, "port": port, "keyspace": "shop", **more}),
        "ca.crt": authority.cert_pem.bytes().decode(),
        "cert": client.cert_chain_pems[0].bytes().decode(),
        "key": client.private_key_pem.bytes().decode(),
    }


def write_bundle(path: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write a bundle, beside files for other drivers; return its path."""
    with ZipFile(path, "w") as archive:
        for name, text in {"cqlshrc": "[connection]\n", "trustStore.jks": b"\xfe\xed", **files}.items():
            archive.writestr(name, text)
    return path
