"""A whole application with FastAPI: ``uvicorn fastapi_shop:app``.

Its tests are in test_fastapi_shop.py.
"""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads hints
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal  # noqa: TC003 - pydantic reads hints
from http import HTTPStatus
from typing import Annotated

import asgi
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

import coodie
from coodie.exceptions import PagingStateError
from coodie.schema import SimpleStrategy, SyncOptions

KEYSPACE = "fastapi_shop"
COLUMNS = [
    coodie.ColumnDefinition("shelf", "text", primary_key=True),
    coodie.ColumnDefinition("id", "int", clustering_key=True),
    coodie.ColumnDefinition("name", "text"),
    coodie.ColumnDefinition("price", "decimal"),
]
INSERT = (
    f"INSERT INTO {KEYSPACE}.items (shelf, id, name, price) "
    "VALUES (:shelf, :id, :name, :price) IF NOT EXISTS"
)
SELECT = f"SELECT id, name, price FROM {KEYSPACE}.items WHERE shelf = ?"

#: Errors of requests -> the status of the response; all others are 500.
STATUS = {
    PagingStateError: HTTPStatus.BAD_REQUEST,
    coodie.ParameterError: HTTPStatus.BAD_REQUEST,
    coodie.UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    coodie.OverloadedError: HTTPStatus.SERVICE_UNAVAILABLE,
    coodie.ConnectionFailedError: HTTPStatus.SERVICE_UNAVAILABLE,
    coodie.RequestTimeoutError: HTTPStatus.GATEWAY_TIMEOUT,
}


class Item(BaseModel):
    """An item of a shelf."""

    id: int
    name: str
    price: Decimal


class Page(BaseModel):
    """Some items of a shelf, and the cursor of those after them."""

    items: list[Item]
    next: str | None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the driver, create the table, and close the driver at the end."""
    async with asgi.lifespan(app):
        options = SyncOptions(create_keyspace=SimpleStrategy(1))
        await shop().sync_table_async(
            "items", KEYSPACE, COLUMNS, options=options
        )
        yield


def shop() -> coodie.Driver:
    """Return the driver; tests can replace it in dependency_overrides."""
    return coodie.get_driver("shop")


Shop = Annotated[coodie.Driver, Depends(shop)]
app = FastAPI(lifespan=lifespan)
app.get("/version")(asgi.server_version)


@app.exception_handler(coodie.CoodieError)
async def failed(_: Request, error: coodie.CoodieError) -> JSONResponse:
    """Respond with the status of an error, without its text."""
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            retry = status is HTTPStatus.SERVICE_UNAVAILABLE
            headers = {"Retry-After": "1"} if retry else None
            content = {"detail": type(error).__name__}
            return JSONResponse(content, status, headers)
    raise error


@app.post("/shelves/{shelf}/items", status_code=201)
async def add(shelf: str, item: Item, driver: Shop) -> Item:
    """Add an item, unless there is one with its id."""
    values = {"shelf": shelf, **item.model_dump()}
    if not (await driver.execute_async(INSERT, values)).applied:
        raise HTTPException(409, f"There is an item {item.id}.")
    return item


@app.get("/shelves/{shelf}/items/{number}")
async def find(shelf: str, number: int, driver: Shop) -> Item:
    """Return an item."""
    found = await driver.execute_async(
        f"{SELECT} AND id = ?", [shelf, number], rows=Item
    )
    if not found:
        raise HTTPException(404, f"There is no item {number}.")
    return found.one()


@app.get("/shelves/{shelf}/items")
async def items(
    shelf: str,
    driver: Shop,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Page:
    """Return a page of a shelf."""
    rows = await driver.execute_async(
        SELECT, [shelf], fetch_size=limit, paging_state=cursor, rows=Item
    )
    return Page(items=rows, next=rows.cursor)


@app.get("/shelves/{shelf}/items.csv")
async def export(shelf: str, driver: Shop) -> StreamingResponse:
    """Send a shelf as CSV, with one page of it in memory."""

    async def lines() -> AsyncIterator[str]:
        yield line(["id", "name", "price"])
        found = driver.stream_async(SELECT, [shelf], rows=tuple)
        async with aclosing(found) as rows:  # also if the client goes away
            async for row in rows:
                yield line(row)

    return StreamingResponse(lines(), media_type="text/csv")


class Echo:
    """A file for ``csv.writer``, whose ``writerow`` then returns the line."""

    def write(self, text: str) -> str:
        """Return the text."""
        return text


line = csv.writer(Echo()).writerow


@app.get("/healthz")
async def liveness() -> Response:
    """Answer ``livenessProbe`` of Kubernetes."""
    return Response(status_code=await asgi.healthz())


@app.get("/readyz")
async def readiness() -> Response:
    """Answer ``readinessProbe`` of Kubernetes."""
    return Response(status_code=await asgi.readyz())
