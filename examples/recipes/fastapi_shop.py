"""The application of asgi.py with FastAPI: ``uvicorn fastapi_shop:app``."""

from __future__ import annotations

from asgi import lifespan, server_version
from fastapi import FastAPI

app = FastAPI(lifespan=lifespan)
app.get("/version")(server_version)
