"""`make docs` serves the built site on a terminal."""

from __future__ import annotations

import socket
import threading
from functools import partial
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

import checks
import project
import serving
import tiers
from steps import Steps

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a site with one page."""
    (tmp_path / "index.html").write_text("<title>here</title>")
    return tmp_path


@pytest.mark.parametrize("taken", [False, True], ids=["free", "taken"])
def test_the_site_is_served(site: Path, taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server responds with the page, on another port if the usual one is in use."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        monkeypatch.setattr(serving, "_PORT", port)
        if taken:
            other.listen()
        else:
            other.close()
        with serving.serving(site) as address:
            assert (address == f"http://127.0.0.1:{port}/") is not taken
            with urlopen(address, timeout=10) as answer:  # noqa: S310 - our own
                assert (answer.read(), answer.headers["Cache-Control"]) == (
                    b"<title>here</title>",
                    "no-store",
                )
    assert not [thread for thread in threading.enumerate() if thread.name == "documentation"]


@pytest.mark.parametrize("somebody", [False, True])
def test_who_is_served(somebody: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, the site is served; in a pipe, it is only built."""
    done: list[str] = []
    monkeypatch.setattr(checks, "build_docs", lambda _steps: done.append("built"))
    monkeypatch.setattr(project, "serve", lambda _directory: done.append("served"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: somebody)
    project.docs(Steps())
    assert done == ["built", "served"][: 1 + somebody]


def test_make_test_only_builds() -> None:
    """`make test` doesn't serve the site, even on a terminal."""
    (job,) = [job for job in tiers.jobs_of_test(Steps(), None) if job.name == "documentation"]
    assert isinstance(job.work, partial)
    assert job.work.func is checks.build_docs
