"""Test the application of fastapi_shop.py with a Cassandra of coodie-local."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from fastapi_shop import app, shop

import coodie

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client(
    cassandra_node: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """Configure the application for the node; open and close it."""
    url = f"scylla://{cassandra_node.host}:{cassandra_node.port}"
    monkeypatch.setenv("COODIE__SHOP__URL", url)
    with TestClient(app) as opened:
        yield opened


@pytest.fixture
def shelf(client: TestClient) -> str:
    """Return the address of a shelf with three items."""
    address = f"/shelves/{uuid4()}/items"
    for number, name in enumerate(["lamp", "desk, oak", "chair"]):
        item = {"id": number, "name": name, "price": f"{number}.50"}
        assert client.post(address, json=item).status_code == 201
    return address


def test_an_item_is_found(client: TestClient, shelf: str) -> None:
    """What was added is returned, with its types."""
    found = client.get(f"{shelf}/2")
    assert found.json() == {"id": 2, "name": "chair", "price": "2.50"}
    assert client.get(f"{shelf}/3").status_code == 404
    assert client.get(f"{shelf}/{2**40}").status_code == 400  # not a CQL int


def test_an_item_is_added_once(client: TestClient, shelf: str) -> None:
    """The second item with an id is a conflict; a wrong one is rejected."""
    item = {"id": 2, "name": "stool", "price": "1"}
    assert client.post(shelf, json=item).status_code == 409
    assert client.post(shelf, json={"id": "x"}).status_code == 422


def test_cursors_lead_through_all_items(
    client: TestClient, shelf: str
) -> None:
    """Each page has the cursor of the next one, the last one has none."""
    found, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(shelf, params=query).json()
        found += [item["id"] for item in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert found == [0, 1, 2]
    assert client.get(shelf, params={"cursor": "forged"}).status_code == 400


def test_a_shelf_is_exported(client: TestClient, shelf: str) -> None:
    """The CSV has a line for each item."""
    lines = client.get(f"{shelf}.csv").text.splitlines()
    assert lines[:1] == ["id,name,price"]
    assert lines[2] == '1,"desk, oak",1.50'
    assert len(lines) == 4


def test_an_unavailable_database_is_503(
    client: TestClient, shelf: str
) -> None:
    """An error of a request is a response that says when to retry."""

    class Down:
        async def execute_async(self, *_: Any, **__: Any) -> Any:
            raise coodie.UnavailableError("QUORUM needs 2 replicas")

    app.dependency_overrides[shop] = Down
    try:
        response = client.get(shelf)
    finally:
        app.dependency_overrides.clear()
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"


def test_probes(client: TestClient) -> None:
    """The application is live and ready."""
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
