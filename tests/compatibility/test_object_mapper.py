"""The object mapper of coodie 1.9.3, laid over these drivers: it reads and writes, sync and async.

Its distribution has a package `coodie`, like coodie-core; so its modules are taken from the wheel, without
its own `drivers`, under another name. Their imports of `coodie.drivers` stay, and find ours.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib import import_module
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4

import pytest
from tests.conftest import open_driver

import coodie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.registry import DriverRegistry

#: The wheel, with its digest.
REQUIREMENT = Path(__file__).with_name("coodie-1.9.txt")

#: The name that the mapper has here.
NAME = "coodie_documents"

#: An import of one of the mapper's own modules.
OWN = re.compile(r"\b(from|import) coodie(?=[. ])(?!\.drivers\b)")


@pytest.fixture(scope="session")
def mapper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Download the wheel, and make its modules importable; give their package's name."""
    directory = tmp_path_factory.mktemp("mapper")
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    options = ("--no-deps", "--only-binary=:all:", "--require-hashes", "-d", directory, "-r", REQUIREMENT)
    subprocess.run([*map(str, pip + options)], check=True)
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            package, *rest = name.split("/")
            if package == "coodie" and name.endswith(".py") and rest[0] not in {"drivers", "migrations"}:
                file = directory.joinpath(NAME, *rest)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(OWN.sub(rf"\1 {NAME}", archive.read(name).decode()), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(directory)
        yield NAME


@dataclass(frozen=True)
class Mapper:
    """One half of the mapper, and the models that are made of it."""

    package: Any
    batch: Any
    models: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.models[name]


@pytest.fixture(params=["sync", "aio"])
def half(
    request: pytest.FixtureRequest,
    mapper: str,
    cassandra_node: Any,
    cassandra_keyspace: str,
    backend: str,
    registry: DriverRegistry,
) -> Iterator[Mapper]:
    """Open the default connection, and define models on the sync or the async half."""
    package = import_module(f"{mapper}.{request.param}")
    fields = import_module(f"{mapper}.fields")
    create_model = import_module("pydantic").create_model  # which other environments lack
    key = {"id": (Annotated[UUID, fields.PrimaryKey()], ...)}
    usertype = import_module(f"{mapper}.usertype").UserType
    maker = create_model(f"Maker{request.param}", __base__=usertype, name=(str, ...), country=(str, ...))
    models = {
        "item": create_model(
            f"Item{request.param}",
            __base__=package.Document,
            **key,
            name=(Annotated[str, fields.Indexed()], ...),
            price=(int, 0),
            tags=(list[str], []),
            maker=(Annotated[maker | None, fields.Frozen()], None),
        ),
        "event": create_model(
            f"Event{request.param}",
            __base__=package.Document,
            **key,
            n=(Annotated[int, fields.ClusteringKey()], ...),
        ),
        "hits": create_model(
            f"Hits{request.param}",
            __base__=package.CounterDocument,
            **key,
            n=(Annotated[int, fields.Counter()], 0),
        ),
    }
    batches = import_module(f"{mapper}.batch")
    batch = batches.BatchQuery if request.param == "sync" else batches.AsyncBatchQuery
    open_driver(backend, **cassandra_node.connection_options(), keyspace=cassandra_keyspace)
    yield Mapper(package, batch, {"maker": maker, **models})
    coodie.get_driver().close()


async def done(result: Any) -> Any:
    """Return a result of either half."""
    return await result if isawaitable(result) else result


async def test_documents(half: Mapper) -> None:
    """Tables with an index and a user-defined type; every way of writing, and of reading what was written."""
    item = half.item
    assert len(await done(item.sync_table())) >= 2
    assert await done(item.sync_table()) == []

    bolt = item(id=uuid4(), name="bolt", price=3, tags=["steel"], maker=half.maker(name="Acme", country="NL"))
    await done(bolt.save())
    found = await done(item.get(id=bolt.id))
    assert (found.id, found.name, found.price, found.tags) == (bolt.id, "bolt", 3, ["steel"])
    assert half.maker.model_validate(found.maker) == bolt.maker  # validated by neither

    assert (await done(item(id=bolt.id, name="nut").insert())).applied is False
    nut = item(id=uuid4(), name="nut")
    assert (await done(nut.insert())).applied is True
    await done(nut.update(price=5))
    (found,) = await done(item.find(name="nut").consistency("ONE").timeout(10.0).all())
    assert (found.price, found.tags) == (5, []), "the mapper puts an empty list for null into the row"
    (lazy,) = await done(item.find(name="nut").all(lazy=True))
    assert (lazy.price, lazy.tags) == (5, [])
    assert await done(item.find().count()) == 2
    assert (await done(item.find(name="bolt").first())).id == bolt.id

    await done(bolt.delete())
    assert await done(item.find_one(id=bolt.id)) is None
    assert len(await done(half.package.execute_raw("SELECT key FROM system.local"))) == 1


async def test_pages_and_batches(half: Mapper) -> None:
    """A batch writes what pages read: the next page's state is an attribute of the driver."""
    await done(half.event.sync_table())
    id_ = uuid4()
    if half.batch.__name__ == "BatchQuery":
        with half.batch() as batch:
            for n in range(25):
                half.event(id=id_, n=n).save(batch=batch)
    else:
        async with half.batch() as batch:
            for n in range(25):
                await half.event(id=id_, n=n).save(batch=batch)
    seen, state, pages = [], None, 0
    while state is not None or not pages:
        page = await done(half.event.find(id=id_).fetch_size(10).page(state).paged_all())
        seen += [event.n for event in page.data]
        state, pages = page.paging_state, pages + 1
    assert seen == list(range(25))
    assert pages == 3


async def test_counters(half: Mapper) -> None:
    """Counters count."""
    await done(half.hits.sync_table())
    hits = half.hits(id=uuid4())
    await done(hits.increment(n=3))
    await done(hits.decrement(n=1))
    assert (await done(half.hits.get(id=hits.id))).n == 2
