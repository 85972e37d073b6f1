"""An asyncio web application: opens the driver first and closes it last.

``lifespan`` is for FastAPI and Starlette. ``app`` does the same without a
framework, for any ASGI server: ``uvicorn asgi:app``.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import coodie

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        MutableMapping,
    )

    Message = MutableMapping[str, Any]


VERSION = "SELECT release_version FROM system.local"


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Open the driver when the application starts; close it at the end."""
    coodie.load_config()
    driver = coodie.get_driver("shop")
    # Without warm_async, the first request connects.
    await driver.warm_async([VERSION])
    try:
        yield
    finally:
        # By now, the web server has answered all of its requests.
        await driver.close_async(drain=2)


async def server_version() -> dict[str, Any]:
    """Answer one request: in FastAPI, with ``@app.get("/version")``."""
    rows = await coodie.get_driver("shop").execute_async(VERSION, [])
    return rows[0]


async def healthz() -> int:
    """Answer a liveness probe: a driver that isn't live needs a restart."""
    return 200 if coodie.get_driver("shop").is_live() else 500


async def readyz() -> int:
    """Answer a readiness probe within 0.8 s: no traffic without database."""
    return 200 if await coodie.get_driver("shop").is_ready_async() else 503


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Speak ASGI (specification 3.0: HTTP, and lifespan 2.0)."""
    if scope["type"] == "lifespan":
        await receive()
        async with lifespan(app):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    probe = {"/healthz": healthz, "/readyz": readyz}.get(scope["path"])
    status = 200 if probe is None else await probe()
    body = (
        json.dumps(await server_version()).encode()
        if probe is None
        else b"null"
    )
    headers = [(b"content-type", b"application/json")]
    await send(
        {"type": "http.response.start", "status": status, "headers": headers}
    )
    await send({"type": "http.response.body", "body": body})
