"""The application of asgi.py with FastAPI: ``uvicorn fastapi_shop:app``."""

from __future__ import annotations

from asgi import healthz, lifespan, readyz, server_version
from fastapi import FastAPI, Response

app = FastAPI(lifespan=lifespan)
app.get("/version")(server_version)


@app.get("/healthz")
async def liveness() -> Response:
    """Answer ``livenessProbe`` of Kubernetes."""
    return Response(status_code=await healthz())


@app.get("/readyz")
async def readiness() -> Response:
    """Answer ``readinessProbe`` of Kubernetes."""
    return Response(status_code=await readyz())
