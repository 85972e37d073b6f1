"""A Celery worker with a driver per process: ``celery -A celery_shop worker``.

Broker and result backend are in ``celeryconfig.py``.
"""

from __future__ import annotations

from celery import Celery
from celery.signals import worker_process_init

import coodie

coodie.load_config()  # connects to nothing

app = Celery("shop")
app.config_from_object("celeryconfig")


@worker_process_init.connect
def connect(**_: object) -> None:
    """Connect in each process of the pool, after the fork."""
    coodie.get_driver("shop").connect()


@app.task
def count() -> int:
    """Do a piece of work."""
    number: int = coodie.get_driver("shop").execute_one(
        "SELECT count(*) FROM system.local", []
    )
    return number
