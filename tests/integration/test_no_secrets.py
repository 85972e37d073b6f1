"""No password, passphrase or private key in anything that is printed, logged, traced or raised."""

from __future__ import annotations

import logging
import pickle
import traceback
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import coodie
from coodie.cli import main
from coodie.exceptions import CoodieError
from coodie.observers import register_observer, unregister_observer
from coodie.observers.log import RequestLog
from coodie.observers.otel import OpenTelemetryObserver
from coodie.observers.recorder import Recorder
from coodie.options.connection import build_config
from coodie_testing import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MARKER = "marker-7f3a"

pytestmark = pytest.mark.usefixtures("registry")


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """A server that requires the marker as the password."""
    with FakeCluster(username="ada", password=MARKER) as running:
        yield running


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Collect all that is logged at DEBUG, printed and observed; at the end, none of it has the marker."""
    texts: list[str] = []
    spans = InMemorySpanExporter()
    traces = TracerProvider(shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(spans))
    recorder = Recorder()
    observers = (recorder, RequestLog(), OpenTelemetryObserver(traces))
    for observer in observers:
        register_observer(observer)
    with caplog.at_level(logging.DEBUG):
        yield texts
    for observer in observers:
        unregister_observer(observer)
    traces.shutdown()
    captured = capsys.readouterr()
    texts += [captured.out, captured.err, caplog.text, repr(recorder.events)]
    texts += [span.to_json() for span in spans.get_finished_spans()]
    texts += [repr(vars(record)) for record in caplog.records]
    for text in texts:
        assert MARKER not in text


def raised(error: BaseException) -> list[str]:
    """Return the texts of an error and of its causes: traceback, repr, attributes."""
    texts = ["".join(traceback.format_exception(error))]
    chain: BaseException | None = error
    while chain is not None:
        texts += [repr(chain), str(chain), repr(vars(chain)), repr(chain.args)]
        chain = chain.__cause__ or chain.__context__
    if isinstance(error, CoodieError):
        texts.append(repr(pickle.dumps(error)))
    return texts


async def test_an_open_driver(cluster: FakeCluster, backend: str, written: list[str]) -> None:
    """Its repr and attributes, the lazy one's, the configuration's, and what is observed of its requests."""
    cluster.when("SELECT v FROM ks.t WHERE k = ?", types=["int"]).rows([{"v": 1}])
    options: dict[str, Any] = {**cluster.connection_options(), "driver_type": backend}
    written += [repr(build_config(**options)), str(build_config(**options))]
    url = f"{backend}://ada:{MARKER}@127.0.0.1:{cluster.port}"

    def current() -> coodie.Credentials:
        return coodie.Credentials("ada", MARKER)

    by_function: dict[str, Any] = {"hosts": cluster.hosts, "port": cluster.port, "credentials": current}
    for number, driver in enumerate(
        (
            coodie.init_coodie(**options),
            coodie.init_coodie(**options, lazy=True, name="lazy"),
            coodie.init_coodie(**by_function, driver_type=backend, name="function"),
            coodie.connect(url, name="url"),
        )
    ):
        with driver:
            written.append(repr(driver))
            driver.execute("SELECT v FROM ks.t WHERE k = ?", [1])
            await driver.execute_async("SELECT v FROM ks.t WHERE k = ?", [number])
            written += [repr(driver), repr(vars(driver)), repr(driver.stats())]
            session: Any = getattr(driver, "session", None)
            if session is not None:
                written += [repr(vars(session)), repr(vars(session.cluster))]


@pytest.fixture(scope="module")
def keys() -> SimpleNamespace:
    """A certificate, and its key: plain, and with a passphrase."""
    made = trustme.CA().issue_cert("127.0.0.1")
    key = made.private_key_pem.bytes()
    encrypted = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")
    )
    return SimpleNamespace(
        cert=made.cert_chain_pems[0].bytes().decode(), key=key.decode(), encrypted=encrypted.decode()
    )


#: Options with a mistake, by what it is: all of them have the marker in a secret one.
MISTAKES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "rejected by the server": lambda _: {"username": "ada", "password": f"{MARKER}-wrong"},
    "no user name": lambda _: {"password": MARKER},
    "password of another type": lambda _: {"username": "ada", "password": [MARKER]},
    "password in bytes": lambda _: {"username": "ada", "password": MARKER.encode()},
    "credentials of another type": lambda _: {"credentials": ("ada", MARKER)},
    "provider that returns a tuple": lambda _: {"credentials": lambda: ("ada", MARKER)},
    "credentials as text": lambda _: {"credentials": f"ada:{MARKER}"},
    "both": lambda _: {
        "credentials": lambda: coodie.Credentials("a", MARKER),
        "username": "a",
        "password": "b",
    },
    "wrong passphrase": lambda keys: {
        "ssl_cert": keys.cert,
        "ssl_private_key": keys.encrypted,
        "ssl_key_password": MARKER,
    },
    "passphrase of another type": lambda keys: {"ssl_cert": keys.cert, "ssl_key_password": [MARKER]},
    "passphrase alone": lambda _: {"ssl_key_password": MARKER},
    "invalid key": lambda keys: {
        "ssl_cert": keys.cert,
        "ssl_private_key": f"-----BEGIN PRIVATE KEY-----\n{MARKER}\n-----END PRIVATE KEY-----\n",
    },
    "part of a key": lambda keys: {"ssl_cert": keys.cert, "ssl_private_key": MARKER},
    "key of another type": lambda keys: {"ssl_cert": keys.cert, "ssl_private_key": [MARKER]},
    "misspelt": lambda _: {"username": "ada", "pasword": MARKER},
    "auth_provider of another type": lambda _: {"auth_provider": MARKER},
    "ssl_options": lambda _: {"ssl_options": {"password": MARKER}},
    "hosts with a password": lambda _: {"hosts": [f"ada:{MARKER}@db1"]},
    "hosts as a URL": lambda _: {"hosts": f"scylla://ada:{MARKER}@db1"},
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_errors(
    cluster: FakeCluster, keys: SimpleNamespace, backend: str, written: list[str], mistake: str
) -> None:
    """Nothing of an error, of its causes, and of what is logged beside it; also from a lazy driver."""
    options: dict[str, Any] = {"hosts": cluster.hosts, "port": cluster.port, "driver_type": backend}
    options |= MISTAKES[mistake](keys)
    for lazy in (False, True):
        with pytest.raises(CoodieError) as caught:
            driver = await coodie.init_coodie_async(**options, lazy=lazy)
            written += [repr(driver), repr(vars(driver))]
            driver.execute("SELECT key FROM system.local", [])
        written += raised(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "{backend}://ada:{secret}@127.0.0.1:{port}?no_such_option=1",
        "{backend}://ada:{secret}@127.0.0.1:99999",
        "{backend}://ada:{secret}@",
        "{backend}://ada:{secret}@db1@db2",
        "{backend}://ada:{secret}/x@127.0.0.1",
        "{backend}://ada@127.0.0.1?password={secret}&password={secret}",
        "{backend}://127.0.0.1?ssl_key_password={secret}",
        "{backend}://127.0.0.1?ssl_private_key={secret}",
        "{backend}://127.0.0.1?credentials=ada:{secret}",
        "{backend}:ada:{secret}@127.0.0.1",
        "nothing://ada:{secret}@127.0.0.1",
        "{backend}://ada:{secret}%zz@127.0.0.1:{port}",
    ],
)
def test_urls(
    cluster: FakeCluster, backend: str, written: list[str], url: str, tmp_path: Path, monkeypatch: Any
) -> None:
    """The same for the password in a URL, in Python, in a file, and on the command line."""
    text = url.format(backend=backend, secret=MARKER, port=cluster.port)
    with pytest.raises(CoodieError) as caught:
        coodie.connect(text).close()
    written += raised(caught.value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "coodie.toml").write_text(f'[connections.main]\nurl = "{text}"\n', encoding="utf-8")
    for arguments in (["config", "show"], ["config", "check"], ["ping"], ["ping", "-c", text]):
        main(arguments)


def test_files(backend: str, written: list[str], tmp_path: Path, monkeypatch: Any) -> None:
    """Each secret key of a file, correct or not, in what `coodie config` prints, as text and as JSON."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COODIE__OTHER__URL", f"{backend}://ada:{MARKER}@db1")
    monkeypatch.setenv("COODIE__OTHER__SSL_KEY_PASSWORD", MARKER)
    for value in (f'"{MARKER}"', f'["{MARKER}"]', f'"{MARKER}'):
        keys = ("url", "password", "credentials", "ssl_private_key", "ssl_key_password")
        lines = "".join(f"{key} = {value}\n" for key in keys)
        own = "".join(f"{key} = {value}\n" for key in ("auth_provider", "ssl_options", "cloud"))
        (tmp_path / "coodie.toml").write_text(
            f'[connections.main]\ndriver = "{backend}"\n{lines}[connections.main.options]\n{own}',
            encoding="utf-8",
        )
        for command in ("show", "check"):
            main(["config", command])
            main(["config", command, "--json"])
        with suppress(CoodieError):
            coodie.load_config()
            coodie.get_driver("main").execute("SELECT key FROM system.local", [])
